"""The four catalogues in three languages, and what a provider may prescribe (osigu-dialect 4)."""

from __future__ import annotations

import asyncio

import pytest

from tests.problems import entries, word

DIAGNOSES = "/medical-catalogs/v1/diagnoses"
MEDICATIONS = "/medical-catalogs/v1/medications"
PRODUCTS = "/arc/v1/products"
OWN = "/arc/v1/providers/products"
LISTS = (DIAGNOSES, MEDICATIONS, PRODUCTS, OWN)
ITEM = {
    *("product_code", "product_name", "product_type", "active_ingredients", "strength", "presentation"),
    *("dosage_unit", "route", "pack_format", "national_code", "controlled_schedule", "electronic_allowed"),
}


@pytest.mark.parametrize(
    "query", ["R51", "r51", "cephalgia", "cefalea", "CEFALÉIA", "cefaleia", "headache", "ceph"]
)
async def test_headache_is_found_in_every_language(whole, query):
    found = (await whole.get(f"{DIAGNOSES}?query={query}")).json()

    assert "R51" in [one["diagnosis_code"] for one in found["data"]]
    first = next(one for one in found["data"] if one["diagnosis_code"] == "R51")
    assert first == {
        "diagnosis_code": "R51",
        "code": "R51",
        "description": "Cefalea",
        "coding_system": "ICD-10",
    }


async def test_the_language_asked_for_is_the_language_told(whole):
    told = {}
    for language in ("en", "es", "pt"):
        found = await whole.get(f"{DIAGNOSES}?query=R51&language={language}")
        told[language] = found.json()["data"][0]["description"]
    products = [
        (await whole.get(f"{PRODUCTS}?query=MED-107&language={language}")).json()["data"][0]["product_name"]
        for language in ("en", "es", "pt")
    ]

    assert told == {"en": "Headache", "es": "Cefalea", "pt": "Cefaleia"}
    assert products == ["Warfarin 5 mg tablets", "Warfarina 5 mg comprimidos", "Varfarina 5 mg comprimidos"]


async def test_every_word_of_a_query_must_begin_a_word_and_codes_come_first(whole):
    async def codes(query, path=PRODUCTS):
        return [
            one["product_code"]
            for one in (
                await whole.get(
                    path,
                )
                if query is None
                else await whole.get(f"{path}?query={query}")
            ).json()["data"]
        ]

    assert (await codes("MED-042"))[0] == "MED-042"
    assert set(await codes("paracetamol tabl")) >= {"MED-042"}
    assert "MED-043" not in await codes("paracetamol tabl")
    assert "MED-042" in await codes("acetaminophen")
    assert "MED-107" in await codes("varfarina")
    assert await codes("aracetamol") == []
    assert await codes("paracetamol warfarin") == []
    assert set(await codes("paracetamol", MEDICATIONS)) >= {"MED-042", "MED-043"}


async def test_products_are_told_apart_by_type(whole):
    for kind in ("MEDICATION", "LAB", "IMAGING", "PROCEDURE"):
        for path in (PRODUCTS, OWN):
            found = (await whole.get(f"{path}?product_type={kind}&limit=200")).json()
            assert {one["product_type"] for one in found["data"]} == {kind}
            assert found["total"] == len(found["data"])
            for one in found["data"]:
                assert set(one) == ITEM | ({"registered_at"} if path == OWN else set())
    everything = (await whole.get(f"{MEDICATIONS}?limit=200")).json()["data"]
    assert {one["product_type"] for one in everything} == {"MEDICATION"}
    paracetamol = next(one for one in everything if one["product_code"] == "MED-042")
    assert paracetamol["active_ingredients"] == [{"name": "paracetamol", "atc_code": "N02BE01"}]
    assert (
        paracetamol["strength"],
        paracetamol["presentation"],
        paracetamol["dosage_unit"],
        paracetamol["route"],
    ) == (
        "500 mg",
        "tablet",
        "tablet",
        "oral",
    )


