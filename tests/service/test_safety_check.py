"""The safety-check service on a real Postgres: checks that are asked for, and the catalogue that it keeps."""

import csv
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from contracts.drug_catalog import CatalogueName, CatalogueProduct, CatalogueReleased
from contracts.prescription_events import ItemToCheck, OtherPrescription, SafetyCheckRequested
from contracts.safety_check_events import KnowledgeBaseUpdated, SafetyCheckCompleted
from contracts.values import Allergy, PatientFacts
from services.safety_check import main, messages, store, work
from services.safety_check.domain import DATA, Knowledge, Tables
from services.safety_check.handlers import handlers, use
from services.safety_check.operator import loading
from services.safety_check.operator.loading import DONE, REFUSED, Wish
from services.safety_check.settings import Settings
from shared import outbox
from shared.database import transaction
from shared.work import Worker
from tests.infrastructure import until
from tests.service.conftest import Deliver, kinds, said

TABLES = Tables.read()
KNOWLEDGE = Knowledge(TABLES)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TENANT, PATIENT = UUID(int=1), UUID(int=2)
PRESCRIPTION, OTHER = UUID(int=3), UUID(int=4)
WARFARIN, ASPIRIN = UUID(int=5), UUID(int=6)
DEMO = DATA / "demo_catalogue.csv"


def item(item_id, number, name, **more):
    return ItemToCheck(item_id=item_id, number=number, medication_name=name, **more)


def requested(*items, **more):
    given = {"content_version": 3, "facts_version": 2, "in_force_version": 7, "country": "BR", "items": items}
    facts = PatientFacts(patient_id=PATIENT, version=2, allergies=more.pop("allergies", ()))
    return SafetyCheckRequested(tenant_id=TENANT, prescription_id=PRESCRIPTION, facts=facts, **(given | more))


BOTH = requested(item(WARFARIN, 1, "Varfarina 5 mg comprimidos"), item(ASPIRIN, 2, "Aspirina 100 mg"))


@pytest.fixture
async def pool(open_pool):
    use(KNOWLEDGE)
    return await open_pool("safety_check")


@pytest.fixture
async def settings(database):
    made = await database("safety_check")
    return Settings(database_url=made.url, kafka_bootstrap="127.0.0.1:1", instance="safety-check-0")


@pytest.fixture
async def loaded(settings, open_pool_of):
    """A pool on the database that the operator's commands use."""
    return await open_pool_of(settings.database_url)


@pytest.fixture
async def open_pool_of():
    from shared import database

    opened = []

    async def make(url):
        opened.append(await database.open_pool(url, min_size=1, max_size=4))
        return opened[-1]

    yield make
    for one in opened:
        await one.close()


def wish(file=DEMO, **more):
    return replace(Wish(file, "demo-1", source="demo", activate=True), **more)


