"""What is wrong with content or a file: paths and reasons, never values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Fault:
    path: str
    reason: str


class Malformed(Exception):
    """Something is not in the form that its place asks for; `faults` says where, all of them."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.path}: {fault.reason}" for fault in self.faults))

    @classmethod
    def at(cls, path: str, reason: str) -> Self:
        return cls([Fault(path, reason)])

    def under(self, prefix: str) -> "Malformed":
        """The same faults, seen from the object that contains them."""
        return Malformed(Fault(_joined(prefix, fault.path), fault.reason) for fault in self.faults)


def _joined(prefix: str, path: str) -> str:
    if not path:
        return prefix
    return f"{prefix}{path}" if path.startswith("[") else f"{prefix}.{path}"
