"""Prescriptions and patients as JSON in rows, and back."""

import hashlib
from dataclasses import replace
from typing import Final
from uuid import UUID

import orjson
from asyncpg import Record
from pydantic import TypeAdapter

from services.prescription.domain.history import Entry
from services.prescription.domain.items import Item
from services.prescription.domain.patient import Facts, Patient
from services.prescription.domain.prescription import Prescription
from services.prescription.messages.particulars import Particulars

_prescriptions: Final = TypeAdapter(Prescription)
_entries: Final = TypeAdapter(tuple[Entry, ...])
_items: Final = TypeAdapter(tuple[Item, ...])
_facts: Final = TypeAdapter(Facts)
_NO_ID: Final = UUID(int=0)

# What is kept beside the state: in the content, in the history. Hidden, the history is kept with it.
_BESIDE: Final = {"items", "particulars", "unsaved", "unsaid", "answers"}
_BESIDE_HIDDEN: Final = _BESIDE - {"unsaved"}


def content(prescription: Prescription) -> str:
    """What few changes touch: items, and the particulars that came with them."""
    particulars = prescription.particulars
    assert isinstance(particulars, Particulars)
    items = _items.dump_json(prescription.items, exclude_none=True)
    people = particulars.__pydantic_serializer__.to_json(particulars, exclude_none=True)
    return (b'{"items":' + items + b',"particulars":' + people + b"}").decode()


def content_differs(before: Prescription, after: Prescription) -> bool:
    """Whether what is kept as content is no longer the same: most changes leave both as they were."""
    if after.items is before.items and after.particulars is before.particulars:
        return False
    return (after.items, after.particulars) != (before.items, before.particulars)


def items_digest(prescription: Prescription) -> bytes:
    """Of what the items say, not of which they are, or since when."""
    said = tuple(
        replace(item, id=_NO_ID, created_at=None, updated_at=None, changed_in=0)
        for item in prescription.items
    )
    return hashlib.sha256(_items.dump_json(said, exclude_none=True)).digest()


def state(prescription: Prescription) -> str:
    """All that a change may touch."""
    beside = _BESIDE_HIDDEN if prescription.hidden else _BESIDE
    return _prescriptions.dump_json(prescription, exclude=beside, exclude_none=True).decode()


def prescription(row: Record) -> Prescription:
    known = orjson.loads(row["content"])
    kept = orjson.loads(row["state"])
    kept["items"] = known["items"]
    kept["particulars"] = Particulars.model_validate(known["particulars"])
    return _prescriptions.validate_python(kept)


def items(row: Record) -> tuple[Item, ...]:
    return _items.validate_python(orjson.loads(row["content"])["items"])


def entries(told: tuple[Entry, ...]) -> str:
    return _entries.dump_json(told, exclude_none=True).decode()


def told_in(text: str) -> tuple[Entry, ...]:
    return _entries.validate_json(text)


def facts(patient: Patient) -> str:
    return _facts.dump_json(patient.facts, exclude_none=True).decode()


def patient(row: Record) -> Patient:
    return Patient(
        tenant_id=row["tenant_id"],
        id=row["id"],
        facts=_facts.validate_json(row["facts"]),
        in_force_version=row["in_force_version"],
    )
