"""What a signing profile is: one name, one form of header, and the rules of its groups, all of it data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.signing.domain.canonical import Json
from services.signing.domain.faults import Malformed
from services.signing.domain.values import Fields, normal

KIB: Final = 1024
SALT_BYTES: Final = 16
_NAME: Final = re.compile(r"(?P<one>document|patient|prescriber|diagnosis)|item/[1-9][0-9]{0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Groups:
    """The fields of each kind of group; all `item/N` share one kind."""

    document: Fields
    patient: Fields
    prescriber: Fields
    item: Fields
    diagnosis: Fields

    def of(self, group: str) -> Fields:
        """The fields of a group by its name. Raises Malformed for a name that no group has."""
        if (found := _NAME.fullmatch(group)) is None:
            raise Malformed.at("", "no such group")
        fields: Fields = getattr(self, found["one"] or "item")
        return fields


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes at most, so that a stranger's file costs a verifier nothing worth having."""

    bundle: int
    groups: int
    group: int
    payload: int = 16 * KIB
    header: int = 16 * KIB
    unprotected: int = 256 * KIB


@dataclass(frozen=True, slots=True)
class Profile:
    """A version of the sealed form, for ever: what changes gets a new name."""

    name: str
    cty: str
    algorithms: frozenset[str]
    groups: Groups
    copied: tuple[str, ...]
    """Keys of `document` that the payload repeats."""
    items_max: int
    limits: Limits

    @property
    def payload_keys(self) -> frozenset[str]:
        return frozenset({"profile", "canon", "digest_alg", "groups", *self.copied})

    def normal(self, group: str, data: Json) -> dict[str, Json]:
        """The normal form of a group's data. Raises Malformed with the path of every fault."""
        return normal(self.groups.of(group), data, group)


def group_names(item_count: int, *, diagnosis: bool) -> Iterator[str]:
    """The groups of a payload in the only order that they may have."""
    yield from ("document", "patient", "prescriber")
    yield from (f"item/{number}" for number in range(1, item_count + 1))
    if diagnosis:
        yield "diagnosis"
