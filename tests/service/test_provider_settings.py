"""What a provider's settings change for its clients, over HTTP on a real Postgres (osigu-dialect 1.9)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contracts import prescription_codes
from contracts.command_outcomes import CommandSucceeded
from contracts.prescription_commands import IssuePrescription, StartDispensation
from contracts.values import Allergy, Policy
from services.gateway.messages import provider_settings
from services.gateway.operator import provisioning
from shared import clock, database
from tests.gateway import (
    CLINIC_CLIENT,
    DOCTOR_CLIENT,
    NAMED,
    NORTE,
    PHARMACY_CLIENT,
    PRODUCTS,
    product,
    released,
    serving,
)
from tests.infrastructure import Database
from tests.service.test_gateway_prescriptions import (
    ANA,
    MEDICINE,
    PRESCRIPTIONS,
    Clinic,
    codes,
    done,
    issued,
    load_diagnoses,
    register,
)

MORPHINE = product(
    *("MED-900", "Morphine 10 mg tablets", "Morfina 10 mg comprimidos", "Morfina 10 mg comprimidos"),
    "morphine",
)
CONTROLLED = MORPHINE.model_copy(
    update={
        "product": MORPHINE.product.model_copy(update={"controlled_schedule": "II"}),
        "electronic_allowed": False,
    }
)


@pytest.fixture
async def clinic(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Clinic]:
    async with serving(await database("gateway")) as on:
        everything = (*PRODUCTS, CONTROLLED)
        await on.deliver(*everything, *NAMED, released(products=len(everything)))
        await load_diagnoses(on)
        for code in ("MED-042", "MED-900"):
            await register(on, code)
        patient = (await on.post(CLINIC_CLIENT, "/ehr/v1/patients", ANA)).json()["patient_id"]
        yield Clinic(on, patient)
    clock.reset()


async def settle(clinic: Clinic, **settings: str) -> None:
    """As an operator's `set-setting` for the clinic."""
    async with database.transaction(clinic.on.owner) as conn:
        for name, value in settings.items():
            await provisioning.set_setting(conn, clinic.on.tenants[NORTE], name, value)


async def ordered(clinic: Clinic, **changes: Any) -> IssuePrescription:
    """The command that an accepted order becomes."""
    answer = await clinic.issue(**changes)
    assert answer.status_code == 201, answer.text
    return (await clinic.said(IssuePrescription))[-1]


def coded(command: IssuePrescription, code: str) -> CommandSucceeded:
    """An issue under a code that a pharmacy can type."""
    state, request_id = issued(command)
    return done((state.model_copy(update={"prescription_code": code}), request_id))


async def test_without_an_end_of_its_own_an_order_is_valid_for_the_provider_s_days(clinic: Clinic) -> None:
    await settle(clinic, prescription_validity_days="7", time_zone="Europe/Madrid")

    command = await ordered(clinic)

    there = ZoneInfo("Europe/Madrid")
    last = datetime.combine(
        clock.now().astimezone(there).date() + timedelta(days=7), datetime.max.time(), there
    )
    assert command.valid_until == last.replace(microsecond=0).astimezone(UTC)


async def test_where_no_diagnosis_is_required_an_order_may_have_none(clinic: Clinic) -> None:
    refused = await clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(diagnoses=[]))
    await settle(clinic, diagnosis_required="false")

    command = await ordered(clinic, diagnoses=...)

    assert codes(refused) == [("diagnoses", "out_of_range")]
    assert command.diagnoses == ()


async def test_a_version_that_is_not_allowed_is_refused_with_whatever_else_is_wrong(clinic: Clinic) -> None:
    await settle(clinic, allowed_versions="v1.1")
    worse = clinic.body(shoe_size=38)

    alone = await clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body())
    with_more = await clinic.on.post(DOCTOR_CLIENT, f"{PRESCRIPTIONS}?colour=red", worse)
    elsewhere = await clinic.on.post(DOCTOR_CLIENT, "/ehr/v1.1/prescriptions", worse)

    assert (alone.status_code, alone.json()["code"]) == (422, "version_not_allowed")
    assert codes(alone) == [("path.version", "version_not_allowed")]
    assert with_more.json()["code"] == "validation_failed"
    assert codes(with_more) == [
        ("path.version", "version_not_allowed"),
        ("query.colour", "unknown_field"),
        ("shoe_size", "unknown_field"),
    ]
    assert "path.version" not in dict(codes(elsewhere))


async def test_an_order_has_at_most_as_many_medicines_as_the_provider_allows(clinic: Clinic) -> None:
    await settle(clinic, max_medications="1")

    refused = await clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(medications=[MEDICINE] * 2))

    assert codes(refused) == [("medications", "too_many")]
    assert (await ordered(clinic)).policy.max_medications == 1


