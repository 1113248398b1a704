"""Messages to and about prescriptions: fixed, valid, invented; and a prescription service to give them to."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from contracts import values
from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.drafting_commands import ChangeStatus
from contracts.message import Caller, Message
from contracts.prescription_commands import (
    CancelDispensation,
    CompleteDispensation,
    IssuePrescription,
    NoteAccess,
    ResendPrescription,
    StartDispensation,
    UpdateDispensation,
    VoidPrescription,
)
from contracts.prescription_events import SafetyCheckRequested, SealRequested
from contracts.safety_check_events import SafetyCheckCompleted
from contracts.signing_events import PrescriptionSealed
from services.prescription import store
from services.prescription.domain import editing
from services.prescription.domain.history import Entry, Occasion
from services.prescription.domain.items import Item
from services.prescription.domain.patient import Facts, Patient
from services.prescription.domain.prescription import Prescription
from services.prescription.handlers import handlers
from services.prescription.messages.particulars import Particulars
from services.prescription.store import rows
from services.prescription.work import works
from shared import clock, database
from shared.database import Connection, Pool
from shared.work import Worker
from tests.service.conftest import Deliver, Said, said

NOON = datetime(2026, 6, 25, 12, tzinfo=UTC)
VALID_UNTIL = datetime(2026, 7, 26, 5, 59, 59, tzinfo=UTC)
CLINIC = UUID(int=1)
PATIENT = UUID(int=2)
DOCTOR = UUID(int=3)
ID = UUID(int=4)
ITEM = UUID(int=11)
FIRST = UUID(int=21)
SECOND = UUID(int=22)
ABOUT = {"tenant_id": CLINIC, "prescription_id": ID}

PARACETAMOL = values.Product(
    product_code="MED-042",
    product_name="Paracetamol 500 mg tablets",
    active_ingredients=(
        values.ActiveIngredient(ingredient="paracetamol", name="paracetamol", atc_code="N02BE01"),
    ),
    strength="500 mg",
    route="oral",
)
ANA = values.Patient(
    patient_id=PATIENT,
    facts_version=1,
    first_name="Ana",
    last_name="López",
    document_type="CC",
    document_number="1000000001",
    email_address="ana@example.org",
)
MARTA = values.Doctor(doctor_id=DOCTOR, given_names="Marta")
AMOXICILLIN = Item(
    id=ITEM,
    position=1,
    medication_name="Amoxicilina",
    active_ingredient="AMOXICILINA TRIIDRATADA",
    ingredients=("amoxicillin",),
    match_status="exact",
    quantity=21,
    unit="capsulas",
    dosage="500mg",
    route="oral",
    frequency="8/8h",
    duration="7 dias",
)
PROVIDER = values.Provider(
    provider_id=CLINIC, provider_slug="clinica-norte", name="Clínica Norte", country="GT", currency="GTQ"
)
SUN = values.Pharmacy(tenant_id=UUID(int=31), provider_slug="farmacia-sol")
MOON = values.Pharmacy(tenant_id=UUID(int=32), provider_slug="farmacia-luna")
SEAL = values.Seal(
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
CRITICAL = values.Finding(
    interaction_type="pharmacodynamic",
    severity=values.Severity.CRITICAL,
    rule_id="f:acetylsalicylic-acid:warfarin",
    source="tier1_matrix",
    ingredients=("acetylsalicylic-acid", "warfarin"),
    drug_a="VARFARINA SODICA",
    drug_b="ASPIRINA",
    item_ids=(ITEM,),
    text={"es": values.FindingText(description="Riesgo de sangrado.")},
)

_requests = 0


def stop_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon, until the test shifts it."""
    clock.reset()
    monkeypatch.setattr(clock, "now", lambda: NOON + clock._offset)


def asked_by(
    tenant_id: UUID = CLINIC, client: str = "clinic-ehr", channel: str | None = None
) -> dict[str, Any]:
    """The head of a command: each has a request id of its own."""
    global _requests
    _requests += 1
    return {
        "request_id": UUID(int=10_000 + _requests),
        "caller": Caller(tenant_id=tenant_id, client=client, channel=channel or "osigu"),
        "deadline": clock.now() + timedelta(minutes=15),
    }


