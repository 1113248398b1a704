"""Searching medicines over the gateway's own copy of the catalogue, in a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid5

import pytest

from contracts.drug_catalog import CatalogueName, CatalogueProduct
from contracts.values import ActiveIngredient, Product
from services.gateway.messages.products import Found
from services.gateway.store import medications, tenancy
from services.gateway.store.medications import Wanted
from tests import gateway as invented
from tests.gateway import KEY, NORTE, READING_KEY, Serving, serving
from tests.infrastructure import Database


def medicine(
    code: str, produto: str, *ingredients: tuple[str, str], kind: str | None = None, maker: str | None = None
) -> CatalogueProduct:
    return CatalogueProduct(
        release=invented.RELEASE,
        medication_id=uuid5(invented.NAMES, code),
        catalogue="cmed",
        product=Product(
            product_code=code,
            product_name=produto,
            names={"en": produto, "pt": produto},
            active_ingredients=tuple(
                ActiveIngredient(ingredient=one, name=one, atc_code=atc) for one, atc in ingredients
            ),
            presentation="500 MG COM CT BL AL PLAS X 10",
        ),
        manufacturer=maker,
        tipo_produto=kind,
        classe_terapeutica="N2B - ANALGÉSICOS NÃO NARCÓTICOS" if ingredients else None,
    )


def named(ingredient: str, text: str, shown: str) -> CatalogueName:
    return CatalogueName(
        release=invented.RELEASE,
        ingredient=ingredient,
        name=text,
        folded=text.casefold(),
        kind="inn",
        display_name=shown,
    )


METAMIZOLE = ("metamizole", "N02BB02")
CODEINE = ("codeine", "R05DA04")
PARACETAMOL = ("paracetamol", "N02BE01")
DIPIRONA = medicine("MED-1", "Dipirona Sódica", METAMIZOLE, kind="Genérico", maker="Laboratório Exemplo")
NOVALGINA = medicine("MED-2", "NOVALGINA", METAMIZOLE, kind="Referencia")
TYLEX = medicine("MED-3", "TYLEX", PARACETAMOL, CODEINE, kind="Referencia")
UNRESOLVED = CatalogueProduct.model_validate(
    medicine("MED-4", "XAROPE DA VOVO").model_dump() | {"substance": "Ervas várias"}
)
BLOOD_COUNT = invented.BLOOD_COUNT
STOCK = (DIPIRONA, NOVALGINA, TYLEX, UNRESOLVED, BLOOD_COUNT)
NAMED = (
    named("metamizole", "dipyrone", "DIPIRONA"),
    named("paracetamol", "acetaminophen", "PARACETAMOL"),
    named("codeine", "codeína", "CODEINA"),
)
ANY = Wanted("dipirona", 0.5, 20)


@pytest.fixture
async def stocked(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as found:
        whole = invented.released(products=len(STOCK), names=len(NAMED))
        await found.deliver(*STOCK, *NAMED, whole)
        yield found


async def search(on: Serving, wanted: Wanted) -> list[Found]:
    async with tenancy.transaction(on.pool, on.tenants[NORTE]) as conn:
        return await medications.search(conn, wanted)


def names(found: list[Found]) -> list[str]:
    return [one.record.product.product_name for one in found]


async def test_a_medicine_is_found_by_name_and_by_substance_without_regard_to_case_and_accents(
    stocked: Serving,
) -> None:
    for query in ("dipirona", "DIPIRÓNA", "Dipirona"):
        found = await search(stocked, replace(ANY, query=query))

        assert names(found) == ["Dipirona Sódica", "NOVALGINA"], query
        assert [one.trigram_score for one in found] == [1.0, 1.0]
        assert [one.substance for one in found] == ["DIPIRONA", "DIPIRONA"]


async def test_a_misspelt_name_is_found_by_resemblance_alone(stocked: Serving) -> None:
    found = await search(stocked, replace(ANY, query="novalgna"))

    (one,) = found
    assert (one.record, one.text_score) == (NOVALGINA, 0.0)
    assert 0.5 <= one.trigram_score < 1.0
    assert one.fused_score == pytest.approx(1 / 61)


async def test_a_name_in_another_language_is_found_by_its_word_alone(stocked: Serving) -> None:
    found = await search(stocked, replace(ANY, query="acetaminophen"))

    (one,) = found
    assert (one.record, one.substance) == (TYLEX, "PARACETAMOL + CODEINA")
    assert one.trigram_score < 0.5 < one.text_score * 10
    assert one.fused_score == pytest.approx(1 / 61)


async def test_whoever_is_first_by_both_rankings_has_both_their_shares(stocked: Serving) -> None:
    found = await search(stocked, replace(ANY, query="tylex"))

    assert [(one.record, one.trigram_score) for one in found] == [(TYLEX, 1.0)]
    assert found[0].fused_score == pytest.approx(2 / 61)
    assert 0.6 < found[0].text_score < 1.0


async def test_every_word_counts_those_of_the_pack_and_the_maker_too(stocked: Serving) -> None:
    strict = replace(ANY, threshold=1.0)

    assert names(await search(stocked, replace(strict, query="dipirona 500 mg exemplo"))) == [
        "Dipirona Sódica"
    ]
    assert names(await search(stocked, replace(strict, query="dipirona 850 mg exemplo"))) == []
    assert names(await search(stocked, replace(strict, query="--- ()"))) == []


async def test_the_threshold_decides_what_resembles_enough_and_nothing_is_below_zero(
    stocked: Serving,
) -> None:
    assert names(await search(stocked, replace(ANY, query="novalgna", threshold=0.9))) == []

    everything = await search(stocked, replace(ANY, query="zzzz", threshold=0.0))

    # No laboratory test is a medicine.
    assert sorted(names(everything)) == ["Dipirona Sódica", "NOVALGINA", "TYLEX", "XAROPE DA VOVO"]


async def test_filters_compare_whole_values_and_beginnings_of_codes(stocked: Serving) -> None:
    wanted = replace(ANY, threshold=0.0)

    assert names(await search(stocked, replace(wanted, kind="generico"))) == ["Dipirona Sódica"]
    assert names(await search(stocked, replace(wanted, kind="gener"))) == []
    by_class = replace(wanted, therapeutic_class="n2b - analgesicos nao narcoticos")
    assert len(await search(stocked, by_class)) == 3
    assert names(await search(stocked, replace(wanted, atc_prefix="R05D"))) == ["TYLEX"]
    assert names(await search(stocked, replace(wanted, atc_prefix="N02BB02"))) == [
        "Dipirona Sódica",
        "NOVALGINA",
    ]
    assert names(await search(stocked, replace(wanted, limit=1))) == ["Dipirona Sódica"]


async def test_a_substance_that_no_table_knows_is_shown_as_the_list_words_it(stocked: Serving) -> None:
    (found,) = await search(stocked, replace(ANY, query="ervas"))

    assert (found.substance, found.record.product.product_name) == ("ERVAS VARIAS", "XAROPE DA VOVO")


async def test_a_product_that_is_told_again_is_found_as_before(stocked: Serving) -> None:
    before = await search(stocked, replace(ANY, query="dipyrone"))

    await stocked.deliver(DIPIRONA)

    assert await search(stocked, replace(ANY, query="dipyrone")) == before
    assert len(before) == 2


async def test_only_the_present_release_is_searched(stocked: Serving) -> None:
    newer = DIPIRONA.model_copy(update={"release": "test-2"})
    marker = invented.released(2, release="test-2", products=1, names=0)

    await stocked.deliver(newer)
    assert len(await search(stocked, ANY)) == 2
    await stocked.deliver(marker)

    assert [one.record for one in await search(stocked, ANY)] == [newer]


async def ask(on: Serving, body: object, key: str = KEY) -> Any:
    return await on.call(key, "POST", "/v1/medications/search", json=body)


async def test_a_search_over_http_echoes_its_query_and_shows_what_the_list_says(stocked: Serving) -> None:
    answer = await ask(stocked, {"query": " dipirona ", "tipo_produto": "generico", "atc_prefix": "n02bb"})

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["query"] == {
        "query": "dipirona",
        "limit": 20,
        "threshold": 0.5,
        "tipo_produto": "generico",
        "classe_terapeutica": None,
        "atc_prefix": "n02bb",
    }
    (one,) = found["results"]
    assert one == one | {
        "medication_id": str(DIPIRONA.medication_id),
        "substancia": "DIPIRONA",
        "produto": "Dipirona Sódica",
        "laboratorio": "Laboratório Exemplo",
        "apresentacao": "500 MG COM CT BL AL PLAS X 10",
        "tipo_produto": "Genérico",
        "codigo_ggrem": None,
        "pf_17": None,
        "trigram_score": 1.0,
        "vector_score": 0.0,
        "atc_codes": ["N02BB02"],
        "catalog": f"cmed {invented.RELEASE}",
    }
    assert one["rrf_score"] == pytest.approx(2 / 61)
    assert (found["total_results"], found["search_method"]) == (1, "trigram+fulltext")
    assert (found["cached_embedding"], found["reranked"]) == (False, False)
    assert await stocked.owner.fetchval("SELECT count(*) FROM request") == 0


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"query": "a", "atc_prefix": "X1Y"}, 400, "invalid_atc_prefix"),
        ({"query": "a", "atc_prefix": "A\u0000"}, 400, "invalid_atc_prefix"),
        ({"query": "a", "atc_prefix": ""}, 422, "string_too_short"),
        ({"query": "a", "atc_prefix": "N02BB022"}, 422, "string_too_long"),
        ({"query": "  "}, 422, "string_too_short"),
        ({"query": "a", "limit": 101}, 422, "less_than_equal"),
        ({"query": "a", "limit": 20.0}, 422, "int_type"),
        ({"query": "a", "threshold": 1.01}, 422, "less_than_equal"),
        ({"query": "a", "tipo": "x"}, 422, "extra_forbidden"),
    ],
)
async def test_a_search_that_cannot_be_read_is_refused(
    stocked: Serving, body: dict[str, Any], status: int, kind: str
) -> None:
    answer = await ask(stocked, body)

    assert answer.status_code == status, answer.text
    told = answer.json()
    assert kind == (told["error"] if status == 400 else told["detail"][0]["type"])


async def test_a_search_needs_its_permission_and_takes_a_whole_number_as_threshold(stocked: Serving) -> None:
    assert (await ask(stocked, {"query": "dipirona"}, READING_KEY)).status_code == 403
    assert (await ask(stocked, {"query": "dipirona", "threshold": 1})).json()["query"]["threshold"] == 1.0
