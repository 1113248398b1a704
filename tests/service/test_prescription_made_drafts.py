"""Drafts that come with their items: from a consultation when they are checked, from a template at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from contracts import values
from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.directory_events import PatientFactsChanged
from contracts.prescription_commands import Unresolved
from contracts.prescription_events import ConsultationChanged, PrescriptionChanged, SafetyCheckRequested
from services.prescription.domain import history
from shared import clock
from tests.service import catalogues, drafts, records
from tests.service import prescriptions as some
from tests.service.prescriptions import CLINIC, CRITICAL, ID, PATIENT, Service, names, only, told
from tests.service.records import AMOXICILLIN, CONSULTATION, TEMPLATE

OTHER = UUID(int=4_711)
ASPIRIN = AMOXICILLIN.model_copy(
    update={"text": "e uma aspirina por dia", "medication_name": "Aspirina", "dosage": None, "route": None}
)
UNKNOWN = Unresolved(path="doctor_id", code="unknown_reference")


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    service = Service.on(await open_pool("prescription"))
    await service.hears(*catalogues.whole_release())
    yield service
    clock.reset()


async def make(service: Service, *findings: values.Finding, **other) -> list[some.Said]:
    """Ask for a draft from the consultation, and answer its check; gives what was said then."""
    (asked,) = only(await service.hears(records.from_consultation(**other)), SafetyCheckRequested)
    return await service.hears(some.verdict(asked, *findings))


async def kept(service: Service) -> list[tuple[str, bool]]:
    rows = await service.pool.fetch("SELECT status, hidden FROM prescription ORDER BY id")
    return [(row["status"], row["hidden"]) for row in rows]


class TestFromAConsultation:
    async def test_a_draft_is_shown_with_one_answer_when_it_is_checked(self, service):
        await service.hears(records.put(AMOXICILLIN, ASPIRIN))
        command = records.from_consultation()

        asked = await service.hears(command)
        assert names(asked) == ["SafetyCheckRequested"]
        assert await kept(service) == [("draft", True)]
        finding = CRITICAL.model_copy(update={"item_ids": (asked[0].message.items[0].item_id,)})
        shown = await service.hears(some.verdict(asked[0].message, finding))

        assert names(shown) == ["PrescriptionChanged", "ConsultationChanged", "CommandSucceeded"]
        answer = shown[-1].message
        prescription = answer.prescription
        assert (answer.request_id, prescription) == (command.request_id, shown[0].message.prescription)
        assert (prescription.status, prescription.version, prescription.origin) == (
            "draft",
            1,
            "consultation",
        )
        assert (prescription.prescription_type, prescription.consultation_id) == ("standard", CONSULTATION)
        assert (prescription.safety_check_status, len(prescription.findings)) == ("current", 1)
        assert (prescription.dialect, prescription.doctor.doctor_id) == ("delphos", some.DOCTOR)

    async def test_each_entity_is_one_item_resolved_and_with_its_words(self, service):
        unheard = AMOXICILLIN.model_copy(update={"medication_name": "xyzzy", "text": "e xyzzy"})
        await service.hears(records.put(AMOXICILLIN, ASPIRIN, unheard))

        (answer,) = only(await make(service), CommandSucceeded)

        first, second, third = answer.prescription.items
        assert [one.position for one in answer.prescription.items] == [1, 2, 3]
        assert (first.source_text, first.duration_days) == (AMOXICILLIN.text, 7)
        assert (first.active_ingredient, first.ingredients) == ("AMOXICILINA", ("amoxicillin",))
        assert (first.match_status, first.product.product_code) == ("linked", "MED-101")
        assert (second.match_status, second.ingredients) == ("synonym", ("acetylsalicylic-acid",))
        assert (second.active_ingredient, second.dosage) == ("ACIDO ACETILSALICILICO", None)
        assert (third.match_status, third.ingredients, third.active_ingredient) == ("unmatched", (), None)

    async def test_the_check_is_asked_about_what_was_resolved(self, service):
        await service.hears(records.put(AMOXICILLIN, ASPIRIN))

        (asked,) = only(await service.hears(records.from_consultation()), SafetyCheckRequested)

        assert [one.linked_ingredients for one in asked.items] == [("amoxicillin",), None]
        for one in asked.items:
            found = catalogues.knowledge().resolve(catalogues.as_checked(one), asked.country)
            assert found.ingredients

    async def test_entities_that_differ_in_their_words_alone_are_one_item(self, service):
        again = AMOXICILLIN.model_copy(update={"text": "a amoxicilina, como eu disse"})
        other = AMOXICILLIN.model_copy(update={"dosage": "875mg"})
        await service.hears(records.put(AMOXICILLIN, again, other))

        (answer,) = only(await make(service), CommandSucceeded)

        assert [(one.source_text, one.dosage) for one in answer.prescription.items] == [
            (AMOXICILLIN.text, "500mg"),
            (AMOXICILLIN.text, "875mg"),
        ]

    async def test_the_history_leads_to_it_and_names_the_version_of_the_consultation(self, service):
        await service.hears(records.put(status="open"))
        await service.hears(records.put(AMOXICILLIN, ASPIRIN))
        (answer,) = only(await make(service, CRITICAL), CommandSucceeded)

        outline = history.replay(await told(service))

        assert outline.fields["consultation_version"] == 2
        assert outline.fields["origin"] == "consultation"
        assert [one.id for one in outline.items] == [one.item_id for one in answer.prescription.items]
        assert [one.id for one in outline.findings] == [
            one.finding_id for one in answer.prescription.findings
        ]
        assert outline.version == answer.prescription.version == 1

    async def test_the_consultation_names_what_was_made_from_it(self, service):
        await service.hears(records.put())
        (changed,) = only(await make(service), ConsultationChanged)

        assert changed.consultation.prescription_ids == (ID,)
        assert changed.consultation.version == 2

    async def test_it_is_not_in_force_and_changes_like_any_other_draft(self, service):
        await service.hears(records.put())
        await make(service)

        changed = await service.answer(drafts.change(notes="Voltar em uma semana."))

        assert (changed.prescription.notes, changed.prescription.version) == ("Voltar em uma semana.", 2)
        assert await service.pool.fetchval("SELECT in_force_version FROM patient") == 0
        assert await service.pool.fetchval("SELECT count(*) FROM unsigned_prescription") == 1

    async def test_refusals_come_in_their_order(self, service):
        refusals = []

        async def refused(**other) -> None:
            refusals.append((await service.answer(records.from_consultation(**other))).code)

        stranger = some.ANA.model_copy(update={"patient_id": UUID(int=999)})
        await refused(unresolved=(UNKNOWN,), doctor=None)
        await service.hears(records.put(status="open", medication_entities=()))
        await refused(unresolved=(UNKNOWN,), doctor=None)
        await service.hears(records.put(medication_entities=()))
        await refused(unresolved=(UNKNOWN,), doctor=None, patient=stranger)
        await service.hears(records.put(AMOXICILLIN, ASPIRIN))
        await refused(policy=values.Policy(max_medications=1))
        await make(service, prescription_id=OTHER)
        await refused(unresolved=(UNKNOWN,), doctor=None)

        assert refusals == [
            "resource_not_found",
            "consultation_not_completed",
            "validation_failed",
            "items_limit",
            "prescription_exists",
        ]
        assert await kept(service) == [("draft", False)]

    async def test_what_is_wrong_with_references_is_told_together(self, service):
        await service.hears(records.put(medication_entities=()))
        stranger = some.ANA.model_copy(update={"patient_id": UUID(int=999)})

        outcome = await service.answer(
            records.from_consultation(unresolved=(UNKNOWN,), doctor=None, patient=stranger)
        )

        assert [(one.path, one.code) for one in outcome.refusals] == [
            ("doctor_id", "unknown_reference"),
            ("patient_id", "consultation_mismatch"),
            ("consultation_id", "no_medication_entities"),
        ]

    async def test_any_prescription_of_the_consultation_that_is_not_cancelled_stands_in_the_way(
        self, service
    ):
        await service.hears(records.put())
        await service.answer(drafts.create(consultation_id=CONSULTATION, prescription_id=OTHER))

        outcome = await service.answer(records.from_consultation())
        assert (outcome.code, outcome.data) == ("prescription_exists", {"prescription_id": str(OTHER)})

        await service.answer(some.change_status("cancelled", prescription_id=OTHER))
        (answer,) = only(await make(service), CommandSucceeded)
        assert answer.prescription.prescription_id == ID

    async def test_who_comes_while_it_is_hidden_hears_that_it_is_there_when_it_is(self, service):
        await service.hears(records.put())
        first = records.from_consultation()
        late = records.from_consultation(prescription_id=OTHER)

        asked = await service.hears(first, late)
        assert names(asked) == ["SafetyCheckRequested"]
        shown = await service.hears(some.verdict(asked[0].message))

        (answer,) = only(shown, CommandSucceeded)
        (refused,) = only(shown, CommandRefused)
        assert answer.request_id == first.request_id
        assert (refused.request_id, refused.prescription_id) == (late.request_id, OTHER)
        assert (refused.code, refused.data) == ("prescription_exists", {"prescription_id": str(ID)})

    async def test_without_a_check_nothing_is_made_and_all_are_told(self, service):
        await service.hears(records.put())
        first, late = records.from_consultation(), records.from_consultation(prescription_id=OTHER)
        (asked,) = only(await service.hears(first, late), SafetyCheckRequested)

        ended = await service.strikes(minutes=16)

        assert [(one.code, one.request_id) for one in only(ended, CommandRefused)] == [
            ("safety_check_failed", first.request_id),
            ("safety_check_failed", late.request_id),
        ]
        assert not only(ended, PrescriptionChanged, ConsultationChanged)
        assert await kept(service) == []
        assert await service.hears(some.verdict(asked)) == []
        clock.reset()
        assert only(await make(service, prescription_id=UUID(int=8)), CommandSucceeded)

    async def test_a_verdict_that_comes_after_the_deadline_shows_nothing(self, service):
        await service.hears(records.put())
        (asked,) = only(await service.hears(records.from_consultation()), SafetyCheckRequested)
        clock.shift(timedelta(minutes=16))

        (outcome,) = only(await service.hears(some.verdict(asked)), CommandRefused)

        assert outcome.code == "safety_check_failed"
        assert await kept(service) == []

    async def test_facts_that_change_meanwhile_are_asked_about_before_anything_is_shown(self, service):
        await service.hears(records.put())
        (asked,) = only(await service.hears(records.from_consultation()), SafetyCheckRequested)
        facts = values.PatientFacts(
            patient_id=PATIENT, version=2, allergies=(values.Allergy(ingredient="penicillin"),)
        )
        await service.hears(PatientFactsChanged(tenant_id=CLINIC, prescription_id=ID, facts=facts))

        (again,) = only(await service.hears(some.verdict(asked)), SafetyCheckRequested)
        assert await kept(service) == [("draft", True)]
        (answer,) = only(await service.hears(some.verdict(again)), CommandSucceeded)

        assert again.facts.allergies == facts.allergies
        assert (answer.prescription.version, answer.prescription.safety_check_status) == (1, "current")

    async def test_what_comes_into_force_meanwhile_is_asked_about_too(self, service):
        await service.hears(records.put())
        (asked,) = only(await service.hears(records.from_consultation()), SafetyCheckRequested)
        await service.issues(some.issue(prescription_id=OTHER))

        (again,) = only(await service.hears(some.verdict(asked)), SafetyCheckRequested)
        (answer,) = only(await service.hears(some.verdict(again)), CommandSucceeded)

        assert [one.prescription_id for one in again.others] == [OTHER]
        assert answer.prescription.safety_check_status == "current"

    async def test_a_hundred_at_a_time_make_one_prescription(self, service):
        await service.hears(records.put())
        commands = [records.from_consultation(prescription_id=UUID(int=50_000 + one)) for one in range(100)]
        four = [Service.on(service.pool) for _ in range(4)]

        async def ask(one: Service, part: list) -> None:
            for command in part:
                await one.deliver(command)
                while one.deliver.waits:  # For a lock that was not free in time.
                    await one.deliver(command)

        await asyncio.gather(*(ask(one, commands[place::4]) for place, one in enumerate(four)))
        said = await some.said(service.pool)
        (asked,) = only(said, SafetyCheckRequested)
        await service.hears(some.verdict(asked))

        said = await some.said(service.pool)
        (made,) = only(said, CommandSucceeded)
        refused = only(said, CommandRefused)
        assert len(refused) == 99
        assert {one.code for one in refused} == {"prescription_exists"}
        assert {one.data["prescription_id"] for one in refused} == {str(made.prescription.prescription_id)}
        assert {one.request_id for one in (made, *refused)} == {one.request_id for one in commands}
        assert await kept(service) == [("draft", False)]


class TestFromATemplate:
    @pytest.fixture
    async def template(self, service) -> values.Template:
        """A template of one linked line and one that is not."""
        paracetamol = catalogues.product("MED-042").medication_id
        await service.answer(drafts.create(prescription_id=OTHER, prescription_type="controlled"))
        linked = drafts.order(
            medication_name="Paracetamol",
            active_ingredient=None,
            cmed_medication_id=paracetamol,
            clinical_notes="Hepatite B.",
        )
        await service.answer(drafts.add(linked, prescription_id=OTHER))
        await service.answer(drafts.add(drafts.order(drafts.SECOND_ITEM), prescription_id=OTHER))
        return (await service.answer(records.save(prescription_id=OTHER))).template

    async def test_a_draft_has_all_its_lines_and_its_check_is_under_way(self, service, template):
        said = await service.hears(records.from_template())

        assert names(said) == ["PrescriptionChanged", "SafetyCheckRequested", "CommandSucceeded"]
        prescription = said[-1].message.prescription
        assert (prescription.status, prescription.version, prescription.origin) == ("draft", 1, "manual")
        assert (prescription.template_id, prescription.prescription_type) == (TEMPLATE, "controlled")
        assert (prescription.safety_check_status, prescription.findings) == ("pending", ())
        first, second = prescription.items
        assert (first.match_status, first.product.product_code) == ("linked", "MED-042")
        assert (second.medication_name, second.quantity, second.duration_days) == ("Amoxicilina", 21, 7)
        assert (first.clinical_notes, first.created_at) == (None, some.NOON)
        assert {first.item_id, second.item_id}.isdisjoint({some.ITEM, drafts.SECOND_ITEM})

        await service.hears(*(some.verdict(one) for one in only(said, SafetyCheckRequested)))
        assert await kept(service) == [("draft", False), ("draft", False)]

    async def test_a_link_that_the_catalogue_no_longer_knows_is_dropped_and_told(self, service, template):
        name = next(one for one in catalogues.names() if one.name == "paracetamol")
        await service.hears(
            name.model_copy(update={"release": "demo-2"}),
            catalogues.marker(release="demo-2", sequence=2, products=0, names=1),
        )

        answer = await service.answer(records.from_template())

        first = answer.prescription.items[0]
        assert (first.cmed_medication_id, first.product, first.match_status) == (None, None, "exact")
        outline = history.replay(await told(service))
        assert [one.cmed_medication_id for one in outline.items] == [None, None]
        (note,) = [one.note for one in await told(service) if one.note.action == "item_changed"]
        assert note.was.cmed_medication_id == template.items[0].cmed_medication_id
        assert answer.prescription.version == 1

    async def test_an_unknown_or_deleted_template_is_not_found_before_anything_else(self, service, template):
        unknown = await service.answer(
            records.from_template(template_id=UUID(int=9), unresolved=(UNKNOWN,), doctor=None)
        )
        await service.hears(records.delete())
        deleted = await service.answer(records.from_template())

        assert (unknown.code, deleted.code) == ("resource_not_found", "resource_not_found")

    async def test_references_and_limits_are_refused_in_their_order(self, service, template):
        few = values.Policy(max_medications=1)
        wrong = await service.answer(
            records.from_template(
                consultation_id=CONSULTATION, unresolved=(UNKNOWN,), doctor=None, policy=few
            )
        )
        limited = await service.answer(records.from_template(policy=few))

        assert [(one.path, one.code) for one in wrong.refusals] == [
            ("doctor_id", "unknown_reference"),
            ("consultation_id", "unknown_reference"),
        ]
        assert limited.code == "items_limit"

    async def test_it_may_be_linked_to_a_consultation_of_the_same_patient(self, service, template):
        await service.hears(records.put())
        said = await service.hears(records.from_template(consultation_id=CONSULTATION))

        (changed,) = only(said, ConsultationChanged)
        assert changed.consultation.prescription_ids == (ID,)
        stranger = some.ANA.model_copy(update={"patient_id": UUID(int=999)})
        other = await service.answer(
            records.from_template(prescription_id=UUID(int=8), consultation_id=CONSULTATION, patient=stranger)
        )
        assert other.code == "consultation_mismatch"

    async def test_what_was_made_from_it_outlives_it(self, service, template):
        await service.hears(records.from_template())
        await service.hears(records.delete())

        changed = await service.answer(drafts.change(notes="x"))
        assert changed.prescription.template_id == TEMPLATE


async def test_a_draft_of_a_consultation_that_is_not_there_is_refused(service):
    outcome = await service.answer(drafts.create(consultation_id=CONSULTATION))

    assert outcome.code == "unknown_reference"
    assert [one.path for one in outcome.refusals] == ["consultation_id"]


class TestAnotherCatalogue:
    """A release that lacks, or knows, what the one before did not."""

    async def switch(self, service: Service, *names: str, sequence: int = 2) -> list[some.Said]:
        """Use a release of these names alone; gives what was said when all was resolved again."""
        chosen = [one for one in catalogues.names() if one.name in names]
        release = f"demo-{sequence}"
        await service.hears(
            *(one.model_copy(update={"release": release}) for one in chosen),
            catalogues.marker(release=release, sequence=sequence, products=0, names=len(chosen)),
        )
        known = len(await some.said(service.pool))
        clock.shift(timedelta(seconds=6))
        await service.works("resolve-all")
        return (await some.said(service.pool))[known:]

    async def test_an_open_item_is_resolved_again_and_checked(self, service):
        await service.answer(drafts.create())
        await service.answer(drafts.add())

        said = await self.switch(service, "ibuprofen")

        (changed,) = only(said, PrescriptionChanged)
        (asked,) = only(said, SafetyCheckRequested)
        (item,) = changed.prescription.items
        assert (item.match_status, item.ingredients) == ("unmatched", ())
        assert changed.prescription.version == 3
        assert asked.content_version == changed.prescription.content_version
        (note,) = [one.note for one in await told(service) if one.note.action == "item_changed"]
        assert note.was.ingredients == ("amoxicillin",)
        (again,) = only(await self.switch(service, "amoxicillin", sequence=3), PrescriptionChanged)
        assert again.prescription.items[0].ingredients == ("amoxicillin",)

    async def test_what_means_the_same_is_left_alone(self, service):
        await service.answer(drafts.create())
        await service.answer(drafts.add())
        await service.hears(records.put(ASPIRIN))
        await make(service, prescription_id=OTHER)

        said = await self.switch(service, *(one.name for one in catalogues.names()))

        assert said == []

    @pytest.mark.parametrize("steps", [["pending_review"], ["pending_review", "validated"]])
    async def test_only_what_may_still_be_changed_is(self, service, steps):
        await service.answer(drafts.create())
        await service.answer(drafts.add())
        await service.steps(*steps)

        said = await self.switch(service, "ibuprofen")

        assert bool(only(said, PrescriptionChanged)) is (steps[-1] == "pending_review")

    async def test_however_many_there_are_each_is_resolved_in_its_turn(self, service, monkeypatch):
        monkeypatch.setattr("services.prescription.work.PRESCRIPTIONS_PIECE", 2)
        for one in range(5):
            await service.answer(drafts.create(**some.numbered(one)))
            await service.answer(drafts.add(**some.numbered(one)))

        said = await self.switch(service, "ibuprofen")

        assert len(only(said, SafetyCheckRequested)) == 5
        assert await service.pool.fetchval("SELECT count(*) FROM work WHERE kind = 'resolve-all'") == 0