async def test_lists_are_cut_in_pages(whole):
    for path in LISTS:
        whole_list = (await whole.get(f"{path}?limit=200")).json()
        pages = [(await whole.get(f"{path}?limit=20&page={page}")).json() for page in (1, 2)]
        past = (await whole.get(f"{path}?limit=200&page=100000")).json()

        assert pages[0]["data"] + pages[1]["data"] == whole_list["data"][:40]
        assert {page["total"] for page in pages} == {whole_list["total"]}
        assert (past["data"], past["total"], past["page"], past["limit"]) == (
            [],
            whole_list["total"],
            100_000,
            200,
        )
        assert (await whole.get(path)).json()["limit"] == 50


async def test_queries_that_are_refused(whole):
    cases = {
        "query=a": "query.query: out_of_range",
        "query=" + "a" * 101: "query.query: too_long",
        "language=fr": "query.language: invalid_value",
        "page=0": "query.page: out_of_range",
        "page=-1": "query.page: out_of_range",
        "limit=0": "query.limit: out_of_range",
        "limit=201": "query.limit: out_of_range",
        "limit=" + "9" * 5_000: "query.limit: out_of_range",
        "sort=code": "query.sort: unknown_field",
        "query=%00ab": "query.query: invalid_value",
        "query=aa&query=bb": "query.query: duplicate",
    }
    asked = [(path, query) for path in LISTS for query in cases]
    answers = await asyncio.gather(*(whole.get(f"{path}?{query}") for path, query in asked))

    for (path, query), answer in zip(asked, answers, strict=True):
        assert word(answer) == "422 validation_failed", (path, query[:20])
        assert entries(answer) == [cases[query]] or query.startswith("limit=9"), (path, query[:20])
    assert entries(await whole.get(f"{PRODUCTS}?product_type=DRUG")) == ["query.product_type: invalid_value"]
    assert entries(await whole.get(f"{DIAGNOSES}?product_type=LAB")) == ["query.product_type: unknown_field"]


async def test_nothing_found_is_an_empty_list(whole):
    for query in ("zzzzzz", "%25%25", "__", "%27%27", "%5C%5C", "%F0%9F%98%80%F0%9F%98%80"):
        for path in LISTS:
            answer = await whole.get(f"{path}?query={query}")
            assert (answer.status_code, answer.json()["data"], answer.json()["total"]) == (200, [], 0), (
                path,
                query,
            )


async def test_registering_and_deleting_a_product_repeat_without_harm(clinics):
    clinic = await clinics("narrow")
    body = {"product_code": "MED-048"}
    gone = [await clinic.call("DELETE", f"{OWN}/MED-048") for _ in range(2)]
    absent = (await clinic.get(f"{OWN}?query=MED-048")).json()["total"]
    first, again = await clinic.post(OWN, body), await clinic.post(OWN, body)

    assert [one.status_code for one in gone] == [204, 204]
    assert gone[0].content == b""
    assert absent == 0
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert set(first.json()) == {"product_code", "registered_at"}
    assert (await clinic.get(f"{OWN}?query=MED-048")).json()["total"] == 1


async def test_what_is_not_in_the_catalogue_cannot_be_registered(whole):
    unknown = await whole.post(OWN, {"product_code": "MED-999"})

    assert word(unknown) == "422 product_unknown"
    assert (unknown.json()["error_code"], unknown.json()["errors"][0]["error_code"]) == ("071-104", "071-104")
    assert word(await whole.call("DELETE", f"{OWN}/MED-999")) == "404 resource_not_found"
    assert entries(await whole.post(OWN, {})) == ["product_code: required"]
    assert entries(await whole.post(OWN, {"product_code": 42, "b": 1})) == [
        "product_code: wrong_type",
        "b: unknown_field",
    ]
    assert entries(await whole.post(OWN, {"product_code": "A" * 65})) == ["product_code: too_long"]