def issue(**other: Any) -> IssuePrescription:
    number = other.pop("number", 0)
    return IssuePrescription(
        **{
            "tenant_id": CLINIC,
            "prescription_id": UUID(int=ID.int + number * 1000),
            **asked_by(),
            "api_version": "v1",
            "provider": PROVIDER,
            "policy": values.Policy(),
            "patient": ANA,
            "doctor": MARTA,
            "diagnoses": (values.Diagnosis(diagnosis_code="R51"),),
            "items": (
                values.ItemOrder(
                    item_id=UUID(int=ITEM.int + number * 1000),
                    product=PARACETAMOL,
                    medication_name="Paracetamol 500 mg tablets",
                    quantity=30,
                    posology="1 tablet every 8h",
                    duration_days=10,
                ),
            ),
            "valid_until": VALID_UNTIL,
            **other,
        }
    )


def verdict(
    request: SafetyCheckRequested, *findings: values.Finding, knowledge_base: str = "2026.11.1"
) -> SafetyCheckCompleted:
    """What safety-check answers to a request."""
    return SafetyCheckCompleted(
        tenant_id=request.tenant_id,
        prescription_id=request.prescription_id,
        content_version=request.content_version,
        facts_version=request.facts_version,
        in_force_version=request.in_force_version,
        patient_id=request.facts.patient_id,
        verdict=values.Verdict(
            knowledge_base_version=knowledge_base,
            checked_at=NOON,
            content_version=request.content_version,
            state="finding" if findings else "none_known",
            findings=findings,
            coverage={"interaction": values.Coverage(evaluated=1, not_evaluated=0)},
        ),
    )


def sealed(request: SealRequested) -> PrescriptionSealed:
    """What signing answers to a request."""
    return PrescriptionSealed(
        tenant_id=request.tenant_id,
        prescription_id=request.prescription_id,
        signature_version=request.signature_version,
        prescription_code=request.prescription_code,
        seal=SEAL,
    )


def change_status(status: str, **other: Any) -> ChangeStatus:
    """A step asked for in the step-by-step dialect, with what that step needs."""
    needed: dict[str, dict[str, Any]] = {
        "validated": {"valid_until": VALID_UNTIL},
        "signed": {"signed_by": DOCTOR, "signer": MARTA},
        "cancelled": {"reason": "Patient reports rash."},
    }
    return ChangeStatus(
        **{
            **ABOUT,
            **asked_by(channel="delphos"),
            "status": status,
            "policy": values.Policy(),
            "provider": PROVIDER,
            "patient": ANA,
            "doctor": MARTA,
            **needed.get(status, {}),
            **other,
        }
    )


def draft(number: int = 0) -> Prescription:
    """A draft as the step-by-step dialect leaves it, with its item in parts and no product."""
    order = Prescription(
        tenant_id=CLINIC,
        id=UUID(int=ID.int + number * 1000),
        patient_id=PATIENT,
        doctor_id=DOCTOR,
        dialect="delphos",
        created_at=NOON,
        updated_at=NOON,
        items=(replace(AMOXICILLIN, id=UUID(int=ITEM.int + number * 1000)),),
        particulars=Particulars(provider=PROVIDER, policy=values.Policy(), patient=ANA, doctor=MARTA),
    )
    return editing.create(order, Occasion(at=NOON))


def void(**other: Any) -> VoidPrescription:
    return VoidPrescription(**{**ABOUT, **asked_by(), "reason": "Patient reports rash.", **other})


def resend(**other: Any) -> ResendPrescription:
    return ResendPrescription(**{**ABOUT, **asked_by(), "delivery_id": UUID(int=51), **other})


def note_access(**other: Any) -> NoteAccess:
    return NoteAccess(**{**ABOUT, **asked_by(), "what": "code_lookup", **other})


def start(pharmacy: values.Pharmacy = SUN, **other: Any) -> StartDispensation:
    return StartDispensation(
        **{
            **ABOUT,
            **asked_by(pharmacy.tenant_id, pharmacy.provider_slug),
            "dispensation_id": FIRST,
            "policy": values.Policy(),
            "pharmacy": pharmacy,
            **other,
        }
    )


def line(quantity: int | None = 20, **other: Any) -> values.DispensationLine:
    return values.DispensationLine(
        **{
            "item_id": ITEM,
            "quantity": quantity,
            "price": Decimal("0.85"),
            "taxes": Decimal("2.04"),
            **other,
        }
    )


def update(*lines: values.DispensationLine, **other: Any) -> UpdateDispensation:
    return UpdateDispensation(
        **{
            **ABOUT,
            **asked_by(SUN.tenant_id, SUN.provider_slug),
            "dispensation_id": FIRST,
            "pharmacy": SUN,
            "lines": lines or (line(),),
            **other,
        }
    )


