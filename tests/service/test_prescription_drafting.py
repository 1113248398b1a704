"""A prescription written step by step, on a real Postgres."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from contracts import values
from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.prescription_commands import Unresolved
from contracts.prescription_events import ConsultationChanged, PrescriptionChanged, SafetyCheckRequested
from services.prescription import store
from services.prescription.domain import history
from shared import clock, database
from tests.service import catalogues, drafts, records
from tests.service import prescriptions as some
from tests.service.conftest import said
from tests.service.drafts import SECOND_ITEM
from tests.service.prescriptions import CLINIC, ID, ITEM, NOON, PATIENT, Service, names, only, told


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    yield Service.on(await open_pool("prescription"))
    clock.reset()


@pytest.fixture
async def draft(service) -> Service:
    """A service that has an empty draft."""
    await service.hears(drafts.create())
    return service


async def stored(service: Service):
    async with database.transaction(service.pool) as conn:
        await store.hold(conn, [], [(CLINIC, ID)])
        return store.find(conn, CLINIC, ID)


async def test_a_draft_begins_empty_and_never_checked(service):
    command = drafts.create(origin="imported", notes="Con comida.", prescription_type="controlled")

    found = await service.hears(command)

    assert names(found) == ["PrescriptionChanged", "CommandSucceeded"]
    (answer,) = only(found, CommandSucceeded)
    whole = answer.prescription
    assert answer.request_id == command.request_id
    assert (whole.status, whole.version, whole.dialect) == ("draft", 1, "delphos")
    assert (whole.origin, whole.prescription_type, whole.notes) == ("imported", "controlled", "Con comida.")
    assert (whole.items, whole.findings, whole.safety_check_status) == ((), (), "never_run")
    assert (whole.patient, whole.doctor, whole.provider) == (some.ANA, some.MARTA, some.PROVIDER)
    (changed,) = only(found, PrescriptionChanged)
    assert {one.field: one.new for one in changed.history[0].changes} == {
        "patient_id": str(PATIENT),
        "doctor_id": str(some.DOCTOR),
        "origin": "imported",
        "prescription_type": "controlled",
        "notes": "Con comida.",
    }


async def test_people_who_cannot_be_named_are_refused_together_and_nothing_is_left(service):
    command = drafts.create(
        patient=None,
        doctor=None,
        unresolved=(
            Unresolved(path="patient_id", code="unknown_reference"),
            Unresolved(path="doctor_id", code="inactive_reference"),
        ),
    )

    refused = await service.answer(command)

    assert refused.code == "validation_failed"
    assert [(one.path, one.code) for one in refused.refusals] == [
        ("patient_id", "unknown_reference"),
        ("doctor_id", "inactive_reference"),
    ]
    assert await service.pool.fetchval("SELECT count(*) FROM prescription") == 0


async def test_one_person_who_is_unknown_is_refused_by_that_code(service):
    refused = await service.answer(
        drafts.create(doctor=None, unresolved=(Unresolved(path="doctor_id", code="unknown_reference"),))
    )

    assert (refused.code, refused.prescription) == ("unknown_reference", None)
    assert [one.path for one in refused.refusals] == ["doctor_id"]


async def test_the_newest_facts_of_the_patient_come_with_the_draft(service):
    penicillin = values.Allergy(ingredient="penicilina")
    await service.hears(
        drafts.create(patient=some.ANA.model_copy(update={"facts_version": 4, "allergies": (penicillin,)}))
    )

    (asked,) = only(await service.hears(drafts.add()), SafetyCheckRequested)

    assert (asked.facts_version, asked.facts.allergies) == (4, (penicillin,))


async def test_a_draft_may_be_linked_with_a_consultation_of_its_patient_which_learns_of_it(service):
    await service.hears(records.put())

    found = await service.hears(drafts.create(consultation_id=records.CONSULTATION))

    (answer,) = only(found, CommandSucceeded)
    assert answer.prescription.consultation_id == records.CONSULTATION
    (told_of,) = only(found, ConsultationChanged)
    assert (told_of.consultation.version, told_of.consultation.prescription_ids) == (2, (ID,))


async def test_an_unknown_consultation_and_one_of_another_patient_are_refused(service):
    await service.hears(records.put(patient_id=UUID(int=77)))

    unknown = await service.answer(drafts.create(consultation_id=UUID(int=99)))
    others = await service.answer(drafts.create(consultation_id=records.CONSULTATION))

    assert [(one.path, one.code) for one in unknown.refusals] == [("consultation_id", "unknown_reference")]
    assert [(one.path, one.code) for one in others.refusals] == [("patient_id", "consultation_mismatch")]


async def test_an_item_is_added_and_its_check_begins_without_being_waited_for(draft):
    found = await draft.hears(drafts.add())

    assert names(found) == ["PrescriptionChanged", "SafetyCheckRequested", "CommandSucceeded"]
    (answer,) = only(found, CommandSucceeded)
    whole = answer.prescription
    assert (answer.item_id, whole.version, whole.safety_check_status) == (ITEM, 2, "pending")
    (item,) = whole.items
    assert (item.position, item.medication_name, item.duration_days) == (1, "Amoxicilina", 7)
    assert (item.created_at, item.updated_at) == (NOON, NOON)
    (asked,) = only(found, SafetyCheckRequested)
    assert asked.content_version == whole.content_version == 2
    assert (asked.items[0].medication_name, asked.items[0].dosage) == ("Amoxicilina", "500mg")


async def test_an_item_is_what_the_catalogue_says_of_it(draft):
    await draft.hears(*catalogues.whole_release())
    linked = catalogues.product("MED-042")

    named = await draft.answer(
        drafts.add(drafts.order(active_ingredient=None, medication_name="paracetamol"))
    )
    by_link = await draft.answer(
        drafts.add(drafts.order(SECOND_ITEM, cmed_medication_id=linked.medication_id, active_ingredient=None))
    )

    assert [(one.match_status, one.ingredients) for one in named.prescription.items] == [
        ("exact", ("paracetamol",))
    ]
    second = by_link.prescription.items[1]
    assert (second.match_status, second.product.product_code) == ("linked", "MED-042")
    assert second.cmed_medication_id == linked.medication_id


async def test_a_product_that_the_catalogue_does_not_know_is_refused_where_it_is_named(draft):
    refused = await draft.answer(drafts.add(drafts.order(cmed_medication_id=UUID(int=999))))
    await draft.hears(drafts.add())
    changed = await draft.answer(drafts.change_item(cmed_medication_id=str(UUID(int=999))))

    for one in (refused, changed):
        assert one.code == "unknown_reference"
        assert [(each.path, each.code) for each in one.refusals] == [
            ("cmed_medication_id", "unknown_reference")
        ]
    assert refused.prescription.items == ()


async def test_no_more_items_than_the_provider_allows_but_an_unknown_product_comes_first(draft):
    one_only = values.Policy(max_medications=1)
    await draft.hears(drafts.add(policy=one_only))

    full = await draft.answer(drafts.add(drafts.order(SECOND_ITEM), policy=one_only))
    unknown = await draft.answer(
        drafts.add(drafts.order(SECOND_ITEM, cmed_medication_id=UUID(int=999)), policy=one_only)
    )

    assert (full.code, unknown.code) == ("items_limit", "unknown_reference")


async def test_another_dosage_is_checked_anew_and_another_instruction_is_not(draft):
    await draft.hears(drafts.add())

    dosage = await draft.hears(drafts.change_item(dosage="875mg", frequency="12/12h"))
    clock.shift(timedelta(minutes=1))
    words = await draft.hears(drafts.change_item(instructions="Con comida.", clinical_notes=None))
    nothing = await draft.hears(drafts.change_item())

    assert names(dosage) == ["PrescriptionChanged", "SafetyCheckRequested", "CommandSucceeded"]
    assert names(words) == ["PrescriptionChanged", "CommandSucceeded"]
    assert names(nothing) == ["CommandSucceeded"]
    (last,) = only(nothing, CommandSucceeded)
    (item,) = last.prescription.items
    assert (item.dosage, item.frequency, item.instructions) == ("875mg", "12/12h", "Con comida.")
    assert (item.created_at, item.updated_at) == (NOON, NOON + timedelta(minutes=1))
    assert (last.prescription.version, last.prescription.content_version) == (4, 3)
    (changed,) = only(dosage, PrescriptionChanged)
    assert [(one.field, one.old, one.new) for one in changed.history[0].changes] == [
        (f"items.{ITEM}.dosage", "500mg", "875mg"),
        (f"items.{ITEM}.frequency", "8/8h", "12/12h"),
    ]


async def test_a_removed_item_leaves_its_place_empty_and_stays_in_the_history(draft):
    await draft.hears(drafts.add())
    await draft.hears(drafts.add(drafts.order(SECOND_ITEM)))

    removed = await draft.hears(drafts.remove(SECOND_ITEM))
    again = await draft.answer(drafts.add(drafts.order(UUID(int=13))))

    (answer,) = only(removed, CommandSucceeded)
    assert answer.item_id == SECOND_ITEM
    assert [one.position for one in again.prescription.items] == [1, 3]
    (changed,) = only(removed, PrescriptionChanged)
    (change,) = changed.history[0].changes
    assert (change.field, change.new) == (f"items.{SECOND_ITEM}", None)
    assert change.old["dosage"] == "500mg"


async def test_the_last_item_may_go_from_a_draft_and_not_from_what_is_under_review(draft):
    await draft.hears(drafts.add())
    await draft.hears(drafts.remove())
    await draft.hears(drafts.add())
    await draft.hears(some.change_status("pending_review"))

    refused = await draft.answer(drafts.remove())

    assert refused.code == "last_item"
    assert [one.item_id for one in refused.prescription.items] == [ITEM]


async def test_metadata_becomes_what_it_says_and_null_clears_it(draft):
    until = "2026-07-01T12:00:00+02:00"

    first = await draft.answer(drafts.change(notes="Con comida.", valid_until=until))
    second = await draft.hears(drafts.change(notes=None))
    nothing = await draft.hears(drafts.change())

    assert (first.prescription.notes, first.prescription.version) == ("Con comida.", 2)
    assert first.prescription.valid_until.isoformat() == "2026-07-01T10:00:00+00:00"
    (answer,) = only(second, CommandSucceeded)
    assert (answer.prescription.notes, answer.prescription.valid_until) == (
        None,
        first.prescription.valid_until,
    )
    assert names(nothing) == ["CommandSucceeded"]
    (changed,) = only(second, PrescriptionChanged)
    assert [(one.field, one.old, one.new) for one in changed.history[0].changes] == [
        ("notes", "Con comida.", None)
    ]
    assert changed.history[0].data.keys().isdisjoint({"notes", "notes.new"})


async def test_a_validity_that_is_over_is_refused(draft):
    refused = await draft.answer(drafts.change(valid_until="2026-06-25T11:59:00Z"))

    assert [(one.path, one.code) for one in refused.refusals] == [("valid_until", "not_in_future")]


async def test_another_type_of_prescription_is_checked_anew(draft):
    await draft.hears(drafts.add())

    found = await draft.hears(drafts.change(prescription_type="controlled"))

    (asked,) = only(found, SafetyCheckRequested)
    assert (asked.prescription_type, asked.content_version) == ("controlled", 3)
    (answer,) = only(found, CommandSucceeded)
    assert (answer.prescription.version, answer.prescription.safety_check_status) == (3, "pending")


async def test_an_empty_draft_of_another_type_has_nothing_to_check(draft):
    found = await draft.hears(drafts.change(prescription_type="controlled"))

    assert names(found) == ["PrescriptionChanged", "CommandSucceeded"]
    assert found[1].message.prescription.safety_check_status == "never_run"


@pytest.mark.parametrize(
    "command",
    [drafts.change(notes="x"), drafts.add(drafts.order(SECOND_ITEM)), drafts.change_item(), drafts.remove()],
)
async def test_what_has_been_approved_is_not_edited(draft, command):
    await draft.hears(drafts.add())
    await draft.hears(some.change_status("pending_review"))
    await draft.hears(some.change_status("validated"))

    refused = await draft.answer(command)

    assert (refused.code, refused.data["status"]) == ("not_editable", "validated")


async def test_of_several_things_wrong_the_thing_missing_comes_first_then_the_version_then_the_state(draft):
    await draft.hears(drafts.add())
    await draft.hears(some.change_status("pending_review"))
    await draft.hears(some.change_status("validated"))
    unknown = drafts.order(SECOND_ITEM, cmed_medication_id=UUID(int=999))

    missing = await draft.answer(drafts.remove(UUID(int=99), expected_version=1))
    read_before = await draft.answer(drafts.remove(expected_version=1))
    approved = await draft.answer(drafts.add(unknown))

    assert (missing.code, missing.data) == ("resource_not_found", {})
    assert (read_before.code, read_before.data) == ("version_mismatch", {"current_version": 4})
    assert approved.code == "not_editable"


@pytest.mark.parametrize(
    ("command", "its_own_way"),
    [
        (some.void, CommandSucceeded),
        (some.note_access, CommandSucceeded),
        (some.resend, CommandSucceeded),
        (some.start, CommandSucceeded),
    ],
)
async def test_every_command_may_say_which_version_it_has_read(service, command, its_own_way):
    (released,) = only(await service.issues(), CommandSucceeded)
    version = released.prescription.version

    stale = await service.answer(command(expected_version=version - 1))
    present = await service.answer(command(expected_version=version))

    assert (stale.code, stale.data) == ("version_mismatch", {"current_version": version})
    assert stale.prescription.version == version
    assert type(present) is its_own_way


async def test_what_is_edited_is_written_and_not_only_told(draft):
    await draft.hears(drafts.add(), drafts.add(drafts.order(SECOND_ITEM)), drafts.change_item(dosage="1g"))
    await draft.hears(drafts.remove(SECOND_ITEM))

    (item,) = (await stored(draft)).items

    assert (item.id, item.dosage) == (ITEM, "1g")


async def test_the_history_alone_leads_to_what_a_read_shows(draft):
    await draft.hears(drafts.add(), drafts.add(drafts.order(SECOND_ITEM)), drafts.change(notes="x"))
    (asked,) = only(await draft.hears(drafts.change_item(dosage="1g")), SafetyCheckRequested)
    await draft.hears(some.verdict(asked, some.CRITICAL))
    await draft.hears(drafts.acknowledge(), drafts.remove(SECOND_ITEM), drafts.change(notes="y"))

    outline = history.replay(await told(draft))
    present = await stored(draft)

    assert (outline.items, outline.findings) == (present.items, present.findings)
    assert (outline.fields["notes"], outline.version) == ("y", present.version)


async def test_what_is_told_field_by_field_leads_to_what_a_read_shows(draft):
    await draft.hears(drafts.add(), drafts.add(drafts.order(SECOND_ITEM)), drafts.change(notes="x"))
    await draft.hears(drafts.change_item(dosage="1g", duration="2 semanas", instructions="Con comida."))
    await draft.hears(drafts.change_item(instructions=None), drafts.remove(SECOND_ITEM))
    await draft.hears(drafts.change(valid_until="2026-07-01T12:00:00Z", prescription_type="controlled"))

    changes = only(await said(draft.pool), PrescriptionChanged)
    present = changes[-1].prescription.model_dump(mode="json")
    told = replayed(change for one in changes for entry in one.history for change in entry.changes)

    items = told.pop("items")
    assert {name: present[name] for name in told if name in present} == {
        name: value for name, value in told.items() if name in present
    }
    assert [
        {name: value for name, value in one.items() if name in items[one["item_id"]]}
        for one in present["items"]
    ] == list(items.values())


def replayed(changes):
    """What the changes alone make of an empty prescription; each must follow from those before it."""
    state = {"items": {}}
    for change in changes:
        path = change.field.split(".")
        place = state if path[0] != "items" else state["items"]
        for name in path[1:-1] if path[0] == "items" else ():
            place = place[name]
        assert place.get(path[-1]) == change.old
        place[path[-1]] = change.new
        if change.new is None and len(path) == 2:
            del place[path[-1]]
    return state


async def test_a_draft_that_is_not_there_is_not_found(service):
    refused = await service.answer(drafts.add())

    assert (refused.code, type(refused)) == ("resource_not_found", CommandRefused)
