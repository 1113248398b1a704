"""Items resolved by prescription's own copy of the catalogue, as safety-check resolves them."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.drug_names import fold, similarity
from services.prescription import store
from services.prescription.domain.items import Item
from services.prescription.messages import telling
from shared import clock
from tests.service import catalogues
from tests.service import prescriptions as some
from tests.service.catalogues import item
from tests.service.prescriptions import Service

COUNTRIES = ("ES", "BR", "GT")
ASKED_AT_ONCE = 60


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    yield Service.on(await open_pool("prescription"))
    clock.reset()


@pytest.fixture
async def supplied(service) -> Service:
    """A service that has the catalogue of development."""
    await service.hears(*catalogues.whole_release())
    return service


async def resolve(service: Service, *items: Item, country: str = "BR") -> tuple[Item, ...]:
    """As many at a time as prescriptions have."""
    found: list[Item] = []
    async with service.pool.acquire() as conn:
        for begin in range(0, len(items), ASKED_AT_ONCE):
            part = items[begin : begin + ASKED_AT_ONCE]
            found += await store.resolve_items(conn, part, country=country)
    return tuple(found)


async def ready(service: Service) -> bool:
    async with service.pool.acquire() as conn:
        return await store.has_catalogue(conn)


def assert_same(one: Item, country: str) -> None:
    """What the item stands for here is what it stands for where it is checked."""
    found = catalogues.knowledge().resolve(catalogues.as_checked(telling._to_check(one)), country)
    checked = found.ingredients or ((found.assumed,) if found.assumed else ())
    assert (one.ingredients, one.match_status, one.match_score) == (checked, found.status, found.score), one
    assert one.suggestions == tuple(suggestion.ingredient for suggestion in found.suggestions), one


async def test_a_release_is_used_when_all_its_records_are_here_in_whatever_order(service):
    await service.hears(catalogues.marker(), *catalogues.products())
    assert not await ready(service)
    (before,) = await resolve(service, item("paracetamol"))
    assert before.match_status == "unmatched"

    await service.hears(*catalogues.names())

    assert await ready(service)
    (after,) = await resolve(service, item("paracetamol"))
    assert (after.match_status, after.ingredients) == ("exact", ("paracetamol",))


async def test_the_same_records_again_change_nothing(supplied):
    await supplied.hears(*catalogues.whole_release())

    counted = await supplied.pool.fetchrow("SELECT products_seen, names_seen FROM catalogue_release")
    assert tuple(counted) == (len(catalogues.products()), len(catalogues.names()))


async def test_a_later_release_takes_the_place_of_an_earlier_one_whole(supplied):
    paracetamol = catalogues.product("MED-042")
    later = paracetamol.model_copy(update={"release": "demo-2"})
    name = next(one for one in catalogues.names() if one.name == "ibuprofen")

    await supplied.hears(
        later,
        name.model_copy(update={"release": "demo-2"}),
        catalogues.marker(release="demo-2", sequence=2, products=1, names=1),
    )

    found = await resolve(supplied, item("paracetamol"), item("ibuprofen"))
    assert [one.match_status for one in found] == ["unmatched", "exact"]
    releases = await supplied.pool.fetch("SELECT DISTINCT release FROM catalogue_name")
    assert [row["release"] for row in releases] == ["demo-2"]


async def test_an_earlier_release_that_comes_late_is_not_used(supplied):
    await supplied.hears(catalogues.marker(release="demo-0", sequence=0 + 1, products=0, names=0))
    await supplied.hears(catalogues.marker(sequence=2))
    await supplied.hears(catalogues.marker(release="old", sequence=1, products=0, names=0))

    (found,) = await resolve(supplied, item("paracetamol"))
    assert found.match_status == "exact"


async def test_every_name_of_the_catalogue_means_to_prescription_what_it_means_to_the_safety_check(supplied):
    spelled = [one.name for one in catalogues.names()]
    spelled += [name for one in catalogues.products() for name in one.product.names.values()]
    for country in COUNTRIES:
        for one in await resolve(supplied, *map(item, spelled), country=country):
            assert_same(one, country)


async def test_every_product_means_the_same_by_its_link(supplied):
    linked = [
        item("nothing known", cmed_medication_id=one.medication_id, active_ingredient=active)
        for one in catalogues.products()
        for active in (None, "warfarin")
    ]
    found = await resolve(supplied, *linked)

    assert {one.match_status for one in found if one.product and one.product.active_ingredients} == {"linked"}
    for one in found:
        assert_same(one, "BR")


@st.composite
def misspelt(draw: st.DrawFn) -> str:
    """A name of the catalogue with letters lost, doubled, exchanged, or something beside it."""
    text = draw(st.sampled_from(catalogues.names())).name
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        new = draw(st.sampled_from(["", "a", "x", " ", "é", "-", "mm", " 500 mg", " + "]))
        text = text[:place] + new + text[place + draw(st.integers(0, 2)) :]
    return text.strip() or "x"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(misspelt(), min_size=20, max_size=20), st.sampled_from(COUNTRIES))
async def test_what_is_misspelt_is_guessed_alike_or_not_at_all(supplied, texts, country):
    for one in await resolve(supplied, *map(item, texts), country=country):
        assert_same(one, country)


async def test_between_two_that_look_alike_nobody_guesses(supplied):
    confusable = [one.name for one in catalogues.names() if one.lookalikes and one.kind == "inn"]
    texts = sorted({name[:place] + "x" + name[place + 1 :] for name in confusable for place in (2, 5, 8)})

    found = await resolve(supplied, *map(item, texts))

    for one in found:
        assert_same(one, "BR")
    assert [one for one in found if one.match_status == "unmatched" and len(one.suggestions) > 1]


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(misspelt(), misspelt()), min_size=30, max_size=30))
async def test_two_texts_resemble_each_other_as_much_as_postgres_says(supplied, pairs):
    found = await supplied.pool.fetch(
        "SELECT similarity(a, b) AS theirs FROM unnest($1::text[], $2::text[]) AS pair (a, b)",
        [fold(a) for a, _ in pairs],
        [fold(b) for _, b in pairs],
    )

    assert [row["theirs"] for row in found] == pytest.approx([similarity(a, b) for a, b in pairs], abs=1e-6)


async def test_an_unknown_link_leaves_no_product_and_the_words_count(supplied):
    (found,) = await resolve(supplied, item("paracetamol", cmed_medication_id=UUID(int=7)))

    assert found.product is None
    assert (found.match_status, found.ingredients) == ("exact", ("paracetamol",))


async def test_a_link_carries_the_product_as_it_is_now(supplied):
    paracetamol = catalogues.product("MED-042")
    (found,) = await resolve(supplied, item("Tylol", cmed_medication_id=paracetamol.medication_id))

    assert found.product is not None
    assert found.product.product_code == "MED-042"
    assert (found.match_status, found.ingredients) == ("linked", ("paracetamol",))


@pytest.mark.parametrize(
    ("name", "status", "ingredients"),
    [
        ("Aspirina", "synonym", ("acetylsalicylic-acid",)),
        ("WARFARINA SÓDICA 5 mg comprimidos", "exact", ("warfarin",)),
        ("cotrimoxazol", "synonym", ("sulfamethoxazole", "trimethoprim")),
        ("ibuprofeno + cafeina", "exact", ("ibuprofen", "caffeine")),
        ("amoxicilxna", "probable", ("amoxicillin",)),
        ("amoxicilina + xyzzy", "probable", ("amoxicillin",)),
        ("xyzzy", "unmatched", ()),
    ],
)
async def test_how_sure_a_match_is_shows(supplied, name, status, ingredients):
    (found,) = await resolve(supplied, item(name))

    assert (found.match_status, found.ingredients) == (status, ingredients)
    assert (found.match_score is None) is (status != "probable")


async def fill_in(service: Service, *items: Item) -> tuple[Item, ...]:
    async with service.pool.acquire() as conn:
        return await store.fill_in(conn, await store.resolve_items(conn, items, country="BR"))


async def test_a_sure_match_fills_in_the_ingredient_and_the_one_product_that_fits(supplied):
    (found,) = await fill_in(supplied, item("dipirona", dosage="0,575 g"))

    assert found.active_ingredient == "METAMIZOL"
    assert found.product is not None
    assert (found.product.product_code, found.match_status) == ("MED-044", "linked")


@pytest.mark.parametrize("dosage", [None, "1 comprimido", "123 mg"])
async def test_without_a_fitting_strength_nothing_is_linked(supplied, dosage):
    (found,) = await fill_in(supplied, item("dipirona", dosage=dosage))

    assert (found.cmed_medication_id, found.product) == (None, None)
    assert found.match_status in ("exact", "synonym")


async def test_a_guess_fills_in_nothing(supplied):
    (found,) = await fill_in(supplied, item("amoxicilxna", dosage="500 mg"))

    assert (found.match_status, found.active_ingredient, found.cmed_medication_id) == ("probable", None, None)
