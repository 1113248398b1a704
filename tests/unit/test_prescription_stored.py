"""What a prescription leaves out when it is stored can be left out when it is read again."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from types import NoneType
from typing import Any

from services.prescription.domain.prescription import Prescription


def shapes(kind: Any, seen: set[Any]) -> Iterator[Any]:
    """Every dataclass that a member may hold."""
    if dataclasses.is_dataclass(kind) and kind not in seen:
        seen.add(kind)
        yield kind
        for hint in typing.get_type_hints(kind).values():
            yield from shapes(hint, seen)
    for part in typing.get_args(kind):
        yield from shapes(part, seen)


def demanded_though_empty(shape: Any) -> list[str]:
    """Members that may be None, and are asked for all the same."""
    hints = typing.get_type_hints(shape)
    return [
        f"{shape.__name__}.{one.name}"
        for one in dataclasses.fields(shape)
        if NoneType in typing.get_args(hints[one.name])
        and one.default is dataclasses.MISSING
        and one.default_factory is dataclasses.MISSING
    ]


def test_what_may_be_empty_may_be_absent() -> None:
    """Nothing is stored for None: a member without a default would make its prescription unreadable."""
    found = [name for shape in shapes(Prescription, set()) for name in demanded_though_empty(shape)]

    assert found == []
