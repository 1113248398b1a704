"""Every row of the error table that can occur is provoked, at the gateway or in the domain (section 9)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import httpx
import pytest

from contracts import values
from contracts.command_outcomes import CommandRefused
from contracts.directory_events import DoctorStandingChanged
from contracts.prescription_commands import IssuePrescription, PrescriptionCommand
from contracts.prescription_events import PrescriptionChanged, SafetyCheckRequested
from services.gateway.commands import waiting
from services.gateway.messages import ids
from services.gateway.messages.errors import TABLE
from services.gateway.operator import provisioning
from services.gateway.operator.provisioning import Limits
from shared import clock, database
from tests import prescriptions as known
from tests.gateway import (
    CLINIC_CLIENT,
    DOCTOR_CLIENT,
    MARTA,
    NORTE,
    OTHER_CLIENT,
    PHARMACY_CLIENT,
    serving,
)
from tests.infrastructure import Database, until
from tests.service import prescriptions as some
from tests.service import test_gateway_one_time_passwords as otp
from tests.service.prescriptions import MOON, SECOND, Service, only
from tests.service.test_gateway_prescriptions import (
    ANA,
    MEDICINE,
    PRESCRIPTIONS,
    Clinic,
    load_diagnoses,
    refused,
    register,
)
from tests.service.test_provider_settings import CONTROLLED, PRODUCTS, released
from tests.unit.test_error_table import NOT_YET

Provoke: TypeAlias = Callable[[Clinic], Awaitable[httpx.Response]]
Refuse: TypeAlias = Callable[[Service], Awaitable[CommandRefused]]

PATIENTS: Final = "/ehr/v1/patients"
DOCTORS: Final = "/ehr/v1/doctors"
STARTS: Final = "/dispensing/v1/dispensations"
JSON: Final = {"Content-Type": "application/json"}
UNKNOWN_CODE: Final = "RX-2026-4739502188641075"
WRONG_DIGIT: Final = "RX-2026-4739502188641076"
LUIS: Final = MARTA.model_dump(mode="json", exclude={"doctor_id"}, exclude_none=True)


def asking(client: str, method: str, path: str, **how: Any) -> Provoke:
    return lambda clinic: clinic.on.ask(client, method, path, **how)


def bare(method: str, path: str, **how: Any) -> Provoke:
    """Without a token."""
    return lambda clinic: clinic.on.http.request(method, path, **how)


def ordering(client: str = DOCTOR_CLIENT, path: str = PRESCRIPTIONS, **changes: Any) -> Provoke:
    return lambda clinic: clinic.on.post(client, path, clinic.body(**changes))


def medicine(code: str) -> Provoke:
    return ordering(medications=[MEDICINE | {"product_code": code}])


def granting(**form: str) -> Provoke:
    return lambda clinic: clinic.on.http.post(
        "/v1/oauth/token", data=form, auth=(OTHER_CLIENT, clinic.on.secrets[OTHER_CLIENT])
    )


async def other_version(clinic: Clinic) -> httpx.Response:
    path = f"{PATIENTS}/{clinic.patient_id}"
    return await clinic.on.ask(CLINIC_CLIENT, "PUT", path, json=ANA, headers={"If-Match": '"other"'})


async def key_twice(clinic: Clinic) -> httpx.Response:
    await clinic.on.post(CLINIC_CLIENT, PATIENTS, ANA | {"document_number": "2"}, key="k")
    return await clinic.on.post(CLINIC_CLIENT, PATIENTS, ANA | {"document_number": "3"}, key="k")


async def another_doctor(clinic: Clinic) -> httpx.Response:
    other = LUIS | {"medical_license_number": "7"}
    made = await clinic.on.post(CLINIC_CLIENT, DOCTORS, other)
    return await ordering(doctor_id=made.json()["doctor_id"])(clinic)


async def suspended(clinic: Clinic) -> httpx.Response:
    made = (await clinic.on.post(CLINIC_CLIENT, DOCTORS, LUIS | {"medical_license_number": "8"})).json()
    change = LUIS | {"medical_license_number": "8", "registration_status": "SUSPENDED"}
    await clinic.on.ask(CLINIC_CLIENT, "PUT", f"{DOCTORS}/{made['doctor_id']}", json=change)
    return await ordering(CLINIC_CLIENT, doctor_id=made["doctor_id"])(clinic)


async def version_forbidden(clinic: Clinic) -> httpx.Response:
    for allowed in ("v1.1", "v1,v1.1,v2"):
        async with database.transaction(clinic.on.owner) as conn:
            await provisioning.set_setting(conn, clinic.on.tenants[NORTE], "allowed_versions", allowed)
        if allowed == "v1.1":
            answer = await ordering()(clinic)
    return answer


async def kept(clinic: Clinic, **changes: Any) -> str:
    """A prescription that the gateway has heard of; its path."""
    tenant_id = clinic.on.tenants[NORTE]
    state = known.prescription(tenant_id=tenant_id, **changes)
    event = PrescriptionChanged(
        tenant_id=tenant_id, prescription_id=state.prescription_id, change="changed", prescription=state
    )
    await clinic.on.deliver(event)
    return f"{PRESCRIPTIONS}/{ids.spell('rx', state.prescription_id)}"


async def draft(clinic: Clinic) -> httpx.Response:
    path = await kept(
        clinic,
        prescription_id=UUID(int=901),
        prescription_code=None,
        status=values.Status.DRAFT,
        issued_at=None,
    )
    return await clinic.on.get(CLINIC_CLIENT, f"{path}/pdf")


async def early(clinic: Clinic) -> httpx.Response:
    id = (await clinic.issue()).json()["prescription_id"]
    return await clinic.on.ask(
        DOCTOR_CLIENT, "GET", f"{PRESCRIPTIONS}/{id}/pdf", headers={"Prefer": "wait=0"}
    )


async def late_link(clinic: Clinic) -> httpx.Response:
    id = (await clinic.issue()).json()["prescription_id"]
    link = (await clinic.shown(id))["download_url"]
    clock.shift(timedelta(hours=25))
    clinic.on.tokens.clear()
    return await clinic.on.http.get(link)


async def by_sms(clinic: Clinic) -> httpx.Response:
    id = (await clinic.issue()).json()["prescription_id"]
    return await clinic.on.post(DOCTOR_CLIENT, f"{PRESCRIPTIONS}/{id}/resend", {"channel": "SMS"})


async def completing(clinic: Clinic, **receipt: Any) -> httpx.Response:
    await otp.hold(clinic.on)
    return await clinic.on.post(PHARMACY_CLIENT, f"{STARTS}/{otp.HELD}/complete", otp.RECEIPT | receipt)


async def guess(clinic: Clinic, times: int) -> httpx.Response:
    """The answer to the last of so many wrong codes; each has a fresh password but the last two."""
    await otp.hold(clinic.on)
    otp_id = (await otp.send(clinic.on)).json()["otp_id"]
    bad = otp.wrong(await otp.code_of(clinic.on))
    for _ in range(times):
        answer: httpx.Response = await otp.validate(clinic.on, otp_id, bad)
    return answer


async def too_many_mails(clinic: Clinic) -> httpx.Response:
    await otp.hold(clinic.on)
    for _ in range(4):
        answer: httpx.Response = await otp.send(clinic.on)
    return answer


async def twenty_one_guesses(clinic: Clinic) -> httpx.Response:
    for _ in range(21):
        answer = await clinic.on.post(PHARMACY_CLIENT, STARTS, {"code": UNKNOWN_CODE})
    return answer


async def expired_token(clinic: Clinic) -> httpx.Response:
    await clinic.on.get(CLINIC_CLIENT, PATIENTS, document_number="1")
    clock.shift(timedelta(hours=2))
    return await clinic.on.get(CLINIC_CLIENT, PATIENTS, document_number="1")


async def all_connections_taken(clinic: Clinic) -> httpx.Response:
    async with contextlib.AsyncExitStack() as taken:
        for _ in range(clinic.on.pool.get_max_size()):
            await taken.enter_async_context(clinic.on.pool.acquire())
        impatient = taken.enter_context(pytest.MonkeyPatch.context())
        impatient.setattr(database, "ACQUIRE_SECONDS_MAX", 0.1)
        return await ordering()(clinic)


async def domain_fault(clinic: Clinic) -> httpx.Response:
    sent = clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body())
    return await clinic.answered(sent, IssuePrescription, lambda command: refused(command, "what_is_this"))


BY_THE_GATEWAY: Final[Mapping[str, Provoke]] = {
    "malformed_json": asking(CLINIC_CLIENT, "POST", PATIENTS, content=b"{", headers=JSON),
    "invalid_header": asking(
        CLINIC_CLIENT, "POST", PATIENTS, json=ANA, headers={"Idempotency-Key": "two words"}
    ),
    "invalid_request": granting(),
    "unsupported_grant_type": granting(grant_type="password"),
    "invalid_scope": granting(grant_type="client_credentials", scope="dispensing:write"),
    "invalid_client": bare("POST", "/v1/oauth/token", data={"grant_type": "client_credentials"}),
    "token_missing": bare("GET", PATIENTS),
    "token_invalid": bare("GET", PATIENTS, headers={"Authorization": "Bearer e30.e30.e30"}),
    "token_expired": expired_token,
    "insufficient_scope": asking(PHARMACY_CLIENT, "POST", PATIENTS, json=ANA),
    "operation_not_offered": asking(CLINIC_CLIENT, "GET", "/webhooks/v1/subscriptions"),
    "resource_not_found": asking(CLINIC_CLIENT, "GET", f"{PATIENTS}/pat_0"),
    "code_not_found": asking(PHARMACY_CLIENT, "POST", STARTS, json={"code": UNKNOWN_CODE}),
    "method_not_allowed": asking(CLINIC_CLIENT, "DELETE", PATIENTS),
    "not_acceptable": asking(CLINIC_CLIENT, "GET", PATIENTS, headers={"Accept": "text/html"}),
    "version_mismatch": other_version,
    "payload_too_large": asking(CLINIC_CLIENT, "POST", PATIENTS, content=b" " * 300_000, headers=JSON),
    "unsupported_media_type": asking(
        CLINIC_CLIENT, "POST", PATIENTS, content=b"{}", headers={"Content-Type": "text/plain"}
    ),
    "idempotency_key_reused": key_twice,
    "patient_exists": asking(CLINIC_CLIENT, "POST", PATIENTS, json=ANA),
    "doctor_exists": asking(CLINIC_CLIENT, "POST", DOCTORS, json=LUIS),
    "prescription_not_issued": draft,
    "pdf_not_ready": early,
    "download_link_expired": late_link,
    "validation_failed": asking(CLINIC_CLIENT, "POST", PATIENTS, json={}),
    "consent_required": ordering(path="/ehr/v1.1/prescriptions"),
    "patient_not_found": ordering(patient_id="pat_" + "0" * 26),
    "patient_conflict": ordering(patient_id=..., patient=ANA | {"first_name": "Eva"}),
    "doctor_required": ordering(CLINIC_CLIENT),
    "doctor_mismatch": another_doctor,
    "doctor_not_registered": ordering(CLINIC_CLIENT, doctor_id="doc_" + "0" * 26),
    "doctor_registration_inactive": suspended,
    "version_not_allowed": version_forbidden,
    "diagnosis_unknown": ordering(diagnoses=[{"diagnosis_code": "ZZZ"}]),
    "product_unknown": medicine("MED-999"),
    "product_not_registered": medicine("MED-107"),
    "product_type_not_prescribable": medicine("LAB-HEMO"),
    "controlled_not_allowed": medicine("MED-900"),
    "channel_not_configured": by_sms,
    "code_check_failed": asking(PHARMACY_CLIENT, "POST", STARTS, json={"code": WRONG_DIGIT}),
    "beneficiary_mismatch": lambda clinic: otp.send(clinic.on, beneficiary_id="bnf_" + "0" * 26),
    "provider_mismatch": lambda clinic: completing(clinic, provider_slug="farmacia-luna"),
    "otp_wrong": lambda clinic: guess(clinic, 1),
    "otp_attempts_exceeded": lambda clinic: guess(clinic, 6),
    "otp_expired": lambda clinic: otp.validate(clinic.on, "otp_" + "0" * 26, "000000"),
    "rate_limited": too_many_mails,
    "code_attempts_exceeded": twenty_one_guesses,
    "internal_error": domain_fault,
    "overloaded": all_connections_taken,
}


async def issued(service: Service, **order: Any) -> Service:
    await service.issues(some.issue(**order))
    return service


def then(*before: Callable[[], Any], last: Callable[[], Any], **order: Any) -> Refuse:
    """What comes last, after an issue and what came before."""

    async def refuse(service: Service) -> CommandRefused:
        await issued(service, **order)
        for make in before:
            await service.hears(make())
        outcome = await service.answer(last())
        assert isinstance(outcome, CommandRefused), outcome
        return outcome

    return refuse


def lines(**line: Any) -> Callable[[], Any]:
    return lambda: some.start(lines=(some.line(**line),))


def done() -> Any:
    return some.complete(amount="1")


def lent_out(**policy: Any) -> Callable[[], Any]:
    return lambda: some.start(policy=values.Policy(**policy))


async def expired(service: Service) -> CommandRefused:
    await issued(service)
    clock.shift(timedelta(days=400))
    return await service.answer(some.start())  # type: ignore[return-value]


async def out_of_time(service: Service) -> CommandRefused:
    await issued(service)
    await service.hears(some.start())
    clock.shift(timedelta(minutes=31))
    return await service.answer(some.complete())  # type: ignore[return-value]


async def too_late(service: Service) -> CommandRefused:
    await issued(service)
    await service.hears(some.start())
    await service.hears(done())
    clock.shift(timedelta(hours=25))
    return await service.answer(some.cancel_dispensation(void_reason="REFUND"))  # type: ignore[return-value]


async def blocked(service: Service) -> CommandRefused:
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)
    return await service.answer(some.verdict(asked, some.CRITICAL))  # type: ignore[return-value]


async def suspended_meanwhile(service: Service) -> CommandRefused:
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)
    gone = DoctorStandingChanged(tenant_id=some.CLINIC, doctor_id=some.DOCTOR, version=3, active=False)
    await service.hears(gone)
    return await service.answer(some.verdict(asked))  # type: ignore[return-value]


async def sixth_mail(service: Service) -> CommandRefused:
    await issued(service)
    for number in range(5):
        await service.hears(some.resend(delivery_id=UUID(int=60 + number)))
    return await service.answer(some.resend(delivery_id=UUID(int=70)))  # type: ignore[return-value]


async def given_up(service: Service) -> CommandRefused:
    late = some.issue()
    clock.shift(timedelta(minutes=16))
    return await service.answer(late)  # type: ignore[return-value]


OTHER_PRODUCT: Final = some.PARACETAMOL.model_copy(
    update={
        "product_code": "MED-107",
        "active_ingredients": (values.ActiveIngredient(ingredient="warfarin", name="warfarin"),),
    }
)
SAME_INGREDIENT: Final = some.PARACETAMOL.model_copy(update={"product_code": "MED-043"})
# As items of the other dialect may be.
WITHOUT_QUANTITY: Final = values.ItemOrder(
    item_id=some.ITEM, medication_name="Chamomile", posology="1 cup daily"
)
IN_THE_DOMAIN: Final[Mapping[str, Refuse]] = {
    "prescription_voided": then(some.void, last=some.start),
    "prescription_expired": expired,
    "prescription_dispensed": then(some.start, done, last=some.void),
    "already_being_dispensed": then(some.start, last=lambda: some.start(MOON, dispensation_id=SECOND)),
    "dispensation_already_started": then(some.start, last=lines(quantity=5)),
    "dispensation_completed": then(some.start, done, last=lambda: some.complete(amount="2")),
    "dispensation_cancelled": then(some.start, some.cancel_dispensation, last=some.complete),
    "dispensation_expired": out_of_time,
    "void_window_closed": too_late,
    "safety_blocked": blocked,
    "doctor_registration_inactive": suspended_meanwhile,
    "no_contact_for_channel": then(
        last=some.resend, patient=some.ANA.model_copy(update={"email_address": None})
    ),
    "rate_limited": sixth_mail,
    "beneficiary_mismatch": then(last=lambda: some.start(beneficiary_id=UUID(int=99))),
    "line_unknown": then(last=lines(quantity=1, item_id=UUID(int=99))),
    "product_mismatch": then(last=lines(product_code="MED-999")),
    "over_quantity": then(last=lines(quantity=31)),
    "amount_mismatch": then(some.start, some.update, last=lambda: some.complete(amount="19.05")),
    "substitution_incomplete": then(
        last=lines(quantity=1, substitute=SAME_INGREDIENT, substitute_quantity=1)
    ),
    "substitution_not_allowed": then(
        last=lines(
            quantity=1,
            substitute=OTHER_PRODUCT,
            substitute_quantity=1,
            substitution_reason_enum="OUT_OF_STOCK",
        )
    ),
    "verification_required": then(lent_out(otp_policy="always"), last=done),
    "verification_invalid": then(
        lent_out(otp_policy="always"),
        last=lambda: some.complete(
            amount="1", verifications=(values.Verification(path="otp_verification_token"),)
        ),
    ),
    "quantity_required": then(some.start, last=done, items=(WITHOUT_QUANTITY,)),
    "dependency_unavailable": given_up,
}


@pytest.fixture
async def clinic(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Clinic]:
    async with serving(await database("gateway"), limits=Limits(per_minute=100_000, per_second=10_000)) as on:
        everything = (*PRODUCTS, CONTROLLED)
        await on.deliver(*everything, released(products=len(everything), names=0))
        await load_diagnoses(on)
        for code in ("MED-042", "LAB-HEMO", "MED-900"):
            await register(on, code)
        patient = (await on.post(CLINIC_CLIENT, PATIENTS, ANA)).json()["patient_id"]
        yield Clinic(on, patient)
    clock.reset()


@pytest.fixture
async def service(open_pool: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    yield Service.on(await open_pool("prescription"))
    clock.reset()


def test_every_row_is_provoked_or_says_why_it_cannot_be() -> None:
    assert {*BY_THE_GATEWAY, *IN_THE_DOMAIN, *NOT_YET} == set(TABLE)
    assert not set(NOT_YET) & {*BY_THE_GATEWAY, *IN_THE_DOMAIN}


async def test_clients_provoke_each_row_of_the_gateway(clinic: Clinic) -> None:
    """One after another in one gateway; those that move the clock or use up a limit come last."""
    last = ("rate_limited", "otp_wrong", "otp_attempts_exceeded", "code_attempts_exceeded")
    last += ("download_link_expired", "token_expired")
    answers = {}
    for code in (*(one for one in BY_THE_GATEWAY if one not in last), *last):
        answer = await BY_THE_GATEWAY[code](clinic)
        answers[code] = (answer.status_code, answer.json()["code"], answer.json().get("retryable"))
        if code in ("rate_limited", "otp_wrong"):
            clock.shift(timedelta(minutes=11))

    token_endpoint = ("invalid_request", "unsupported_grant_type", "invalid_scope", "invalid_client")
    assert answers == {
        code: (TABLE[code].status, code, None if code in token_endpoint else TABLE[code].retryable)
        for code in BY_THE_GATEWAY
    }


@pytest.mark.parametrize("code", IN_THE_DOMAIN)
async def test_commands_provoke_each_row_of_the_domain(service: Service, code: str) -> None:
    outcome = await IN_THE_DOMAIN[code](service)

    assert outcome.code == code


async def test_an_instance_where_too_many_clients_wait_takes_no_more(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_MAX", 1)
    patiently = asyncio.create_task(clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body()))
    await until(lambda: clinic.said(IssuePrescription), seconds=10)

    refused = await clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(), key="one-more")
    asked = await clinic.on.ask(DOCTOR_CLIENT, "GET", "/v1/requests?idempotency_key=one-more")
    patiently.cancel()

    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert (refused.json()["outcome"], refused.headers["retry-after"]) == ("not_applied", "1")
    assert (asked.json()["total"], len(await clinic.said(IssuePrescription))) == (0, 1)


async def test_a_pharmacy_that_read_another_version_of_its_dispensation_is_told(clinic: Clinic) -> None:
    await otp.hold(clinic.on)
    path = f"{STARTS}/{otp.HELD}"
    present = (await clinic.on.get(PHARMACY_CLIENT, path)).headers["etag"]
    line = {"id": ids.spell("rxi", known.ITEM), "price": 1, "taxes": 0, "quantity": 1}
    writes = (
        ("PUT", path, {"products": [line]}),
        ("POST", f"{path}/complete", otp.RECEIPT),
        ("POST", f"{path}/cancel", {}),
    )

    for method, where, body in writes:
        answers = [
            await clinic.on.ask(
                PHARMACY_CLIENT,
                method,
                where,
                json=body,
                headers={"If-Match": tag, "Prefer": "respond-async"},
            )
            for tag in ('"other"', present, "*")
        ]

        assert [one.status_code for one in answers] == [412, 202, 202], where
        named, whatever = (await clinic.said(PrescriptionCommand))[-2:]
        assert (named.expected_version, whatever.expected_version) == (known.prescription().version, None)
        assert (answers[0].json()["code"], answers[0].json()["retryable"]) == ("version_mismatch", False)
