"""Prescriptions for the domain's tests: fixed, valid, and in whatever column of the state table is wanted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from services.prescription.domain import cancelling, clock, dispensing, editing, issuing, signing
from services.prescription.domain.dispensation import (
    DispensingTerms,
    Line,
    Pharmacy,
    Receipt,
    SubstitutionPolicy,
)
from services.prescription.domain.history import Actor, ActorType, Occasion
from services.prescription.domain.items import ActiveIngredient, Item, Product
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.requests import Issue
from services.prescription.domain.safety import AskedWith, Finding, KeyMaker, SafetyPolicy, Severity, Verdict
from services.prescription.domain.signature import Seal
from services.prescription.domain.state_table import Column

NOON = datetime(2026, 6, 25, 12, tzinfo=UTC)
VALID_UNTIL = datetime(2026, 7, 26, 5, 59, 59, tzinfo=UTC)
CODE = "RX-2026-9182407133560285"
CLINIC = UUID(int=1)
PATIENT = UUID(int=2)
DOCTOR = UUID(int=3)
ID = UUID(int=4)
REQUEST = UUID(int=5)
TABLETS = UUID(int=11)
SYRUP = UUID(int=12)
DOCUMENT = UUID(int=13)
FIRST = UUID(int=21)
SECOND = UUID(int=22)
SUN = Pharmacy(tenant_id=UUID(int=31), provider_slug="farmacia-sol")
MOON = Pharmacy(tenant_id=UUID(int=32), provider_slug="farmacia-luna")
TERMS = DispensingTerms(
    timeout_min=30,
    void_window_h=24,
    substitution_policy=SubstitutionPolicy.SAME_INGREDIENT,
    currency_code="GTQ",
)
RECEIPT = Receipt(amount=Decimal("19.04"), document_number="F-2026-000731", document_date=NOON)
KEYS = KeyMaker(b"a secret of the installation", CLINIC, PATIENT)
ASKED = AskedWith(content_version=1, facts_version=1, in_force_version=1)
PARACETAMOL = Product(
    product_code="MED-042",
    product_name="Paracetamol 500 mg tablets",
    active_ingredients=(ActiveIngredient(name="paracetamol", ingredient="paracetamol", atc_code="N02BE01"),),
)
SEAL = Seal(
    profile="rx-sign/1",
    algorithm="ES256",
    key_id="k",
    protected="e30",
    payload="e30",
    signature="c2ln",
    document_sha256="00",
    certificate_sha256="11",
    sealed_at=NOON,
)


def spelled(moment: datetime) -> str:
    """As the history tells it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def at(moment: datetime = NOON) -> Occasion:
    return Occasion(
        at=moment, actor=Actor(type=ActorType.API_KEY, client_id="clinic-ehr"), request_id=REQUEST
    )


def later(**delta: float) -> Occasion:
    return at(NOON + timedelta(**delta))


def item(id: UUID = TABLETS, *, quantity: int | None = 30, position: int = 1, **other: object) -> Item:
    return replace(
        Item(
            id=id,
            position=position,
            medication_name="Paracetamol 500 mg tablets",
            product=PARACETAMOL,
            ingredients=("paracetamol",),
            quantity=quantity,
            posology="1 tablet every 8h",
            duration_days=10,
        ),
        **other,
    )


def line(id: UUID = TABLETS, quantity: int | None = 20, **other: object) -> Line:
    return Line(item_id=id, quantity=quantity, **other)


def finding(severity: Severity = Severity.CRITICAL, **other: object) -> Finding:
    return replace(
        Finding(
            id=UUID(int=41),
            interaction_type="pharmacodynamic",
            severity=severity,
            source="tier1_matrix",
            rule_id="f:acetylsalicylic-acid:warfarin",
            drug_a="VARFARINA SODICA",
            drug_b="ASPIRINA",
            ingredients=("acetylsalicylic-acid", "warfarin"),
            item_ids=(TABLETS,),
            detected_at=NOON,
        ),
        **other,
    )


def verdict(*findings: Finding, asked_with: AskedWith = ASKED) -> Verdict:
    return Verdict(
        asked_with=asked_with, findings=findings, knowledge_base_version="2026.11.1", checked_at=NOON
    )


def draft(*items: Item) -> Prescription:
    order = Prescription(
        tenant_id=CLINIC,
        id=ID,
        patient_id=PATIENT,
        doctor_id=DOCTOR,
        created_at=NOON,
        updated_at=NOON,
        items=items or (item(),),
        valid_until=VALID_UNTIL,
    )
    return editing.create(order, at())


def order(*items: Item, policy: SafetyPolicy = SafetyPolicy.BLOCK, **other: object) -> Prescription:
    """An issue in progress, as it stands when its request has come in."""
    issue = Issue(occasion=at(), deadline=NOON + timedelta(minutes=15), policy=policy)
    fresh = replace(draft(*items), version=0, revision=0, unsaved=(), issue=issue, code=CODE, **other)
    return issuing.begin(fresh, ASKED, at())


def issued(*items: Item) -> Prescription:
    checked = issuing.after_verdict(order(*items), verdict(), KEYS, at())
    return issuing.after_seal(issuing.proceed(checked, at()), SEAL, number=1, document_id=DOCUMENT, now=at())


def started(*items: Item, pharmacy: Pharmacy = SUN) -> Prescription:
    return dispensing.start(
        issued(*items), dispensation_id=FIRST, pharmacy=pharmacy, terms=TERMS, occasion=at()
    )


def completed(prescription: Prescription, *, occasion: Occasion | None = None) -> Prescription:
    return dispensing.complete(
        prescription,
        dispensation_id=FIRST,
        pharmacy=SUN,
        receipt=RECEIPT,
        occasion=occasion or at(),
    )


def in_column(column: Column) -> Prescription:
    """A prescription on the shortest way to a column; the released ones hold FIRST, ended or live."""
    pending = editing.submit_for_review(draft(item(), item(SYRUP, position=2)), occasion=at())
    validated = editing.validate(pending, valid_until=VALID_UNTIL, occasion=at())
    signing_now = signing.begin(validated, signed_by=DOCTOR, occasion=at())
    signed = signing.after_seal(signing_now, SEAL, number=1, occasion=at())
    submitted = signing.release(signing.with_code(signed, CODE), document_id=DOCUMENT, occasion=at())
    held = dispensing.start(submitted, dispensation_id=FIRST, pharmacy=SUN, terms=TERMS, occasion=at())
    return {
        Column.DRAFT: draft(item(), item(SYRUP, position=2)),
        Column.PENDING_REVIEW: pending,
        Column.VALIDATED: validated,
        Column.SIGNING: signing_now,
        Column.SIGNED: signed,
        Column.SUBMITTED: dispensing.time_out(held, later(minutes=31)),
        Column.DISPENSING: held,
        Column.DISPENSED: completed(held),
        Column.CANCELLED: cancelling.cancel(held, reason="Rash.", occasion=at()),
        Column.EXPIRED: clock.as_of(held, VALID_UNTIL + timedelta(seconds=1)),
    }[column]
