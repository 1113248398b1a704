"""Consultations and templates, which prescriptions are made from, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from contracts.command_outcomes import (
    CommandRefused,
    CommandSucceeded,
    RecordCommandRefused,
    RecordCommandSucceeded,
)
from contracts.message import Message
from contracts.prescription_commands import Unresolved
from contracts.prescription_events import ConsultationChanged, TemplateChanged
from shared import clock
from tests.service import prescriptions as some
from tests.service import records
from tests.service.prescriptions import ID, NOON, Service, only
from tests.service.records import AMOXICILLIN, CONSULTATION

OTHER_PATIENT = UUID(int=999)


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    yield Service.on(await open_pool("prescription"))
    clock.reset()


async def answer(service: Service, *messages: Message) -> RecordCommandSucceeded | RecordCommandRefused:
    found = await service.hears(*messages)
    (outcome,) = only(found, RecordCommandSucceeded, RecordCommandRefused)
    return outcome


async def rows(service: Service, table: str) -> int:
    return await service.pool.fetchval(f"SELECT count(*) FROM {table}")


async def test_a_consultation_is_kept_and_told(service):
    command = records.put()
    found = await service.hears(command)

    (changed,) = only(found, ConsultationChanged)
    (outcome,) = only(found, RecordCommandSucceeded)
    assert (outcome.request_id, outcome.created) == (command.request_id, True)
    assert outcome.consultation == changed.consultation
    assert (outcome.consultation.version, outcome.consultation.created_at) == (1, NOON)
    assert outcome.consultation.medication_entities == (AMOXICILLIN,)
    assert changed.key == str(CONSULTATION)


async def test_a_consultation_is_replaced_whole_and_keeps_when_it_came(service):
    await service.hears(records.put(status="open", language="es"))
    clock.shift(some.timedelta(hours=1))

    outcome = await answer(service, records.put(medication_entities=()))

    assert not outcome.created
    said = outcome.consultation
    assert (said.version, said.status, said.language, said.medication_entities) == (2, "completed", "pt", ())
    assert (said.created_at, said.updated_at) == (NOON, NOON + some.timedelta(hours=1))


async def test_the_same_consultation_again_is_the_same_version(service):
    await service.hears(records.put())
    found = await service.hears(records.put())

    (outcome,) = only(found, RecordCommandSucceeded)
    assert outcome.consultation.version == 1
    assert not only(found, ConsultationChanged)


@pytest.mark.parametrize(
    ("expected", "current", "there"), [(1, None, False), (0, None, False), (2, 1, True), (7, 1, True)]
)
async def test_a_consultation_that_was_read_otherwise_is_left_alone(service, expected, current, there):
    if there:
        await service.hears(records.put())

    outcome = await answer(service, records.put(status="completed", expected_version=expected))

    assert (outcome.code, outcome.data) == ("version_mismatch", {"current_version": current})
    assert await rows(service, "consultation") == int(there)


@pytest.mark.parametrize("expected", [None, 0, 1])
async def test_a_consultation_that_was_read_as_it_is_is_replaced(service, expected):
    await service.hears(records.put(status="open"))

    outcome = await answer(service, records.put(expected_version=expected))

    assert outcome.consultation.version == 2


@pytest.mark.parametrize("over", ["completed", "cancelled"])
async def test_a_consultation_that_is_over_stays_what_it_is(service, over):
    await service.hears(records.put(status=over))

    outcome = await answer(service, records.put(status="open", patient_id=OTHER_PATIENT))

    assert outcome.code == "invalid_transition"
    assert outcome.data == {"from": over, "to": "open", "allowed": []}


async def test_wrong_references_are_told_together(service):
    await service.hears(records.put(status="open"))
    unknown = Unresolved(path="doctor_id", code="unknown_reference")

    outcome = await answer(service, records.put(patient_id=OTHER_PATIENT, unresolved=(unknown,)))

    assert outcome.code == "validation_failed"
    assert [(one.path, one.code) for one in outcome.refusals] == [
        ("doctor_id", "unknown_reference"),
        ("patient_id", "consultation_mismatch"),
    ]


async def test_a_first_consultation_that_is_refused_leaves_nothing(service):
    unknown = Unresolved(path="patient_id", code="unknown_reference")

    outcome = await answer(service, records.put(unresolved=(unknown,)))

    assert outcome.code == "unknown_reference"
    assert await rows(service, "consultation") == 0


async def test_two_who_make_one_consultation_at_a_time_make_one(service):
    other = Service.on(service.pool)
    await asyncio.gather(
        service.deliver(records.put(status="open")), other.deliver(records.put(status="completed"))
    )

    found = await service.pool.fetch("SELECT version FROM consultation")
    assert [row["version"] for row in found] in ([1], [2])
    said = [one.message for one in await some.said(service.pool)]
    outcomes = [one for one in said if isinstance(one, RecordCommandSucceeded | RecordCommandRefused)]
    assert sum(isinstance(one, RecordCommandSucceeded) and one.created for one in outcomes) == 1


async def test_a_template_keeps_what_may_be_said_of_any_patient(service):
    private = {"clinical_notes": "INR em 7 dias.", "instructions": "Tomar com água."}
    item = some.issue().items[0].model_copy(update={**private, "active_ingredient": "PARACETAMOL"})
    await service.issues(some.issue(items=(item,), notes="Patient is afraid of needles."))

    found = await service.hears(records.save(description="Dor"))

    (outcome,) = only(found, CommandSucceeded)
    (changed,) = only(found, TemplateChanged)
    template = outcome.template
    assert template == changed.template
    assert (template.name, template.description, template.version) == ("Amigdalite", "Dor", 1)
    assert template.source_prescription_id == ID
    (line,) = template.items
    assert (line.medication_name, line.quantity) == ("Paracetamol 500 mg tablets", 30)
    assert (line.dosage, line.route, line.frequency) == ("500 mg", "oral", "1 tablet every 8h")
    assert line.instructions == "Tomar com água."
    assert "INR" not in template.model_dump_json()
    assert "needles" not in template.model_dump_json()


async def test_a_name_belongs_to_one_template_whatever_its_case_and_a_deleted_one_frees_it(service):
    await service.issues()
    await service.hears(records.save())

    taken = await service.answer(records.save(template_id=UUID(int=72), name="AMIGDALITE"))
    gone = await answer(service, records.delete())
    again = await service.answer(records.save(template_id=UUID(int=73), name="amigdalitE"))

    assert (taken.code, taken.prescription.prescription_id) == ("template_name_taken", ID)
    assert (gone.template.deleted, gone.template.version) == (True, 2)
    assert again.template.template_id == UUID(int=73)


async def test_of_two_that_take_one_name_at_a_time_one_gets_it(service):
    await service.issues(*(some.issue(number=one) for one in range(8)))
    await asyncio.gather(
        *(
            Service.on(service.pool).deliver(
                records.save(template_id=UUID(int=100 + one), **some.numbered(one))
            )
            for one in range(8)
        )
    )

    said = [one.message for one in await some.said(service.pool)]
    saved = [one for one in said if isinstance(one, CommandSucceeded) and one.template]
    refused = [one for one in said if isinstance(one, CommandRefused)]
    assert len(saved) == 1
    assert [one.code for one in refused] == ["template_name_taken"] * 7


async def test_in_one_batch_a_name_is_taken_freed_and_taken_again(service):
    await service.issues()
    found = await service.hears(
        records.save(),
        records.save(template_id=UUID(int=72)),
    )
    outcomes = only(found, CommandSucceeded, CommandRefused)
    assert [isinstance(one, CommandSucceeded) for one in outcomes] == [True, False]

    found = await service.hears(records.delete(), records.save(template_id=UUID(int=74)))
    assert len(only(found, CommandSucceeded)) == 1
    assert await service.pool.fetchval("SELECT count(*) FROM template WHERE NOT deleted") == 1


@pytest.mark.parametrize("expected", [2, 5])
async def test_a_template_that_was_read_otherwise_is_not_deleted(service, expected):
    await service.issues()
    await service.hears(records.save())

    outcome = await answer(service, records.delete(expected_version=expected))

    assert (outcome.code, outcome.data) == ("version_mismatch", {"current_version": 1})


async def test_nobody_sees_a_deleted_template_or_one_of_another_tenant(service):
    await service.issues()
    await service.hears(records.save())
    stranger = await answer(service, records.delete(tenant_id=UUID(int=9)))
    await service.hears(records.delete())

    outcome = await answer(service, records.delete(expected_version=0))

    assert (stranger.code, outcome.code) == ("resource_not_found", "resource_not_found")


async def test_an_unknown_prescription_makes_no_template(service):
    outcome = await service.answer(records.save(prescription_id=UUID(int=5)))

    assert outcome.code == "resource_not_found"
    assert await rows(service, "template") == 0


async def test_a_template_of_a_prescription_that_was_read_otherwise_is_not_saved(service):
    await service.issues()

    outcome = await service.answer(records.save(expected_version=1))

    assert outcome.code == "version_mismatch"
    assert outcome.data["current_version"] == outcome.prescription.version