def catalogue(path, *rows):
    """A file of rows (code, name, ingredients); the other columns are as in the simplest catalogue."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("product_code", "product_type", "name_en", "name_es", "name_pt", "ingredients"))
        writer.writerows((code, "MEDICATION", name, name, name, found) for code, name, found in rows)
    return path


async def told(pool):
    """All that readers of the catalogue are told, as a relay would publish it part by part."""
    heard = []
    worker = Worker(work.works, pool, work.Catalogue(pool, KNOWLEDGE))
    worker.start()

    async def whole():
        async with transaction(pool) as conn:
            await conn.execute("LOCK TABLE outbox IN EXCLUSIVE MODE")
            heard.extend(one.message for one in await said(conn))
            await conn.execute("DELETE FROM outbox")
            return not await conn.fetchval("SELECT count(*) FROM work")

    await until(whole, seconds=30)
    await worker.stop()
    return heard


async def test_a_check_is_answered_with_the_versions_it_was_asked_with(pool):
    await Deliver(handlers, pool)(BOTH)

    (answer,) = [one.message for one in await said(pool)]
    assert isinstance(answer, SafetyCheckCompleted)
    assert (answer.prescription_id, answer.patient_id) == (PRESCRIPTION, PATIENT)
    assert (answer.content_version, answer.facts_version, answer.in_force_version) == (3, 2, 7)
    finding = answer.verdict.findings[0]
    assert (finding.rule_id, finding.severity) == ("f:acetylsalicylic-acid:warfarin", "critical")
    assert (finding.drug_a, finding.drug_b) == ("VARFARINA", "ACIDO ACETILSALICILICO")
    assert finding.item_ids == (WARFARIN, ASPIRIN)
    assert set(finding.text) == {"en", "es", "pt"}


async def test_the_verdict_is_kept_and_the_same_question_replaces_it(pool):
    deliver = Deliver(handlers, pool)

    await deliver(BOTH)
    await deliver(BOTH)

    rows = await pool.fetch("SELECT state, verdict, knowledge_base_version FROM check_result")
    assert [(row["state"], row["knowledge_base_version"]) for row in rows] == [("finding", KNOWLEDGE.version)]
    assert orjson.loads(rows[0]["verdict"])["state"] == "finding"
    assert kinds(await said(pool)) == ["SafetyCheckCompleted", "SafetyCheckCompleted"]


async def test_what_the_patient_has_in_force_is_compared_too(pool):
    others = (OtherPrescription(prescription_id=OTHER, items=(item(WARFARIN, 1, "Marevan"),)),)

    await Deliver(handlers, pool)(requested(item(ASPIRIN, 1, "AAS"), others=others))

    (answer,) = await said(pool)
    finding = answer.message.verdict.findings[0]
    assert (finding.item_ids, finding.other_prescription_id) == ((ASPIRIN,), OTHER)


async def test_a_catalogue_link_decides_before_the_name(pool):
    linked = item(WARFARIN, 1, "Product 107", linked_ingredients=("warfarin",))

    await Deliver(handlers, pool)(requested(linked, item(ASPIRIN, 2, "aspirin")))

    (answer,) = await said(pool)
    assert answer.message.verdict.findings[0].rule_id == "f:acetylsalicylic-acid:warfarin"


async def test_what_the_patient_is_allergic_to_is_found_as_gravely_as_it_was_recorded(pool):
    on_file = (Allergy(ingredient="AINE", severity="SEVERE"), Allergy(ingredient="latex"))
    await Deliver(handlers, pool)(requested(item(ASPIRIN, 1, "ibuprofeno"), allergies=on_file))

    (answer,) = await said(pool)
    verdict = answer.message.verdict
    assert [(one.interaction_type, one.severity.value, one.drug_b) for one in verdict.findings] == [
        ("allergy", "contraindicated", "AINE")
    ]
    assert verdict.coverage["allergy"].recorded == 2
    assert ("allergy", "allergen_unresolved") in {(gap.check, gap.reason) for gap in verdict.not_evaluated}


async def test_several_checks_of_a_batch_are_answered_in_order(pool):
    asked = [BOTH.model_copy(update={"content_version": n}) for n in range(1, 6)]

    await Deliver(handlers, pool)(*asked)

    assert [one.message.content_version for one in await said(pool)] == [1, 2, 3, 4, 5]


async def test_a_loaded_catalogue_is_told_whole_and_counted_at_the_end(settings, loaded):
    assert await loading.load(wish(), settings, KNOWLEDGE) == DONE

    heard = await told(loaded)

    products = [one for one in heard if isinstance(one, CatalogueProduct)]
    names = [one for one in heard if isinstance(one, CatalogueName)]
    (marker,) = [one for one in heard if isinstance(one, CatalogueReleased)]
    assert heard[-1] == marker
    assert (marker.products, marker.names) == (len({p.key for p in products}), len({n.key for n in names}))
    assert (len(products), len(names)) == (marker.products, marker.names)
    assert {one.release for one in heard} == {f"demo-1+{KNOWLEDGE.version}"}
    paracetamol = next(one.product for one in products if one.product.product_code == "MED-042")
    assert paracetamol.product_name == "Paracetamol 500 mg tablets"
    assert [(one.ingredient, one.atc_code) for one in paracetamol.active_ingredients] == [
        ("paracetamol", "N02BE01")
    ]


async def test_every_medicine_of_the_demo_catalogue_has_ingredients_and_names_in_three_languages(
    settings, loaded
):
    await loading.load(wish(), settings, KNOWLEDGE)

    rows = await loaded.fetch("SELECT record FROM product")
    products = [CatalogueProduct.model_validate_json(row["record"]).product for row in rows]
    medicines = [one for one in products if one.product_type == "MEDICATION"]
    assert len(medicines) >= 60
    assert [one.product_code for one in medicines if not one.active_ingredients] == []
    assert [one.product_code for one in products if set(one.names) != {"en", "es", "pt"}] == []
    assert {"MED-042", "MED-107", "MED-311", "LAB-HEMO", "CONS-GEN"} <= {one.product_code for one in products}


async def test_the_same_file_twice_is_the_same_release(settings, loaded):
    await loading.load(wish(), settings, KNOWLEDGE)
    first = await loaded.fetch("SELECT * FROM catalogue_release")

    assert await loading.load(wish(), settings, KNOWLEDGE) == DONE

    assert await loaded.fetch("SELECT * FROM catalogue_release") == first


async def test_a_release_that_was_in_use_cannot_change_its_content(settings, loaded, tmp_path):
    await loading.load(wish(), settings, KNOWLEDGE)
    other = catalogue(tmp_path / "other.csv", ("MED-1", "Warfarin 5 mg", "warfarin"))

    assert await loading.load(wish(other), settings, KNOWLEDGE) == REFUSED

    assert await loaded.fetchval("SELECT count(*) FROM product") > 60


async def test_bad_rows_are_skipped_counted_and_written_with_their_lines(settings, loaded, tmp_path, capsys):
    file = catalogue(
        tmp_path / "some.csv",
        ("MED-1", "Warfarin 5 mg", "warfarin"),
        ("MED-2", "Nobody knows", "unobtainium"),
        ("MED-1", "Warfarin again", "warfarin"),
        ("bad code!", "Warfarin 1 mg", "warfarin"),
        ("MED-3", "Aspirin 100 mg tablets", ""),
        ("MED-4", "Qwxyz 1 mg", ""),
    )

    assert await loading.load(wish(file, rejects_share_max=1.0), settings, KNOWLEDGE) == DONE

    with (tmp_path / "some.csv.rejects.csv").open(encoding="utf-8") as rejects:
        written = [(row["line"], row["column"], row["rule"]) for row in csv.DictReader(rejects)]
    assert sorted(written) == [
        ("3", "ingredients", "unknown_ingredient"),
        ("4", "product_code", "duplicate"),
        ("5", "product_code", "invalid_format"),
    ]
    assert await loaded.fetchval("SELECT array_agg(product_code ORDER BY product_code) FROM product") == [
        "MED-1",
        "MED-3",
        "MED-4",
    ]
    assert "1 products with a substance that is in no table" in capsys.readouterr().out


async def test_more_rejects_than_allowed_activate_nothing(settings, loaded, tmp_path):
    file = catalogue(tmp_path / "some.csv", ("MED-1", "Warfarin", "warfarin"), ("MED-2", "X", "unobtainium"))

    assert await loading.load(wish(file), settings, KNOWLEDGE) == REFUSED

    assert await loaded.fetchval("SELECT count(*) FROM catalogue_release") == 0
    assert await loading.load(wish(file, force=True), settings, KNOWLEDGE) == DONE


async def test_a_release_that_lost_a_fifth_of_its_products_is_not_activated(settings, loaded, tmp_path):
    await loading.load(wish(), settings, KNOWLEDGE)
    file = catalogue(tmp_path / "few.csv", ("MED-1", "Warfarin", "warfarin"))

    assert await loading.load(wish(file, release="demo-2"), settings, KNOWLEDGE) == REFUSED

    async with transaction(loaded) as conn:
        assert (await store.find_active(conn)).release == "demo-1"


async def test_a_missing_column_and_a_dry_run_change_nothing(settings, loaded, tmp_path):
    (tmp_path / "bare.csv").write_text("product_code,name_en\nMED-1,Warfarin\n")

    assert await loading.load(wish(tmp_path / "bare.csv"), settings, KNOWLEDGE) == REFUSED
    assert await loading.load(wish(dry_run=True), settings, KNOWLEDGE) == REFUSED

    assert await loaded.fetchval("SELECT count(*) FROM catalogue_release") == 0


async def test_rollback_puts_in_use_what_was_in_use_before(settings, loaded, tmp_path):
    await loading.load(wish(), settings, KNOWLEDGE)
    more = tmp_path / "more.csv"
    more.write_text(DEMO.read_text(encoding="utf-8").replace("MED-042", "MED-999"), encoding="utf-8")
    await loading.load(wish(more, release="demo-2"), settings, KNOWLEDGE)

    assert await loading.rollback(settings, KNOWLEDGE) == DONE

    async with transaction(loaded) as conn:
        assert (await store.find_active(conn)).release == "demo-1"
    markers = [one for one in await told(loaded) if isinstance(one, CatalogueReleased)]
    assert [(one.release, one.sequence) for one in markers] == [(f"demo-1+{KNOWLEDGE.version}", 3)]


async def test_another_knowledge_base_is_told_once_and_the_catalogue_again(settings, loaded):
    await loading.load(wish(), settings, KNOWLEDGE)
    await main.begin(loaded, KNOWLEDGE)
    await told(loaded)
    newer = Knowledge(replace(TABLES, release="2027.1.1"))

    await main.begin(loaded, newer)
    await main.begin(loaded, newer)

    assert [one.message.knowledge_base_version for one in await said(loaded)] == ["2027.1.1"]
    assert kinds(await said(loaded)) == [KnowledgeBaseUpdated.__name__]
    payload = orjson.loads(await loaded.fetchval("SELECT payload FROM work WHERE kind = $1", work.ANNOUNCE))
    assert (payload["version"], payload["sequence"]) == ("2027.1.1", 2)


async def test_the_first_knowledge_base_makes_nothing_stale(loaded):
    await main.begin(loaded, KNOWLEDGE)

    assert await said(loaded) == []


async def test_an_activation_that_another_has_overtaken_is_told_no_further(settings, loaded, tmp_path):
    await loading.load(wish(), settings, KNOWLEDGE)
    again = tmp_path / "again.csv"
    again.write_text(DEMO.read_text(encoding="utf-8").replace("MED-042", "MED-998"), encoding="utf-8")
    await loading.load(wish(again, release="demo-2"), settings, KNOWLEDGE)

    heard = await told(loaded)

    assert {one.release for one in heard} == {f"demo-2+{KNOWLEDGE.version}"}


async def test_the_next_part_waits_until_the_last_one_is_published(settings, loaded, monkeypatch):
    monkeypatch.setattr(work, "PUBLISHED_SECONDS_MAX", 0.1)
    await loading.load(wish(), settings, KNOWLEDGE)
    last = messages.released("r", sequence=1, products=0, names=0, version="v", at=NOON)
    async with transaction(loaded) as conn:
        await outbox.send(conn, last)

    worker = Worker(work.works, loaded, work.Catalogue(loaded, KNOWLEDGE))
    worker.start()
    await until(lambda: loaded.fetchval("SELECT attempts > 0 AND leased_until IS NULL FROM work"), seconds=10)
    await worker.stop()

    assert [one.message for one in await said(loaded)] == [last]