async def test_a_controlled_medicine_is_prescribed_only_where_its_schedule_is_allowed(clinic: Clinic) -> None:
    controlled = MEDICINE | {"product_code": "MED-900"}
    refused = await clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(medications=[controlled]))
    await settle(clinic, electronic_controlled="II,III")

    command = await ordered(clinic, medications=[controlled])

    assert (refused.status_code, refused.json()["code"]) == (422, "controlled_not_allowed")
    assert command.items[0].product is not None
    assert command.items[0].product.controlled_schedule == "II"


def test_a_country_says_which_schedules_need_no_paper_until_an_operator_does() -> None:
    narcotic = {"electronic_allowed": False, "controlled_schedule": "N1"}

    assert not provider_settings.read({"country": "GT"}).allows_electronically(**narcotic)
    assert provider_settings.read({"country": "ES"}).allows_electronically(**narcotic)
    assert not provider_settings.read({"country": "ES", "electronic_controlled": "P4"}).allows_electronically(
        **narcotic
    )


async def test_a_link_lives_as_many_hours_as_the_provider_says(clinic: Clinic) -> None:
    await settle(clinic, download_url_ttl_h="2")
    id = (await clinic.issue()).json()["prescription_id"]

    shown = await clinic.shown(id)
    clock.shift(timedelta(hours=2, seconds=5))
    late = await clinic.on.http.get(shown["download_url"])

    ends = datetime.fromisoformat(shown["download_url_expires_at"])
    assert timedelta(hours=1, minutes=59) < ends - clock.now() + timedelta(hours=2) <= timedelta(hours=2)
    assert (late.status_code, late.json()["code"]) == (410, "download_link_expired")


async def test_what_the_domain_decides_by_travels_with_the_order(clinic: Clinic) -> None:
    wanted = {
        "safety_policy": "advise",
        "otp_policy": "controlled",
        "substitution_policy": "none",
        "deliver_on_issue": "EMAIL",
        "dispensation_timeout_min": "1",
        "dispensation_void_window_h": "2",
        "max_medications": "9",
    }
    await settle(clinic, **wanted)

    command = await ordered(clinic)

    numbers = {name: int(text) if text.isdigit() else text for name, text in wanted.items()}
    assert command.policy == Policy(**numbers)


async def test_a_dispensation_follows_the_issuer_s_settings_as_they_are_at_its_start(clinic: Clinic) -> None:
    code = prescription_codes.allocate(2026, secrets.randbelow)
    asking = clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body())
    await clinic.answered(asking, IssuePrescription, lambda command: coded(command, code))
    await settle(clinic, dispensation_timeout_min="5", substitution_policy="any_with_reason")

    path = "/dispensing/v1/dispensations"
    answer = await clinic.on.ask(
        PHARMACY_CLIENT, "POST", path, json={"code": code}, headers={"Prefer": "respond-async"}
    )

    assert answer.status_code == 202, answer.text
    (command,) = await clinic.said(StartDispensation)
    assert (command.policy.dispensation_timeout_min, command.policy.substitution_policy) == (
        *(5, "any_with_reason"),
    )


async def test_what_an_order_says_beside_its_items_is_sent_on_and_read_back(clinic: Clinic) -> None:
    body = {
        "allergies": [{"ingredient": "Ibuprofen", "reaction": "urticaria"}],
        "confidential": True,
        "additional_notes": "With food.",
        "laboratory_notes": "INR weekly.",
        "diagnostic_test_notes": "ECG in a month.",
    }

    def outcome(command: IssuePrescription) -> Any:
        state, request_id = issued(command)
        kept = ("allergies", "laboratory_notes", "diagnostic_test_notes")
        return done((state.model_copy(update={name: getattr(command, name) for name in kept}), request_id))

    asking = clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(**body))
    made = await clinic.answered(asking, IssuePrescription, outcome)
    (command,) = await clinic.said(IssuePrescription)
    read = await clinic.shown(made.json()["prescription_id"])

    assert command.allergies == (Allergy(ingredient="Ibuprofen", reaction="urticaria"),)
    assert (command.confidential, command.notes) == (True, "With food.")
    assert {name: read[name] for name in ("confidential", "notes", "additional_notes")} == {
        "confidential": True,
        "notes": "With food.",
        "additional_notes": "With food.",
    }
    assert (read["laboratory_notes"], read["diagnostic_test_notes"]) == ("INR weekly.", "ECG in a month.")
    assert read["allergies"] == [{"ingredient": "Ibuprofen", "severity": "UNKNOWN", "reaction": "urticaria"}]


async def test_a_country_brings_its_own_settings_until_others_are_set(clinic: Clinic) -> None:
    await settle(clinic, country="ES")

    refused = await clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body())
    await settle(clinic, allowed_versions="v1")
    command = await ordered(clinic)

    assert refused.json()["code"] == "version_not_allowed"
    assert (command.provider.country, command.provider.currency, command.provider.time_zone) == (
        *("ES", "EUR", "Europe/Madrid"),
    )
