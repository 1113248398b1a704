"""Invented prescriptions to print and mail; a test says only what it is about."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from services.notification.domain.printed import (
    Item,
    Language,
    Patient,
    Prescriber,
    PrintedPrescription,
    Status,
)

CODE = "RX-2026-9182407133560285"
ISSUED_AT = datetime(2026, 6, 25, 16, tzinfo=UTC)
VALID_UNTIL = datetime(2026, 7, 26, 5, 59, 59, tzinfo=UTC)
ENDED_AT = datetime(2026, 7, 2, 9, tzinfo=UTC)

PARACETAMOL = Item(
    number=1,
    product_name="Paracetamol 500 mg comprimidos",
    posology="1 comprimido cada 8 horas, con un vaso de agua",
    ingredients=("PARACETAMOL",),
    quantity=30,
    unit="tablet",
    duration_days=10,
)
AMOXICILLIN = Item(
    number=2,
    product_name="Amoxicilina 500 mg + ácido clavulánico 125 mg comprimidos recubiertos",
    posology="1 comprimido cada 12 horas con las comidas",
    ingredients=("AMOXICILINA", "ACIDO CLAVULANICO"),
    quantity=14,
    unit="tablet",
    duration_days=7,
    substitution_allowed=False,
)
SALBUTAMOL = Item(
    number=3,
    product_name="Salbutamol 100 µg/dosis aerosol",
    posology="2 inhalaciones si hay dificultad para respirar; máximo 8 al día",
    ingredients=("SALBUTAMOL",),
    quantity=1,
    unit="inhaler",
    duration="según necesidad",
)
ISSUED = PrintedPrescription(
    language=Language.SPANISH,
    time_zone="America/Guatemala",
    status=Status.ISSUED,
    patient=Patient("Ana López", "CC 1000000001", date(1990, 4, 11)),
    prescriber=Prescriber(
        "Dra. Marta Ruiz Soler", "Medicina general", "Av. Reforma 12-34", "12345", "MP-12345"
    ),
    provider_name="Clínica Norte",
    items=(PARACETAMOL, AMOXICILLIN, SALBUTAMOL),
    drawn_up_at=ISSUED_AT,
    code=CODE,
    issued_at=ISSUED_AT,
    valid_until=VALID_UNTIL,
    seal_digest="3f2a9c1be07d445a8c11d2f09b7e6a5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f77",
    diagnoses=("R51 · Cefalea",),
)


def printed(**changes: Any) -> PrintedPrescription:
    """The prescription of a headache, with what the test is about."""
    return replace(ISSUED, **changes)


def items(count: int) -> tuple[Item, ...]:
    """So many medicines, numbered."""
    return tuple(replace(ISSUED.items[at % 3], number=at + 1) for at in range(count))
