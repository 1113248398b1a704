"""Prescriptions step by step over HTTP, on a real Postgres; the tests answer in the place of prescription."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

import httpx
import pytest

from contracts.command_outcomes import CommandRefused, CommandSucceeded, Refusal
from contracts.drafting_commands import (
    AcknowledgeFindings,
    AddItem,
    ChangeItem,
    ChangeMetadata,
    ChangeStatus,
    CheckSafety,
    CreatePrescription,
    RemoveItem,
    SaveAsTemplate,
)
from contracts.message import Message
from contracts.notification_commands import MakeDocument
from contracts.notification_events import DocumentFinished
from contracts.prescription_commands import NoteAccess, PrescriptionCommand
from contracts.prescription_events import PrescriptionChanged
from contracts.values import HistoryEntry, Prescription, Status, Template, TemplateItem
from shared import clock
from tests import delphos
from tests.gateway import (
    ANA,
    CLINIC_CLIENT,
    DOCTOR_CLIENT,
    KEY,
    MARTA,
    NAMED,
    NORTE,
    OTHER_KEY,
    PRODUCTS,
    READING_KEY,
    WRITING_KEY,
    Serving,
    released,
    serving,
)
from tests.infrastructure import Database, until
from tests.service.conftest import said

PRESCRIPTIONS = "/v1/prescriptions"
ONE = f"{PRESCRIPTIONS}/{delphos.PRESCRIPTION}"
ITEM = {"medication_name": "Amoxicilina", "dosage": "500mg", "route": "oral", "frequency": "8/8h"}
C = TypeVar("C", bound=PrescriptionCommand)


class Clinic:
    """A gateway with one patient and one doctor; commands are answered by hand."""

    def __init__(self, on: Serving, patient_id: UUID) -> None:
        self.on = on
        self.patient_id = patient_id

    def draft(self, **changes: Any) -> Prescription:
        patient = delphos.draft().patient.model_copy(update={"patient_id": self.patient_id})
        return delphos.draft(tenant_id=self.on.tenants[NORTE], patient=patient, doctor=MARTA, **changes)

    async def show(self, one: Prescription, *entries: HistoryEntry) -> None:
        """As prescription announces it."""
        await self.on.deliver(
            PrescriptionChanged(
                tenant_id=one.tenant_id,
                prescription_id=one.prescription_id,
                change="changed",
                prescription=one,
                history=entries,
            )
        )

    async def commands(self, kind: type[C]) -> list[C]:
        rows = await self.on.owner.fetch(
            "SELECT value, headers FROM outbox WHERE topic = 'prescription-commands-v1' ORDER BY seq"
        )
        return [kind.model_validate_json(row["value"]) for row in rows if kind.ce_type in row["headers"]]

    async def asked(
        self,
        kind: type[C],
        outcome: Callable[[C], Message],
        method: str,
        path: str,
        key: str = KEY,
        **request: Any,
    ) -> httpx.Response:
        """The answer to a call whose command gets this outcome."""
        before = len(await self.commands(kind))
        task = asyncio.ensure_future(self.on.call(key, method, path, **request))

        async def gone() -> bool:
            return task.done() or len(await self.commands(kind)) > before

        await until(gone, seconds=10)
        if not task.done():
            await self.on.deliver(outcome((await self.commands(kind))[-1]))
        return await asyncio.wait_for(task, 10)


def done(one: Prescription, **changes: Any) -> Callable[[PrescriptionCommand], Message]:
    def outcome(command: PrescriptionCommand) -> Message:
        state = one.model_copy(update={"prescription_id": command.prescription_id})
        return CommandSucceeded(
            tenant_id=command.tenant_id,
            prescription_id=command.prescription_id,
            request_id=command.request_id,
            prescription=state,
            **changes,
        )

    return outcome


def refused(
    code: str, *refusals: Refusal, state: Prescription | None = None, **data: Any
) -> Callable[[PrescriptionCommand], Message]:
    def outcome(command: PrescriptionCommand) -> Message:
        return CommandRefused(
            tenant_id=command.tenant_id,
            prescription_id=command.prescription_id,
            request_id=command.request_id,
            code=code,
            message="Not as things stand.",
            refusals=refusals,
            data=data,
            prescription=state,
        )

    return outcome


@pytest.fixture
async def clinic(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Clinic]:
    async with serving(await database("gateway")) as on:
        await on.deliver(*PRODUCTS, *NAMED, released())
        made = (await on.post(CLINIC_CLIENT, "/ehr/v1/patients", ANA)).json()["patient_id"]
        found = await on.owner.fetchval("SELECT patient_id FROM patient")
        assert made
        yield Clinic(on, found)
    clock.reset()


def types(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(".".join(map(str, one["loc"])), one["type"]) for one in answer.json()["detail"]]


async def test_a_draft_is_created_and_read_back(clinic: Clinic) -> None:
    body = {"patient_id": str(clinic.patient_id), "doctor_id": str(MARTA.doctor_id)}
    answer = await clinic.asked(CreatePrescription, done(clinic.draft()), "POST", PRESCRIPTIONS, json=body)
    (command,) = await clinic.commands(CreatePrescription)
    made = answer.json()["prescription"]
    read = await clinic.on.call(READING_KEY, "GET", f"{PRESCRIPTIONS}/{made['id']}")

    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    assert (made["status"], made["safety_check"]["status"], made["can_sign"]) == ("draft", "never_run", False)
    assert (command.patient and command.patient.first_name, command.unresolved) == ("Ana", ())
    assert (read.status_code, read.json(), read.headers["etag"]) == (200, made, '"1"')


async def test_what_is_unknown_or_another_tenants_is_not_found(clinic: Clinic) -> None:
    await clinic.show(clinic.draft())

    unknown = await clinic.on.call(KEY, "GET", f"{PRESCRIPTIONS}/{UUID(int=1)}")
    foreign = await clinic.on.call(OTHER_KEY, "GET", ONE)
    foreign_history = await clinic.on.call(OTHER_KEY, "GET", f"{ONE}/history")
    own = await clinic.on.call(KEY, "GET", ONE.upper().replace("/V1/PRESCRIPTIONS", "/v1/prescriptions"))

    assert [one.status_code for one in (unknown, foreign, foreign_history, own)] == [404, 404, 404, 200]
    assert unknown.json()["error"] == foreign.json()["error"] == "resource_not_found"


async def test_metadata_that_is_named_becomes_what_it_says(clinic: Clinic) -> None:
    await clinic.show(clinic.draft())
    until = clock.now() + timedelta(days=30)
    answer = await clinic.asked(
        ChangeMetadata,
        done(clinic.draft(version=2, revision=2, notes=None)),
        "PATCH",
        ONE,
        json={"notes": None, "valid_until": until.isoformat()},
        headers={"If-Match": '"1"'},
    )
    (command,) = await clinic.commands(ChangeMetadata)

    assert (answer.status_code, answer.headers["etag"], answer.json()["version"]) == (200, '"2"', 2)
    assert command.changes.keys() == {"notes", "valid_until"}
    assert (command.changes["notes"], command.expected_version) == (None, 1)


@pytest.mark.parametrize(
    ("body", "failing"),
    [
        ({"valid_until": "2020-01-01T00:00:00Z"}, [("body.valid_until", "not_in_future")]),
        ({"prescription_type": None}, [("body.prescription_type", "enum")]),
        ({"note": "x"}, [("body.note", "extra_forbidden")]),
    ],
)
async def test_metadata_of_the_wrong_shape_is_refused_at_once(
    clinic: Clinic, body: dict[str, Any], failing: list[tuple[str, str]]
) -> None:
    answer = await clinic.on.call(KEY, "PATCH", ONE, json=body)

    assert (answer.status_code, types(answer)) == (422, failing)


async def test_an_item_is_added_changed_and_removed(clinic: Clinic) -> None:
    item = delphos.aspirin()
    state = clinic.draft(items=(item,), version=2, revision=2)
    added = await clinic.asked(
        AddItem, done(state, item_id=item.item_id), "POST", f"{ONE}/items", json=ITEM | {"quantity": 21}
    )
    changed = await clinic.asked(
        ChangeItem,
        done(state, item_id=item.item_id),
        "PATCH",
        f"{ONE}/items/{item.item_id}",
        json={"dosage": "875mg", "duration": None},
    )
    removed = await clinic.asked(
        RemoveItem, done(clinic.draft(version=3)), "DELETE", f"{ONE}/items/{item.item_id}"
    )
    (adding,) = await clinic.commands(AddItem)
    (changing,) = await clinic.commands(ChangeItem)

    assert (added.status_code, added.headers["etag"]) == (201, '"2"')
    assert (added.json()["id"], added.json()["prescription_id"]) == (
        str(item.item_id),
        str(delphos.PRESCRIPTION),
    )
    assert (adding.item.medication_name, adding.item.quantity) == ("Amoxicilina", 21)
    assert (changed.status_code, changing.changes) == (200, {"dosage": "875mg", "duration": None})
    assert (removed.status_code, removed.content, removed.headers["etag"]) == (204, b"", '"3"')


@pytest.mark.parametrize(
    ("body", "failing"),
    [
        ({"medication_name": " "}, [("body.medication_name", "string_too_short")]),
        ({"dosage": None}, [("body.dosage", "string_type")]),
        ({"quantity": 0}, [("body.quantity", "greater_than_equal")]),
        ({"quantity": "21"}, [("body.quantity", "int_type")]),
        ({"quantity": 1_000_001}, [("body.quantity", "less_than_equal")]),
    ],
)
async def test_an_item_of_the_wrong_shape_is_refused_at_once(
    clinic: Clinic, body: dict[str, Any], failing: list[tuple[str, str]]
) -> None:
    for method, path in (("POST", f"{ONE}/items"), ("PATCH", f"{ONE}/items/{delphos.ASPIRIN}")):
        sent = ITEM | body if method == "POST" else body
        answer = await clinic.on.call(KEY, method, path, json=sent)

        assert (answer.status_code, types(answer)) == (422, failing)


@pytest.mark.parametrize(
    ("body", "failing"),
    [
        ({"status": "signed"}, [("body.signed_by", "missing")]),
        ({"status": "validated"}, [("body.valid_until", "missing")]),
        ({"status": "cancelled", "reason": "  "}, [("body.reason", "missing")]),
        (
            {"status": "submitted", "signed_by": str(MARTA.doctor_id), "reason": "x"},
            [("body.signed_by", "field_not_applicable"), ("body.reason", "field_not_applicable")],
        ),
        (
            {"status": "validated", "valid_until": "2020-01-01T00:00:00Z"},
            [("body.valid_until", "not_in_future")],
        ),
        (
            {"status": "pending_review", "valid_until": "2020-01-01T00:00:00Z"},
            [("body.valid_until", "field_not_applicable")],
        ),
        ({"status": "validated", "valid_until": "2030-01-01"}, [("body.valid_until", "datetime_parsing")]),
        ({"status": "approved"}, [("body.status", "enum")]),
        ({}, [("body.status", "missing")]),
    ],
)
async def test_the_fields_of_a_status_belong_to_it(
    clinic: Clinic, body: dict[str, Any], failing: list[tuple[str, str]]
) -> None:
    answer = await clinic.on.call(KEY, "PATCH", f"{ONE}/status", json=body)

    assert (answer.status_code, types(answer)) == (422, failing)


async def test_a_status_needs_the_permission_of_its_target_after_the_shape(clinic: Clinic) -> None:
    signing = {"status": "signed", "signed_by": str(MARTA.doctor_id)}
    answers = [
        await clinic.on.call(key, "PATCH", f"{ONE}/status", json=body)
        for key, body in (
            (WRITING_KEY, signing),
            (WRITING_KEY, {"status": "dispensed"}),
            (READING_KEY, {"status": "pending_review"}),
            (READING_KEY, {"status": "signed"}),
        )
    ]

    assert [one.status_code for one in answers] == [403, 403, 403, 422]
    assert [one.json()["required"] for one in answers[:3]] == [
        "prescriptions:sign",
        "dispensing:write",
        "prescriptions:write",
    ]


async def test_a_signature_is_asked_for_with_the_people_as_the_directory_has_them_now(clinic: Clinic) -> None:
    await clinic.show(clinic.draft(status=Status.VALIDATED))
    body = {"status": "signed", "signed_by": str(MARTA.doctor_id)}
    signed = clinic.draft(status=Status.SIGNED, signed_by=MARTA.doctor_id, signed_at=clock.now(), version=2)
    answer = await clinic.asked(ChangeStatus, done(signed), "PATCH", f"{ONE}/status", json=body)
    (command,) = await clinic.commands(ChangeStatus)

    assert (answer.status_code, answer.json()["status"]) == (200, "signed")
    assert (command.signed_by, command.signer) == (MARTA.doctor_id, command.doctor)
    assert command.caller.doctor_id == MARTA.doctor_id
    assert command.doctor is not None
    assert command.doctor.given_names == "Marta"
    assert (command.patient and command.patient.first_name, command.unresolved) == ("Ana", ())


async def test_who_is_unknown_is_told_to_prescription_and_answered_at_the_field(clinic: Clinic) -> None:
    await clinic.show(clinic.draft(status=Status.VALIDATED))
    outcome = refused(
        "unknown_reference", Refusal(path="signed_by", code="unknown_reference", message="No such doctor.")
    )
    answer = await clinic.asked(
        ChangeStatus,
        outcome,
        "PATCH",
        f"{ONE}/status",
        json={"status": "signed", "signed_by": str(UUID(int=7))},
    )
    (command,) = await clinic.commands(ChangeStatus)

    assert [(one.path, one.code) for one in command.unresolved] == [("signed_by", "unknown_reference")]
    assert (command.signer, command.caller.doctor_id) == (None, None)
    assert (answer.status_code, types(answer)) == (422, [("body.signed_by", "unknown_reference")])


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"status": "validated", "valid_until": "2099-01-01T00:00:00Z"}, True),
        ({"status": "signed", "signed_by": str(MARTA.doctor_id)}, True),
        ({"status": "cancelled", "reason": "x"}, False),
    ],
)
async def test_an_inactive_patient_is_told_of_where_it_stands_in_the_way(
    clinic: Clinic, body: dict[str, Any], named: bool
) -> None:
    await clinic.show(clinic.draft(status=Status.VALIDATED))
    inactive = {"birth_date": "1990-04-11", "is_active": False}
    await clinic.on.call(KEY, "PUT", f"/v1/patients/{clinic.patient_id}", json=inactive)

    await clinic.asked(ChangeStatus, refused("inactive_reference"), "PATCH", f"{ONE}/status", json=body)

    (command,) = await clinic.commands(ChangeStatus)
    told = [(one.path, one.code) for one in command.unresolved]
    assert told == ([("patient_id", "inactive_reference")] if named else [])


async def test_a_cancel_needs_no_people(clinic: Clinic) -> None:
    outcome = refused(
        "invalid_transition",
        state=clinic.draft(version=9, status=Status.DISPENSED),
        **{"from": "dispensed", "to": "cancelled", "allowed": []},
    )
    answer = await clinic.asked(
        ChangeStatus, outcome, "PATCH", f"{ONE}/status", json={"status": "cancelled", "reason": "Wrong drug."}
    )
    (command,) = await clinic.commands(ChangeStatus)

    assert (command.reason, command.patient, command.unresolved) == ("Wrong drug.", None, ())
    assert (answer.status_code, answer.json()["from"], answer.json()["allowed"]) == (409, "dispensed", [])
    assert answer.headers["etag"] == '"9"'


async def test_a_check_that_is_asked_for_answers_with_its_result_in_the_readers_language(
    clinic: Clinic,
) -> None:
    checked = clinic.draft(
        items=(delphos.warfarin(), delphos.aspirin()),
        findings=(delphos.finding(),),
        safety_check_status="current",
        checked_at=delphos.AT,
        knowledge_base_version="2026.03.1",
    )
    answers = [
        await clinic.asked(
            CheckSafety,
            done(checked),
            "POST",
            f"{ONE}/safety-check",
            headers={"Accept-Language": language},
            **body,
        )
        for language, body in (("pt-BR", {}), ("en", {"json": {}}))
    ]

    shown = answers[0].json()
    assert [one.status_code for one in answers] == [200, 200]
    assert (shown["items_checked"], shown["ingredients_analyzed"]) == (2, ["VARFARINA SODICA", "ASPIRINA"])
    assert shown["safety_summary"]["passed"] is False
    assert [one.json()["interactions"][0]["description"] for one in answers] == [
        "Risco de sangramento aumentado.",
        "More risk of bleeding.",
    ]


async def test_a_doctor_answers_for_one_finding_or_for_all(clinic: Clinic) -> None:
    state = clinic.draft(findings=(delphos.acknowledged(),))
    body = {"acknowledged_by": str(MARTA.doctor_id), "reason": "INR semanal."}
    answers = [
        await clinic.asked(AcknowledgeFindings, done(state), "POST", f"{ONE}/interactions/{path}", json=body)
        for path in (f"{delphos.FINDING}/acknowledge", "acknowledge-all")
    ]
    one, every = await clinic.commands(AcknowledgeFindings)

    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].json()["pending_acknowledgements_count"] == 0
    assert (one.finding_ids, every.finding_ids) == ((delphos.FINDING,), None)
    assert (one.acknowledged_by, one.reason, one.unresolved) == (MARTA.doctor_id, "INR semanal.", ())
    assert (one.caller.doctor_id, every.caller.doctor_id) == (MARTA.doctor_id, MARTA.doctor_id)
    may_not = await clinic.on.call(WRITING_KEY, "POST", f"{ONE}/interactions/acknowledge-all", json=body)
    assert may_not.json()["required"] == "prescriptions:sign"


async def test_an_unknown_doctor_cannot_answer_for_a_finding(clinic: Clinic) -> None:
    outcome = refused(
        "unknown_reference", Refusal(path="acknowledged_by", code="unknown_reference", message="")
    )
    answer = await clinic.asked(
        AcknowledgeFindings,
        outcome,
        "POST",
        f"{ONE}/interactions/acknowledge-all",
        json={"acknowledged_by": str(UUID(int=7))},
    )
    (command,) = await clinic.commands(AcknowledgeFindings)

    assert [(one.path, one.code) for one in command.unresolved] == [("acknowledged_by", "unknown_reference")]
    assert command.caller.doctor_id is None
    assert types(answer) == [("body.acknowledged_by", "unknown_reference")]


async def test_items_are_kept_as_a_template(clinic: Clinic) -> None:
    made = Template(
        tenant_id=clinic.on.tenants[NORTE],
        template_id=UUID(int=3),
        version=1,
        name="Dor",
        source_prescription_id=delphos.PRESCRIPTION,
        items=(TemplateItem(position=1, medication_name="Aspirina"),),
        created_at=delphos.AT,
    )
    answer = await clinic.asked(
        SaveAsTemplate,
        done(clinic.draft(version=4), template=made),
        "POST",
        f"{ONE}/save-as-template",
        json={"name": " Dor "},
    )
    (command,) = await clinic.commands(SaveAsTemplate)

    assert (answer.status_code, answer.headers["etag"], command.name) == (201, '"1"', "Dor")
    assert answer.json()["items"][0] == {
        "position": 1,
        "medication_name": "Aspirina",
        **dict.fromkeys(
            (
                *("active_ingredient", "dosage", "route", "frequency", "duration", "quantity", "unit"),
                *("instructions", "cmed_medication_id"),
            )
        ),
    }


async def test_a_list_has_rows_a_total_and_strict_parameters(clinic: Clinic) -> None:
    await clinic.show(clinic.draft())
    empty = await clinic.on.call(KEY, "GET", PRESCRIPTIONS, params={"status": "signed"})
    whole = await clinic.on.call(
        READING_KEY,
        "GET",
        PRESCRIPTIONS,
        params={"patient_id": str(clinic.patient_id), "date_from": "2026-04-14", "date_to": "2026-04-14"},
    )
    wrong = await clinic.on.call(
        KEY,
        "GET",
        PRESCRIPTIONS,
        params={
            "status": "SIGNED",
            "limit": "0",
            "offset": "x",
            "doctor_id": "1",
            "date_from": "2026-04-15",
            "date_to": "2026-04-14T23:59:59Z",
            "what": "1",
        },
    )

    assert empty.json() == {"items": [], "total": 0, "limit": 20, "offset": 0}
    assert (whole.json()["total"], whole.json()["items"][0]["id"]) == (1, str(delphos.PRESCRIPTION))
    assert sorted(types(wrong)) == [
        ("query.date_to", "value_error"),
        ("query.doctor_id", "uuid_parsing"),
        ("query.limit", "greater_than_equal"),
        ("query.offset", "int_parsing"),
        ("query.status", "enum"),
        ("query.what", "extra_forbidden"),
    ]


async def test_history_waits_for_what_is_still_on_its_way(clinic: Clinic) -> None:
    def line(revision: int, what: str) -> HistoryEntry:
        data = {"version": revision, "actor_type": "api_key", "dialect": "delphos"}
        return HistoryEntry(revision=revision, at=delphos.AT, what=what, actor="rcp_live_Qm7xT2a", data=data)

    await clinic.show(clinic.draft(revision=2, version=2), line(1, "created"))
    reading = asyncio.ensure_future(clinic.on.call(KEY, "GET", f"{ONE}/history"))
    await asyncio.sleep(0.2)
    waited = not reading.done()
    await clinic.show(clinic.draft(revision=2, version=2), line(2, "metadata_changed"))
    answer = await asyncio.wait_for(reading, 5)

    assert waited
    assert [(one["seq"], one["action"]) for one in answer.json()["history"]] == [
        (1, "created"),
        (2, "metadata_changed"),
    ]
    assert (answer.json()["total"], answer.headers["etag"]) == (2, '"2"')
    later = await clinic.on.call(KEY, "GET", f"{ONE}/history", params={"offset": 1})
    assert [one["seq"] for one in later.json()["history"]] == [2]


async def test_what_the_other_dialect_made_is_read_here_and_the_other_way_round(clinic: Clinic) -> None:
    await clinic.show(clinic.draft(items=(delphos.aspirin(),)))

    rows = await clinic.on.get(DOCTOR_CLIENT, "/ehr/v1/prescriptions")
    id = rows.json()["data"][0]["prescription_id"]
    read = (await clinic.on.get(DOCTOR_CLIENT, f"/ehr/v1/prescriptions/{id}")).json()

    assert (read["status"], read["code"], read["version"]) == ("PRESCRIPTION_DRAFT", None, "v1")
    (item,) = read["medications"]
    assert (item["product_code"], item["product_name"]) == (None, "Aspirina")
    assert item["posology"] == "100mg, oral, 24/24h, 30 dias"


class Printer:
    """Answers in the place of notification and prescription: each making is another file."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.made: list[MakeDocument] = []
        self.noted: list[NoteAccess] = []

    async def fetch(self, path: str = f"{ONE}/pdf", **headers: str) -> httpx.Response:
        task = asyncio.ensure_future(self.clinic.on.call(READING_KEY, "GET", path, headers=headers))
        while not task.done():
            await self._answer()
            await asyncio.sleep(0.02)
        return task.result()

    async def _answer(self) -> None:
        found = [one.message for one in await said(self.clinic.on.owner)]
        for command in [one for one in found if isinstance(one, MakeDocument)][len(self.made) :]:
            self.made.append(command)
            await self.clinic.on.deliver(self._finished(command))
        for note in [one for one in found if isinstance(one, NoteAccess)][len(self.noted) :]:
            self.noted.append(note)
            await self.clinic.on.deliver(done(self.clinic.draft(items=(delphos.aspirin(),)))(note))

    def _finished(self, command: MakeDocument) -> DocumentFinished:
        content = f"%PDF-1.7 number {len(self.made)}".encode()
        return DocumentFinished(
            tenant_id=command.tenant_id,
            prescription_id=command.prescription_id,
            request_id=command.request_id,
            document_id=command.document_id,
            revision=command.prescription.revision,
            language=command.language,
            sha256=sha256(content).hexdigest(),
            content=base64.b64encode(content),
        )


