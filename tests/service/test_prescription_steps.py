"""A prescription walked step by step, from its draft to the pharmacy, on a real Postgres."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from contracts import prescription_codes, values
from contracts.command_outcomes import CommandSucceeded
from services.prescription import store
from services.prescription.domain import history
from shared import clock
from tests.service import prescriptions as some
from tests.service.prescriptions import CLINIC, CRITICAL, ID, NOON, PATIENT, Service, names, only

CONTRAINDICATED = CRITICAL.model_copy(
    update={
        "severity": values.Severity.CONTRAINDICATED,
        "rule_id": "f:allergy",
        "interaction_type": "allergy",
        "drug_a": "ZZZ",
    }
)
OTHER_DOCTOR = UUID(int=7)


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    service = Service.on(await open_pool("prescription"))
    await service.keeps(some.draft())
    yield service
    clock.reset()


async def told(service: Service) -> tuple[history.Entry, ...]:
    async with service.pool.acquire() as conn:
        return await store.history(conn, CLINIC, ID)


async def actions(service: Service) -> list[str]:
    return [one.note.action.value for one in await told(service)]


async def in_force_version(service: Service) -> int:
    return await service.pool.fetchval("SELECT in_force_version FROM patient WHERE id = $1", PATIENT)


async def test_a_draft_is_walked_to_the_pharmacy_and_handed_over(service):
    reviewed = await service.answer(some.change_status("pending_review"))
    validated = await service.answer(some.change_status("validated"))
    signing = some.change_status("signed")
    asked = await service.hears(signing)
    sealing = await service.hears(some.verdict(asked[1].message))
    signed = await service.hears(some.sealed(sealing[1].message))
    submitted = await service.hears(some.change_status("submitted"))
    dispensed = await service.hears(some.change_status("dispensed"))

    assert [one.prescription.status for one in (reviewed, validated)] == ["pending_review", "validated"]
    assert validated.prescription.valid_until == some.VALID_UNTIL
    assert names(asked) == ["PrescriptionChanged", "SafetyCheckRequested"]
    assert names(sealing) == ["PrescriptionChanged", "SealRequested"]
    assert names(signed) == ["PrescriptionChanged", "CommandSucceeded"]
    assert names(submitted) == ["PrescriptionChanged", "DispenseReleased", "CommandSucceeded"]
    assert names(dispensed) == ["PrescriptionChanged", "DispenseCompleted", "CommandSucceeded"]
    (answer,) = only(signed, CommandSucceeded)
    assert answer.request_id == signing.request_id
    assert (answer.prescription.status, answer.prescription.signature.status) == ("signed", "completed")
    assert (answer.prescription.signed_by, answer.prescription.signed_at) == (some.DOCTOR, NOON)
    assert prescription_codes.is_valid(answer.prescription.prescription_code)
    assert history.replay(await told(service)).status == "dispensed"
