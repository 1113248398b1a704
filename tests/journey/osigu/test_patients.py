"""Patients: one record for each document, however they come (osigu-dialect 3, 1.5, rulings 2.12, 2.14)."""

from __future__ import annotations

import asyncio
import itertools
import unicodedata
from datetime import date, timedelta

from tests.journey.osigu.conftest import RUN
from tests.problems import entries, refusal, word

PATIENTS = "/ehr/v1/patients"
_numbers = itertools.count(1)


def number():
    return f"{RUN}{next(_numbers):05d}".upper().replace("-", "")


def ana(**changes):
    whole = {
        "first_name": "Ana",
        "last_name": "López",
        "document_type": "CC",
        "document_number": number(),
        "date_of_birth": "1990-04-11",
    }
    return {name: value for name, value in (whole | changes).items() if value is not ...}


async def answers_to(client, bodies):
    answers = await asyncio.gather(*(client.post(PATIENTS, body) for body in bodies.values()))
    return dict(zip(bodies, answers, strict=True))


async def test_a_patient_comes_back_with_all_members_of_both_layers(whole):
    body = ana(
        second_last_name="Ruiz",
        sex="FEMALE",
        email_address="Ana.Lopez@Example.ORG",
        area_code=502,
        phone_number="5555-0101",
        nationality_country_code="GT",
        passport_issuing_country="GT",
        allergies=[
            {"ingredient": "penicillin"},
            {"ingredient": "latex", "severity": "MILD", "reaction": "rash"},
        ],
    )
    created = await whole.post(PATIENTS, body)
    told = created.json()
    again = await whole.get(created.headers["location"])

    assert created.status_code == 201
    assert created.headers["location"] == f"{PATIENTS}/{told['patient_id']}"
    assert again.json() == told
    assert told["id"] == told["patient_id"]
    assert told["full_name"] == "Ana López Ruiz"
    assert (told["given_names"], told["surnames"]) == ("Ana", "López Ruiz") or told["surnames"] == "López"
    assert (told["identity_document_type"], told["identity_document_code"]) == ("CC", body["document_number"])
    assert told["email_address"] == "ana.lopez@example.org"
    assert told["allergies"] == [
        {"ingredient": "penicillin", "severity": "UNKNOWN", "reaction": None},
        {"ingredient": "latex", "severity": "MILD", "reaction": "rash"},
    ]
    assert (told["enabled"], told["manually_created"], told["identity_verified"]) == (True, True, False)
    assert told["age"] >= 36
    for name in (
        "second_last_name",
        "sex",
        "area_code",
        "phone_number",
        "nationality_country_code",
        "passport_issuing_country",
        "date_of_birth",
        "first_name",
        "last_name",
    ):
        assert told[name] == body[name], name
    assert told["created_at"].endswith("Z")
    assert len(told["created_at"]) == 20


