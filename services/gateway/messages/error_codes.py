"""What a row of an error table says, in either dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ErrorCode:
    """One row: clients branch on `code`; `who` must act; `retryable`: the same request may succeed later."""

    code: str
    status: int
    retryable: bool
    who: str
    meaning: str
    title: str = "Request refused"
    members: tuple[str, ...] = ()
    """What else the body of such a refusal has, in the dialect that names it."""


def rows(
    status: int,
    who: str,
    meaning: str,
    *codes: str,
    retryable: bool = False,
    members: tuple[str, ...] = (),
) -> list[ErrorCode]:
    return [ErrorCode(code, status, retryable, who, meaning, members=members) for code in codes]


def table(rows: list[ErrorCode]) -> Mapping[str, ErrorCode]:
    return {row.code: row for row in rows}
