"""The doctors of a tenant: the directory that both dialects share (delphos-dialect 12.2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.auth.rights import ADMIN, READ
from services.gateway.checks import doctor as standing
from services.gateway.checks.delphos.fields import NoQuery, OptionalName, read_with, text
from services.gateway.checks.delphos.people import Email, ExternalIds, NationalId, Replacement
from services.gateway.checks.fields import composed
from services.gateway.commands.directory import tell_of_doctor
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import doctors as messages
from services.gateway.messages.delphos.words import tagged
from services.gateway.messages.doctors import ListedDoctor
from services.gateway.messages.errors import Problem
from services.gateway.store import doctors, tenancy
from services.gateway.store.doctors import DoctorExists, KnownDoctor
from shared import clock
from shared.database import Connection

ONE = "/v1/doctors/{doctor_id}"

endpoints = Endpoints("Registry")

PARTS = ("given_names", "first_surname", "second_surname")


def _named(info: ValidationInfo, name: str) -> Any:
    """What a member of the body says as it was sent; a blank one says nothing."""
    sent = read_with(info)["sent"].get(name)
    return (composed(sent).strip() or None) if isinstance(sent, str) else sent


def _joined(parts: Sequence[str | None]) -> str:
    return " ".join(part for part in parts if part)


def _contradict(whole: Any, parts: Sequence[Any]) -> bool:
    """Whether two names of one person differ; what is no text or not whole is refused for itself."""
    if not all(isinstance(one, str) for one in (whole, *parts[:2])) or not isinstance(parts[2], str | None):
        return False
    return bool(whole.casefold() != _joined(parts).casefold())


class SentDoctor(Replacement):
    """A doctor whole, by the full name or by its parts; what only the other dialect knows stays."""

    name: OptionalName = Field(None, validate_default=True)
    given_names: OptionalName = Field(None, validate_default=True)
    first_surname: OptionalName = Field(None, validate_default=True)
    second_surname: OptionalName = Field(None, validate_default=True)
    issuing_body: Annotated[str, Field(min_length=1, max_length=64), BeforeValidator(text)]
    national_id: NationalId
    license_number: Annotated[str, Field(min_length=1, max_length=64), BeforeValidator(text)]
    specialty: OptionalName = None
    email: Email = None
    external_ids: ExternalIds = Field(default_factory=dict)
    is_active: bool = True

    @field_validator("name", *PARTS)
    @classmethod
    def _in_one_form(cls, found: str | None, info: ValidationInfo) -> str | None:
        """One form is needed, the parts whole; both must say the same."""
        whole, *parts = (_named(info, name) for name in ("name", *PARTS))
        given = any(part is not None for part in parts)
        if found is None and info.field_name == "name" and not given:
            raise PydanticKnownError("missing")
        if found is None and info.field_name in PARTS[:2] and given:
            raise PydanticKnownError("missing")
        if found is not None and info.field_name in PARTS and _contradict(whole, parts):
            raise PydanticCustomError("value_error", "Value error, contradicts `name`")
        return found

    @property
    def parts(self) -> tuple[str | None, ...]:
        return (self.given_names, self.first_surname, self.second_surname)

    @property
    def joined(self) -> str:
        return _joined(self.parts)


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

    async def put(conn: Connection, _request_id: object) -> Answer:
        try:
            return await _put(call, conn)
        except DoctorExists:
            raise Problem("license_taken") from None

    return await call.at_once(put)


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
