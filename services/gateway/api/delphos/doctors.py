"""The doctors of a tenant: the directory that both dialects share (delphos-dialect 12.2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.auth.rights import ADMIN, READ
from services.gateway.checks import doctor as standing
from services.gateway.checks.delphos.fields import NoQuery, OptionalName, text
from services.gateway.checks.delphos.people import Email, ExternalIds, NationalId, Replacement
from services.gateway.commands.directory import tell_of_doctor
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import doctors as messages
from services.gateway.messages.delphos import refusals
from services.gateway.messages.delphos.words import tagged
from services.gateway.messages.doctors import ListedDoctor
from services.gateway.messages.errors import Problem
from services.gateway.store import doctors, tenancy
from services.gateway.store.doctors import DoctorExists, KnownDoctor
from shared import clock
from shared.database import Connection

ONE = "/v1/doctors/{doctor_id}"

endpoints = Endpoints("Registry")


class SentDoctor(Replacement):
    """A doctor whole, by the full name or by its parts; what only the other dialect knows stays."""

    name: OptionalName = None
    given_names: OptionalName = None
    first_surname: OptionalName = None
    second_surname: OptionalName = None
    issuing_body: Annotated[str, Field(min_length=1, max_length=64), BeforeValidator(text)]
    national_id: NationalId
    license_number: Annotated[str, Field(min_length=1, max_length=64), BeforeValidator(text)]
    specialty: OptionalName = None
    email: Email = None
    external_ids: ExternalIds = Field(default_factory=dict)
    is_active: bool = True

    @property
    def parts(self) -> tuple[str | None, ...]:
        return (self.given_names, self.first_surname, self.second_surname)

    @property
    def joined(self) -> str:
        return " ".join(part for part in self.parts if part)


@endpoints.read(ONE, permission=READ, answer=messages.Doctor, errors=("resource_not_found",))
async def get_doctor(call: Call[NoQuery, Any]) -> Answer:
    """Read a doctor."""
    async with tenancy.transaction(call.gateway.pool, call.tenant_id) as conn:
        found = await doctors.find_doctor(conn, call.tenant_id, call.path["doctor_id"])
    if found is None:
        raise Problem("resource_not_found")
    return _answer(found, 200, _today(call))


@endpoints.write(
    "PUT",
    ONE,
    permission=ADMIN,
    body=SentDoctor,
    answer=messages.Doctor,
    also=(201,),
    errors=("license_taken", "version_mismatch"),
)
async def put_doctor(call: Call[NoQuery, SentDoctor]) -> Answer:
    """Put a doctor on file, or replace the whole record."""
    if wrong := [refusals.entry(("body", name), kind, said) for name, kind, said in _wrong_names(call.body)]:
        raise refusals.failed(*wrong)

    async def put(conn: Connection, _request_id: object) -> Answer:
        try:
            return await _put(call, conn)
        except DoctorExists:
            raise Problem("license_taken") from None

    return await call.at_once(put)


def _wrong_names(sent: SentDoctor) -> Iterator[tuple[str, str, str]]:
    """One form is needed, the parts whole; both must say the same."""
    if not any(sent.parts):
        if sent.name is None:
            yield "name", "missing", "Field required, unless the parts of the name are sent"
        return
    for name in ("given_names", "first_surname"):
        if getattr(sent, name) is None:
            yield name, "missing", "Field required with the other parts of the name"
            return
    if sent.name is not None and sent.name.casefold() != sent.joined.casefold():
        for name in ("given_names", "first_surname", "second_surname"):
            if getattr(sent, name) is not None:
                yield name, "value_error", "Value error, contradicts `name`"


async def _put(call: Call[NoQuery, SentDoctor], conn: Connection) -> Answer:
    now, today, doctor_id = clock.now(), _today(call), call.path["doctor_id"]
    rule = call.caller.settings.doctor_registration_check
    held = await doctors.find_doctor(conn, call.tenant_id, doctor_id, hold=True)
    if held is None:
        call.check_version(None)
        new = _record(call.body, ListedDoctor(doctor_id=doctor_id, given_names=""))
        status = standing.first_status(rule) if call.body.is_active else "SUSPENDED"
        made = await doctors.put_doctor(conn, call.tenant_id, new, status=status, now=now)
        if made is not None:
            await tell_of_doctor(conn, call.tenant_id, made, today)
            return _answer(made, 201, today)
        held = await doctors.find_doctor(conn, call.tenant_id, doctor_id, hold=True)
        assert held is not None, "doctors on file are never removed"
    call.check_version(held.version)
    wanted = _record(call.body, held.record)
    status = standing.put_status(rule, held, wanted, active=call.body.is_active)
    changed = await doctors.change_doctor(conn, call.tenant_id, held, wanted, status=status, now=now)
    await tell_of_doctor(conn, call.tenant_id, changed, today, before=held)
    return _answer(changed, 200, today)


def _record(sent: SentDoctor, known: ListedDoctor) -> ListedDoctor:
    board = known.medical_board_registration
    replaced = {
        **_names(sent, known),
        "identity_document_type": str(sent.national_id.type),
        "identity_document_value": sent.national_id.value,
        "email_address": sent.email,
        "main_specialty_name": sent.specialty,
        "medical_license_number": sent.license_number,
        "medical_license_verification_institution_slug": sent.issuing_body,
        # Where nothing else was registered, it is the licence in the other dialect too.
        "medical_board_registration": sent.license_number
        if board in (None, known.medical_license_number)
        else board,
        "external_ids": sent.external_ids,
    }
    return known.model_copy(update=replaced)


def _names(sent: SentDoctor, known: ListedDoctor) -> dict[str, str | None]:
    """Parts that are on file stay as long as the whole name says the same."""
    if not any(sent.parts):
        if sent.name == known.full_name:
            return {}
        return {"given_names": sent.name, "first_surname": None, "second_surname": None}
    return dict(zip(("given_names", "first_surname", "second_surname"), sent.parts, strict=True))


def _today(call: Call[NoQuery, Any]) -> date:
    today: date = call.caller.settings.today(call.now)
    return today


def _answer(known: KnownDoctor, status: int, today: date) -> Answer:
    shown = messages.render(
        known.record,
        active=known.active(today),
        version=known.version,
        created_at=known.created_at,
        updated_at=known.updated_at,
    )
    return tagged(status, shown, known.version)
