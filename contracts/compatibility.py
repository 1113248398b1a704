"""Which changes of a JSON Schema an old reader, or a new reader of old messages, cannot bear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_ANNOTATIONS: Final = frozenset(
    {"title", "description", "default", "examples", "$defs", "properties", "required"}
)
_NESTED: Final = ("items", "additionalProperties")


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """What breaks between two versions of one message's schema; empty when old and new read each other.

    A new member with a default is bearable; removing, renaming, narrowing, widening or demanding one is not.
    """
    return list(_compare(old, new, old, new, "$", frozenset()))


def _resolve(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def _compare(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    pair = (str(old.get("$ref")), str(new.get("$ref")))
    if pair in seen:
        return
    if "$ref" in old or "$ref" in new:
        seen = seen | {pair}
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    yield from _members(old, new, old_root, new_root, path, seen)
    for keyword in sorted((set(old) | set(new)) - _ANNOTATIONS):
        before, after = old.get(keyword), new.get(keyword)
        if keyword in _NESTED and isinstance(before, dict) and isinstance(after, dict):
            yield from _compare(before, after, old_root, new_root, f"{path}[]", seen)
        elif keyword == "anyOf" and before and after and len(before) == len(after):
            for a, b in zip(before, after, strict=True):
                yield from _compare(a, b, old_root, new_root, path, seen)
        elif before != after:
            yield f"{path}: {keyword} was {before!r} and is {after!r}"


def _members(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in sorted(before):
        if name not in after:
            yield f"{path}.{name}: removed"
        else:
            yield from _compare(before[name], after[name], old_root, new_root, f"{path}.{name}", seen)
    demanded_before, demanded_now = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(demanded_now - demanded_before):
        yield f"{path}.{name}: is demanded now, and old messages lack it"
    for name in sorted((demanded_before - demanded_now) & set(after)):
        yield f"{path}.{name}: is optional now, and old readers demand it"
