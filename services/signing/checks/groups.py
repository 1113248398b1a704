"""Whether the disclosed groups are those that were sealed, each on its own (steps 10 and 11)."""

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from services.signing.domain import b64url
from services.signing.domain.canonical import Json
from services.signing.domain.faults import Malformed
from services.signing.domain.parsing import members
from services.signing.domain.profiles import SALT_BYTES, Profile, group_names
from services.signing.domain.seal import Disclosure

_PARTS: Final = frozenset({"name", "salt", "data"})
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: the step that saw it, its code, the group it is about; never a value."""

    step: int
    code: str
    detail: str
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A group as a file claims it to be; nothing but its name has been looked at."""

    name: str
    members: Mapping[str, Json]

    @property
    def data(self) -> Mapping[str, Json]:
        data = self.members.get("data")
        return data if isinstance(data, Mapping) else {}


def read(value: Json, profile: Profile) -> tuple[Disclosed, ...]:
    """The disclosures of a file. Raises Malformed for what does not name a group."""
    if not isinstance(value, list):
        raise Malformed.at("disclosures", "not an array")
    found = []
    for one in value:
        if not isinstance(one, Mapping) or not isinstance(name := one.get("name"), str):
            raise Malformed.at("disclosures", "one without a name")
        profile.groups.of(name)
        found.append(Disclosed(name, one))
    return tuple(found)


def incomplete(sealed: Sequence[tuple[str, str]], item_count: Json) -> Iterator[Finding]:
    """A finding when the sealed list of groups is one that no seal has."""
    names = [name for name, _ in sealed]
    with_diagnosis = names[-1:] == ["diagnosis"]
    if not isinstance(item_count, int) or names != list(group_names(item_count, diagnosis=with_diagnosis)):
        yield Finding(10, "E_FORMAT", "groups are missing, repeated or out of order")


def altered(
    sealed: Sequence[tuple[str, str]], disclosed: Sequence[Disclosed], profile: Profile
) -> Iterator[Finding]:
    """A finding for each group that is not as it was sealed."""
    if "document" not in {one.name for one in disclosed}:
        yield Finding(10, "E_FORMAT", "withheld", "document")
    digests, seen, total = dict(sealed), set[str](), 0
    for one in disclosed:
        if one.name in seen or one.name not in digests:
            yield Finding(10, "E_FORMAT", "disclosed twice, or not among the sealed groups", one.name)
            continue
        seen.add(one.name)
        try:
            disclosure = _in_normal_form(one, profile)
        except Malformed as refused:
            yield Finding(10, "E_FORMAT", str(refused), one.name)
            continue
        total += len(disclosure.opened(profile.name))
        if not hmac.compare_digest(disclosure.digest(profile.name).encode(), digests[one.name].encode()):
            yield Finding(10, "E_HASH", "altered since it was sealed", one.name)
    if total > profile.limits.groups:
        yield Finding(10, "E_FORMAT", "the groups are larger than a seal may cover")


def contradicting(
    payload: Mapping[str, Json], disclosed: Sequence[Disclosed], profile: Profile
) -> Iterator[Finding]:
    """What the sealed payload says in the clear and `document` says otherwise."""
    document = next((one.data for one in disclosed if one.name == "document"), None)
    if document is None:
        return
    for key in profile.copied:
        if document.get(key) != payload[key]:
            yield Finding(11, "E_ID", f"{key} is not the sealed one", "document")
    if not _fits(document.get("prescription_date"), document.get("issued_at")):
        yield Finding(11, "E_ID", "prescription_date is no date of that moment", "document")


def _in_normal_form(one: Disclosed, profile: Profile) -> Disclosure:
    """The group, if a seal could cover it. Raises Malformed."""
    parts = members(one.members, _PARTS)
    salt, data = parts["salt"], parts["data"]
    if not isinstance(salt, str) or len(b64url.decode(salt)) != SALT_BYTES:
        raise Malformed.at("salt", f"not {SALT_BYTES} bytes in base64url")
    if profile.normal(one.name, data) != data or not isinstance(data, Mapping):
        raise Malformed.at(one.name, "not in normal form")
    if one.name.startswith("item/") and one.name != f"item/{data['item_no']}":
        raise Malformed.at(f"{one.name}.item_no", "not the number of the group")
    disclosure = Disclosure(one.name, salt, data)
    if len(disclosure.opened(profile.name)) > profile.limits.group:
        raise Malformed.at(one.name, "larger than a group may be")
    return disclosure


def _fits(day: Json, moment: Json) -> bool:
    """Local dates differ from the date in UTC by a day at most."""
    try:
        local, issued = date.fromisoformat(str(day)), datetime.fromisoformat(str(moment)).date()
    except ValueError:
        return False
    return abs(local - issued) <= _DAY