async def test_an_unborn_centenarian_and_other_fields_that_are_refused(whole):
    tomorrow = (date.today() + timedelta(days=2)).isoformat()
    cases = {
        "nothing": (
            {name: ... for name in ana()},
            [
                "first_name: required",
                "last_name: required",
                "document_type: required",
                "document_number: required",
                "date_of_birth: required",
            ],
        ),
        "nulls": (
            {name: None for name in ana()},
            [
                "first_name: required",
                "last_name: required",
                "document_type: required",
                "document_number: required",
                "date_of_birth: required",
            ],
        ),
        "blank": (
            {"first_name": "  ", "last_name": "", "document_number": "\t"},
            ["first_name: required", "last_name: required", "document_number: required"],
        ),
        "types": (
            {
                "first_name": 7,
                "last_name": ["a"],
                "document_type": 1,
                "document_number": 1000000001,
                "date_of_birth": 19900411,
                "area_code": "502",
                "allergies": "penicillin",
            },
            [
                "first_name: wrong_type",
                "last_name: wrong_type",
                "document_type: wrong_type",
                "document_number: wrong_type",
                "date_of_birth: wrong_type",
                "area_code: wrong_type",
                "allergies: wrong_type",
            ],
        ),
        "long": (
            {
                "first_name": "a" * 129,
                "last_name": "b" * 129,
                "second_last_name": "c" * 65,
                "document_number": "1" * 65,
                "phone_number": "1" * 33,
                "email_address": "a@" + "b" * 260 + ".org",
            },
            [
                "first_name: too_long",
                "last_name: too_long",
                "second_last_name: too_long",
                "document_number: too_long",
                "phone_number: too_long",
                "email_address: too_long",
            ],
        ),
        "words": (
            {"document_type": "cc", "sex": "female"},
            ["document_type: invalid_value", "sex: invalid_value"],
        ),
        "unborn": ({"date_of_birth": tomorrow}, ["date_of_birth: out_of_range"]),
        "no date": ({"date_of_birth": "1990-02-30"}, ["date_of_birth: invalid_format"]),
        "a moment": ({"date_of_birth": "1990-04-11T00:00:00Z"}, ["date_of_birth: invalid_format"]),
        "area": ({"area_code": 0}, ["area_code: out_of_range"]),
        "area big": ({"area_code": 1000}, ["area_code: out_of_range"]),
        "area boolean": ({"area_code": True}, ["area_code: wrong_type"]),
        "phone": ({"phone_number": "+502 5555"}, ["phone_number: invalid_format"]),
        "country": (
            {"nationality_country_code": "GTM", "passport_issuing_country": "ZZ"},
            ["nationality_country_code: invalid_value", "passport_issuing_country: invalid_value"],
        ),
        "e-mail": ({"email_address": "ana at example"}, ["email_address: invalid_format"]),
        "e-mail with a header": (
            {"email_address": "a@example.org\nBcc: b@example.org"},
            ["email_address: invalid_format"],
        ),
        "DNI": ({"document_type": "DNI", "document_number": "12345678A"}, ["document_number: invalid_value"]),
        "NIE": ({"document_type": "NIE", "document_number": "X1234567A"}, ["document_number: invalid_value"]),
        "NUL": ({"first_name": "A\x00na"}, ["first_name: invalid_value"]),
        "bell": ({"last_name": "L\x07opez"}, ["last_name: invalid_value"]),
        "control at the end": ({"last_name": "Lopez\x1f"}, ["last_name: invalid_value"]),
        "control at the start": ({"last_name": "\x0bLopez"}, ["last_name: invalid_value"]),
        "right to left": ({"last_name": "L\u202eopez"}, ["last_name: invalid_value"]),
        "unknown": ({"zodiac": "aries"}, ["zodiac: unknown_field"]),
        "read-only": ({"patient_id": "pat_0"}, ["patient_id: unknown_field"]),
        "allergies": (
            {
                "allergies": [
                    {"ingredient": "a", "severity": "BAD"},
                    "latex",
                    {"reaction": "b" * 257},
                    {"dose": 1},
                ]
            },
            [
                "allergies[0].severity: invalid_value",
                "allergies[1]: wrong_type",
                "allergies[2].ingredient: required",
                "allergies[2].reaction: too_long",
                "allergies[3].ingredient: required",
                "allergies[3].dose: unknown_field",
            ],
        ),
        "201 allergies": ({"allergies": [{"ingredient": "a"}] * 201}, ["allergies: too_many"]),
        "guardian": (
            {"guardian": {"first_name": "Eva", "document_type": "XX", "age": 40}},
            [
                "guardian.last_name: required",
                "guardian.document_type: invalid_value",
                "guardian.document_number: required",
                "guardian.age: unknown_field",
            ],
        ),
        "aliases": (
            {"given_names": "Eva", "surnames": "Ruiz"},
            ["given_names: conflicting_fields", "surnames: conflicting_fields"],
        ),
        "all at once": (
            {"zodiac": 1, "sex": "x", "date_of_birth": "x", "first_name": None},
            [
                "first_name: required",
                "date_of_birth: invalid_format",
                "sex: invalid_value",
                "zodiac: unknown_field",
            ],
        ),
    }

    answers = await answers_to(whole, {name: ana(**changes) for name, (changes, _) in cases.items()})

    assert {name: entries(answer) if answer.is_error else 201 for name, answer in answers.items()} == {
        name: expected for name, (_, expected) in cases.items()
    }
    for answer in answers.values():
        assert word(answer) == "422 validation_failed"
        count = len(entries(answer))
        assert refusal(answer)["message"] == (f"{count} checks failed." if count > 1 else "1 check failed.")


