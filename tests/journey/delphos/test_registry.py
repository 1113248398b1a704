"""The directory of patients and doctors (12), the search for medicines (10)."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

import pytest

from tests.clients import Clinic, uuid_of
from tests.journey.delphos.desk import AMOXICILLIN, Desk, doctor_body, refusal, word

FOUND = {
    *(
        "medication_id",
        "codigo_ggrem",
        "substancia",
        "laboratorio",
        "produto",
        "apresentacao",
        "tipo_produto",
    ),
    *("classe_terapeutica", "pf_17", "pmc_17", "vector_score", "bm25_score", "rrf_score", "trigram_score"),
    *("atc_codes", "catalog"),
}


def document() -> dict[str, str]:
    return {"type": "PASSPORT", "value": f"BR{uuid4().int % 10**8}"}


async def test_a_patient_is_put_read_and_replaced_whole(desk: Desk) -> None:
    id, papers = str(uuid4()), document()
    body = {
        "birth_date": "1984-05-06",
        "gender": "female",
        "full_name": "Maria de Souza",
        "email": "maria@example.org",
        "national_id": papers,
        "preferred_language": "es",
        "allergies": [
            {"ingredient": "Dipirona", "severity": "severe", "reaction": "urticaria"},
            {"ingredient": "Po"},
        ],
        "external_ids": {"ehr_id": "42"},
    }
    made = await desk.call("PUT", f"/patients/{id}", body)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    read = made.json()
    allergies = read.pop("allergies")
    assert {name: read[name] for name in body if name != "allergies"} == {
        name: value for name, value in body.items() if name != "allergies"
    }
    assert (read["id"], read["is_active"], read["version"]) == (id, True, 1)
    assert read["name_hash"] == hashlib.sha256(b"MARIA DE SOUZA").hexdigest()
    assert [one["matched_ingredient"] for one in allergies] == ["METAMIZOL", None] or allergies[1][
        "matched_ingredient"
    ] is None
    assert (allergies[1]["severity"], allergies[1]["reaction"]) == ("unknown", None)
    replaced = await desk.call("PUT", f"/patients/{id}", {"birth_date": "1984-05-07"})
    assert (replaced.status_code, replaced.headers["etag"]) == (200, '"2"')
    bare = replaced.json()
    assert (bare["full_name"], bare["email"], bare["national_id"], bare["name_hash"]) == (None,) * 4
    assert (bare["gender"], bare["preferred_language"], bare["allergies"], bare["external_ids"]) == (
        "unknown",
        "pt",
        [],
        {},
    )
    assert await desk.ok("GET", f"/patients/{id}") == bare


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"birth_date": "2999-01-01"}, "birth_date"),
        ({"birth_date": "1984-02-30"}, "birth_date"),
        ({"birth_date": None}, "birth_date"),
        ({"gender": "F"}, "gender"),
        ({"preferred_language": "fr"}, "preferred_language"),
        ({"allergies": [{"ingredient": "x" * 129}]}, "allergies"),
        ({"allergies": [{"ingredient": "x", "severity": "deadly"}]}, "allergies"),
        ({"allergies": [{"ingredient": "x"}] * 201}, "allergies"),
        ({"external_ids": {"a": 1}}, "external_ids"),
        ({"is_active": 1}, "is_active"),
        ({"full_name": "x" * 501}, "full_name"),
        ({"national_id": {"type": "LIBRARY_CARD", "value": "1"}}, "national_id"),
        ({"surname": "x"}, "surname"),
    ],
)
async def test_a_patient_is_read_strictly(desk: Desk, changes: dict[str, Any], where: str) -> None:
    answer = await desk.call("PUT", f"/patients/{uuid4()}", {"birth_date": "1990-01-01"} | changes)
    assert {one["loc"][1] for one in refusal(answer)["detail"]} == {where}


async def test_read_only_members_may_be_sent_back(desk: Desk) -> None:
    """Ruling 3.9: read, change, put."""
    patient, doctor = await desk.patient(allergies=[{"ingredient": "amoxicilina"}]), await desk.a_doctor()
    for path in (f"/patients/{patient}", f"/doctors/{doctor}"):
        body = await desk.ok("GET", path)
        answer = await desk.call("PUT", path, body)
        assert answer.status_code == 200, answer.text
        changed = ("version", "updated_at")
        assert {name: value for name, value in answer.json().items() if name not in changed} == {
            name: value for name, value in body.items() if name not in changed
        }


async def test_a_document_belongs_to_one_patient(desk: Desk) -> None:
    papers = document()
    first = await desk.patient(national_id=papers)
    body = {"birth_date": "1990-01-01", "national_id": papers}
    answer = await desk.call("PUT", f"/patients/{uuid4()}", body)
    assert (word(answer), answer.json()["patient_id"]) == ("409 patient_exists", first)


async def test_one_directory_serves_both_dialects(desk: Desk, theirs: Clinic) -> None:
    there = await theirs.patient()
    read = await desk.ok("GET", f"/patients/{uuid_of(there)}")
    assert (read["full_name"], read["birth_date"]) == ("Ana López", "1990-04-11")
    assert read["national_id"]["type"] == "CC"
    id = await desk.draft(AMOXICILLIN, patient_id=uuid_of(there))
    assert (await desk.read(id))["patient_id"] == uuid_of(there)
    await desk.ok("PUT", f"/patients/{uuid_of(there)}", read | {"is_active": False})
    assert (await theirs.get(f"/ehr/v1/patients/{there}")).json()["enabled"] is False


async def test_a_doctor_is_put_with_the_name_in_either_form(desk: Desk) -> None:
    parts, whole = doctor_body(second_surname="Reis"), doctor_body()
    first = await desk.ok("PUT", f"/doctors/{uuid4()}", parts)
    assert (first["name"], first["given_names"], first["second_surname"]) == (
        "Clara Nunes Reis",
        "Clara",
        "Reis",
    )
    assert (first["is_active"], first["version"], first["external_ids"]) == (True, 1, {})
    whole = {name: value for name, value in whole.items() if name not in ("given_names", "first_surname")}
    second = await desk.ok("PUT", f"/doctors/{uuid4()}", whole | {"name": "Clara Nunes"})
    assert (second["name"], second["given_names"], second["first_surname"]) == ("Clara Nunes", None, None)
    both = doctor_body() | {"name": "Clara Nunes"}
    assert (await desk.call("PUT", f"/doctors/{uuid4()}", both)).status_code == 201
    wrong = doctor_body() | {"name": "Carla Antunes"}
    assert "value_error" in word(await desk.call("PUT", f"/doctors/{uuid4()}", wrong))
    assert (await desk.call("PUT", f"/doctors/{uuid4()}", whole)).status_code == 422


async def test_a_licence_belongs_to_one_doctor(desk: Desk) -> None:
    body = doctor_body()
    await desk.ok("PUT", f"/doctors/{uuid4()}", body)
    again = doctor_body() | {"license_number": body["license_number"]}
    assert word(await desk.call("PUT", f"/doctors/{uuid4()}", again)) == "409 license_taken"
    elsewhere = again | {"issuing_body": "CRM-RJ"}
    assert (await desk.call("PUT", f"/doctors/{uuid4()}", elsewhere)).status_code == 201


@pytest.mark.parametrize("name", ["issuing_body", "license_number", "national_id"])
async def test_a_doctor_is_read_strictly(desk: Desk, name: str) -> None:
    body = {key: value for key, value in doctor_body().items() if key != name}
    assert word(await desk.call("PUT", f"/doctors/{uuid4()}", body)) == f"422 missing body.{name}"


async def test_a_suspended_doctor_reads_so_in_the_other_dialect(desk: Desk, theirs: Clinic) -> None:
    id = await desk.a_doctor(is_active=False)
    listed = (await theirs.get("/ehr/v1/doctors?limit=100")).json()["data"]
    (one,) = [each for each in listed if uuid_of(each["doctor_id"]) == id]
    assert one["registration_status"] == "SUSPENDED"


async def search(desk: Desk, query: str, **more: Any) -> dict[str, Any]:
    return await desk.ok("POST", "/medications/search", {"query": query} | more)


async def test_a_search_echoes_what_was_asked_and_says_how(desk: Desk) -> None:
    found = await search(desk, "sildenafila")
    assert found["query"] == {
        "query": "sildenafila",
        "limit": 20,
        "threshold": 0.5,
        "tipo_produto": None,
        "classe_terapeutica": None,
        "atc_prefix": None,
    }
    assert (found["search_method"], found["cached_embedding"], found["reranked"]) == (
        "trigram+fulltext",
        False,
        False,
    )
    assert found["total_results"] == len(found["results"]) >= 1
    assert found["latency_ms"] > 0
    best = found["results"][0]
    assert set(best) >= FOUND
    assert (best["substancia"], best["vector_score"], best["atc_codes"]) == ("SILDENAFILA", 0.0, ["G04BE03"])
    assert best["trigram_score"] == 1.0
    assert best["rrf_score"] <= 2 / 61


async def test_a_search_bears_spelling_and_accents(desk: Desk) -> None:
    exact = {one["medication_id"] for one in (await search(desk, "ácido acetilsalicílico"))["results"]}
    plain = {one["medication_id"] for one in (await search(desk, "ACIDO ACETILSALICILICO"))["results"]}
    assert exact == plain != set()
    near = await search(desk, "losartanna")
    assert "LOSARTANA" in {one["substancia"] for one in near["results"]}
    assert (await search(desk, "xyzzyq"))["results"] == []


async def test_results_are_the_best_first_and_few(desk: Desk) -> None:
    found = (await search(desk, "losartana", limit=2, threshold=0))["results"]
    keys = [(-one["rrf_score"], one["produto"], one["medication_id"]) for one in found]
    assert keys == sorted(keys)
    assert len(found) == 2


async def test_filters_narrow_a_search(desk: Desk) -> None:
    for more, some in (
        ({"tipo_produto": "genérico"}, True),
        ({"tipo_produto": "GENERICO"}, True),
        ({"tipo_produto": "Gener"}, False),
        ({"tipo_produto": "nothing"}, False),
        ({"classe_terapeutica": "j1c - penicilinas de amplo espectro"}, True),
        ({"atc_prefix": "J01"}, True),
        ({"atc_prefix": "j01ca04"}, True),
        ({"atc_prefix": "C"}, False),
    ):
        assert bool((await search(desk, "amoxicilina", **more))["results"]) is some, more


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"atc_prefix": "1"}, "400 invalid_atc_prefix"),
        ({"atc_prefix": "J0A"}, "400 invalid_atc_prefix"),
        ({"atc_prefix": ""}, "422"),
        ({"atc_prefix": "J01CA045"}, "422"),
        ({"query": ""}, "422"),
        ({"query": "x" * 501}, "422"),
        ({"limit": 0}, "422"),
        ({"limit": 101}, "422"),
        ({"limit": 2.0}, "422"),
        ({"threshold": 1.1}, "422"),
        ({"threshold": "0.5"}, "422"),
        ({"threshold": True}, "422"),
        ({"colour": "blue"}, "422"),
    ],
)
async def test_a_search_is_read_strictly(desk: Desk, changes: dict[str, Any], said: str) -> None:
    answer = await desk.call("POST", "/medications/search", {"query": "losartana"} | changes)
    assert word(answer).startswith(said)


async def test_a_search_takes_a_whole_threshold_and_is_no_write(desk: Desk) -> None:
    assert (await search(desk, "losartana", threshold=1))["query"]["threshold"] == 1.0
    key = f"search-{uuid4()}"
    for query in ("losartana", "amoxicilina"):
        answer = await desk.call("POST", "/medications/search", {"query": query}, idempotency_key=key)
        assert answer.status_code == 200
