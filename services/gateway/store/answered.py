"""Answers that this process has stored: who waits for one here hears of it without a word to Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeAlias
from uuid import UUID

from services.gateway.messages.answers import Answer
from shared import database

Hear: TypeAlias = Callable[[Mapping[UUID, Answer]], None]

_hearing: Final[list[Hear]] = []


@contextmanager
def heard_by(hear: Hear) -> Iterator[None]:
    """Say who in this process is to hear of answers, as they are stored."""
    _hearing.append(hear)
    try:
        yield
    finally:
        _hearing.remove(hear)


def once_committed(answers: Mapping[UUID, Answer]) -> None:
    """Tell of these when the transaction under way commits."""
    for hear in _hearing:
        database.after_commit(partial(hear, answers))