async def test_forms_that_are_accepted(whole):
    cases = {
        "names by alias": ana(first_name=..., last_name=..., given_names="Ana", surnames="López"),
        "equal aliases": ana(given_names="Ana", surnames="López"),
        "longest names": ana(first_name="é" * 128, last_name="b" * 128, second_last_name="c" * 64),
        "long once composed": ana(first_name=unicodedata.normalize("NFD", "é" * 128)),
        "astral": ana(first_name="😀" * 128),
        "optional nulls": ana(sex=None, allergies=None, guardian=None, email_address=None),
        "optional blank": ana(second_last_name="", phone_number=" "),
        "DNI": ana(document_type="DNI", document_number="12345678Z"),
        "NIE": ana(document_type="NIE", document_number="X1234567L"),
        "today": ana(date_of_birth=(date.today() - timedelta(days=1)).isoformat()),
        "minor": ana(
            document_type=...,
            document_number=...,
            guardian={
                "first_name": "Eva",
                "last_name": "Ruiz",
                "document_type": "CC",
                "document_number": number(),
            },
        ),
    }

    answers = await answers_to(whole, cases)

    # The two Spanish documents are the same in every run.
    assert {name: answer.status_code for name, answer in answers.items() if name not in ("DNI", "NIE")} == {
        name: 201 for name in cases if name not in ("DNI", "NIE")
    }
    assert {answers[name].status_code for name in ("DNI", "NIE")} <= {201, 409}
    assert answers["long once composed"].json()["first_name"] == "é" * 128
    assert answers["optional blank"].json()["second_last_name"] is None


async def test_names_are_composed_and_trimmed(whole):
    told = (
        await whole.post(PATIENTS, ana(first_name="  " + unicodedata.normalize("NFD", "Inés") + "\n"))
    ).json()

    assert told["first_name"] == "Inés"


async def test_a_document_is_the_same_however_it_is_spelled(whole):
    digits = number()
    created = await whole.post(
        PATIENTS, ana(document_number=f" {digits[:4].lower()}-{digits[4:8]}.{digits[8:]} ")
    )
    again = await whole.post(PATIENTS, ana(document_number=digits))
    found = await whole.get(
        f"{PATIENTS}?document_number={digits[:5]}%20{digits[5:].lower()}&document_type=CC"
    )
    other_type = await whole.get(f"{PATIENTS}?document_number={digits}&document_type=DPI")

    assert created.json()["document_number"] == digits
    assert word(again) == "409 patient_exists"
    assert refusal(again)["patient_id"] == created.json()["patient_id"]
    assert [one["patient_id"] for one in found.json()["data"]] == [created.json()["patient_id"]]
    assert found.json()["total"] == 1
    assert other_type.json() == {"data": [], "page": 1, "limit": 50, "total": 0}


async def test_of_fifty_who_create_one_patient_one_does(whole):
    body = ana()
    answers = await asyncio.gather(*(whole.post(PATIENTS, body) for _ in range(50)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    assert len({answer.json()["patient_id"] for answer in answers}) == 1


async def test_a_minor_without_a_document_is_always_a_new_patient(whole):
    guardian = {"first_name": "Eva", "last_name": "Ruiz", "document_type": "CC", "document_number": number()}
    body = ana(document_type=..., document_number=..., guardian=guardian, date_of_birth="2022-01-01")
    first, second = await whole.post(PATIENTS, body), await whole.post(PATIENTS, body)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["patient_id"] != second.json()["patient_id"]
    assert first.json()["document_number"] is None
    assert first.json()["guardian"]["last_name"] == "Ruiz"


async def test_a_patient_is_known_to_its_own_provider_alone(whole, clinics):
    body = ana()
    patient_id = (await whole.post(PATIENTS, body)).json()["patient_id"]
    stranger = await clinics("advise")

    assert word(await stranger.get(f"{PATIENTS}/{patient_id}")) == "404 resource_not_found"
    assert (await stranger.get(f"{PATIENTS}?document_number={body['document_number']}")).json()["total"] == 0
    assert (await stranger.post(PATIENTS, body)).status_code == 201
    for spelled in (
        patient_id.lower(),
        patient_id.replace("pat_", "rx_"),
        patient_id[4:],
        "pat_",
        "pat_1",
        "%00",
        "pat_" + "Z" * 26,
    ):
        assert word(await whole.get(f"{PATIENTS}/{spelled}")) == "404 resource_not_found", spelled


async def test_a_search_needs_a_document(whole):
    cases = {
        "": ["query.document_number: required"],
        "?document_number=": ["query.document_number: required"],
        "?document_number=1&document_type=XX": ["query.document_type: invalid_value"],
        "?document_number=1&name=Ana": ["query.name: unknown_field"],
        "?document_number=1&page=0&limit=201": ["query.page: out_of_range", "query.limit: out_of_range"],
        "?document_number=1&page=x&limit=1.5": ["query.page: wrong_type", "query.limit: wrong_type"],
    }
    for query, expected in cases.items():
        answer = await whole.get(PATIENTS + query)
        assert word(answer) == "422 validation_failed", query
        assert [entry.replace("invalid_format", "wrong_type") for entry in entries(answer)] == expected, query