def complete(amount: str = "19.04", **other: Any) -> CompleteDispensation:
    return CompleteDispensation(
        **{
            **ABOUT,
            **asked_by(SUN.tenant_id, SUN.provider_slug),
            "dispensation_id": FIRST,
            "pharmacy": SUN,
            "receipt": values.Receipt(
                amount=Decimal(amount), document_number="F-2026-000731", document_date=NOON
            ),
            **other,
        }
    )


def cancel_dispensation(**other: Any) -> CancelDispensation:
    return CancelDispensation(
        **{
            **ABOUT,
            **asked_by(SUN.tenant_id, SUN.provider_slug),
            "dispensation_id": FIRST,
            "pharmacy": SUN,
            **other,
        }
    )


@dataclass
class Service:
    """The prescription service of one test; the other services answer when the test says so."""

    pool: Pool
    deliver: Deliver

    @classmethod
    def on(cls, pool: Pool) -> "Service":
        return cls(pool, Deliver(handlers, pool))

    async def hears(self, *messages: Message) -> list[Said]:
        """Give it messages, as one batch; gives what it said because of them."""
        known = len(await said(self.pool))
        await self.deliver(*messages)
        assert not self.deliver.waits
        return (await said(self.pool))[known:]

    async def keeps(self, prescription: Prescription) -> None:
        """Have it in store, as if it had come there step by step."""
        about = Patient(tenant_id=CLINIC, id=PATIENT, facts=Facts(version=1))
        async with database.transaction(self.pool) as conn:
            await store.hold(conn, [about], [])
            store.add(conn, prescription)
            await store.settle(conn)

    async def steps(self, *statuses: str, **other: Any) -> list[Said]:
        """Take it some steps on, the other services answering; gives what was said at the last."""
        found: list[Said] = []
        for status in statuses:
            found = await self.hears(change_status(status, **other))
            for asked in only(found, SafetyCheckRequested):
                found = await self.hears(verdict(asked))
            for asked in only(found, SealRequested):
                found = await self.hears(sealed(asked))
        return found

    async def issues(self, *commands: IssuePrescription) -> list[Said]:
        """Bring orders to their release; gives what was said at the last step."""
        asked = await self.hears(*(commands or (issue(),)))
        sealing = await self.hears(*(verdict(one) for one in only(asked, SafetyCheckRequested)))
        return await self.hears(*(sealed(one) for one in only(sealing, SealRequested)))

    async def answer(self, *messages: Message) -> CommandSucceeded | CommandRefused:
        """The one outcome of what it is asked."""
        found = await self.hears(*messages)
        (outcome,) = only(found, CommandSucceeded, CommandRefused)
        return outcome

    async def strikes(self, **delta: float) -> list[Said]:
        """Let time pass, and the clock do what is due."""
        known = len(await said(self.pool))
        clock.shift(timedelta(**delta))
        await self.works("clock")
        return (await said(self.pool))[known:]

    async def works(self, *names: str) -> None:
        """Do the work of these kinds that is due, until there is no more."""
        worker = Worker(works, self.pool, self.pool)
        for name in names:
            while jobs := await worker._lease(works.kinds[name]):
                for job in jobs:
                    await worker._do(works.kinds[name], job)


async def told(service: Service, prescription_id: UUID = ID) -> tuple[Entry, ...]:
    """All that happened to it, oldest first."""
    async with service.pool.acquire() as conn:
        return await history(conn, prescription_id)


async def history(conn: Connection, prescription_id: UUID) -> tuple[Entry, ...]:
    kept = await conn.fetch(
        "SELECT entries FROM history WHERE (tenant_id, prescription_id) = ($1, $2) ORDER BY revision",
        CLINIC,
        prescription_id,
    )
    return tuple(entry for row in kept for entry in rows.told_in(row["entries"]))


def only(found: list[Said], *classes: type[Message]) -> list[Any]:
    """The messages of some classes, in order."""
    return [one.message for one in found if isinstance(one.message, classes)]


def names(found: list[Said]) -> list[str]:
    return [type(one.message).__name__ for one in found]


def numbered(number: int) -> dict[str, UUID]:
    """Which prescription, of several."""
    return {"tenant_id": CLINIC, "prescription_id": UUID(int=ID.int + number * 1000)}