async def test_the_document_of_a_draft_is_made_anew_each_time_and_its_download_is_noted(
    clinic: Clinic,
) -> None:
    await clinic.show(clinic.draft(items=(delphos.aspirin(),)))
    printer = Printer(clinic)

    first, second = await printer.fetch(), await printer.fetch()

    assert [one.content for one in (first, second)] == [b"%PDF-1.7 number 1", b"%PDF-1.7 number 2"]
    assert first.headers["content-type"] == "application/pdf"
    assert first.headers["content-disposition"] == f'attachment; filename="{delphos.PRESCRIPTION}.pdf"'
    assert (first.headers["etag"], first.headers["cache-control"]) == ('"1"', "no-store")
    assert [(one.what, one.caller.channel) for one in printer.noted] == [("pdf_downloaded", "delphos")] * 2


async def test_the_document_of_a_signature_is_made_once_and_named_by_its_code(clinic: Clinic) -> None:
    signed = {"status": Status.SIGNED, "signed_at": delphos.at("15:02:26"), "seal": delphos.seal()}
    await clinic.show(
        clinic.draft(items=(delphos.aspirin(),), prescription_code="RX-2026-9182407133560285", **signed)
    )
    printer = Printer(clinic)

    first, second = await printer.fetch(), await printer.fetch()

    assert [one.content for one in (first, second)] == [b"%PDF-1.7 number 1"] * 2
    assert first.headers["content-disposition"] == 'attachment; filename="RX-2026-9182407133560285.pdf"'
    assert len(printer.made) == 1


async def test_nothing_is_printed_of_a_prescription_without_items(clinic: Clinic) -> None:
    await clinic.show(clinic.draft())

    answer = await clinic.on.call(KEY, "GET", f"{ONE}/pdf")

    assert (answer.status_code, answer.json()["error"]) == (409, "items_required")


async def test_a_document_that_takes_too_long_is_not_ready(clinic: Clinic) -> None:
    await clinic.show(clinic.draft(items=(delphos.aspirin(),)))

    answer = await clinic.on.call(KEY, "GET", f"{ONE}/pdf", headers={"Prefer": "wait=0"})

    assert (answer.status_code, answer.json()["error"]) == (409, "pdf_not_ready")
    assert (answer.json()["retryable"], answer.headers["retry-after"]) == (True, "1")
