"""The signing service on a real Postgres: one seal for one content, whoever asks how often."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from joserfc import jws as library
from joserfc.jwk import JWKRegistry
from joserfc.registry import HeaderParameter

from contracts.prescription_events import SealRequested
from contracts.signing_events import PrescriptionSealed, SealingRefused, SealKeyPublished
from contracts.values import (
    ActiveIngredient,
    Diagnosis,
    Doctor,
    Guardian,
    ItemOrder,
    Patient,
    Product,
    Provider,
)
from services.signing import handlers, operator, store
from services.signing.checks.bundle import FORMAT, Judgement, Verdict, judge
from services.signing.main import keys_published
from services.signing.signer.pkcs12 import Pkcs12Keys
from shared import clock
from shared.database import Pool
from shared.outbox import Outbox
from tests.infrastructure import Database
from tests.service.conftest import Deliver, kinds, open_pool_at, said

NOW = datetime(2026, 6, 25, 16, 0, 0, 250_000, tzinfo=UTC)
TENANT, OTHER = UUID(int=1), UUID(int=2)
ONE, TWO = UUID(int=11), UUID(int=12)
PROVIDER = Provider(
    provider_id=TENANT,
    provider_slug="clinica-norte",
    name="Clínica Norte",
    country="GT",
    time_zone="America/Guatemala",
)
PATIENT = Patient(
    patient_id=UUID(int=21),
    first_name="Ana",
    last_name="López",
    document_type="CC",
    document_number="1000000001",
    date_of_birth=date(1990, 4, 11),
)
DOCTOR = Doctor(
    doctor_id=UUID(int=31),
    given_names="Marta",
    first_surname="Ruiz",
    identity_document_type="DPI",
    identity_document_value="1000200030101",
    email_address="marta.ruiz@clinica-norte.example",
    country_code="GT",
    phone_area_code=502,
    phone_number="5555-0000",
    medical_license_number="MP-12345",
    medical_license_verification_institution_slug="gt-colmedegua",
)
PARACETAMOL = Product(
    product_code="MED-042",
    product_name="Paracetamol 500 mg tablets",
    active_ingredients=(ActiveIngredient(name="paracetamol", atc_code="N02BE01"),),
    strength="500 mg",
    presentation="tablet",
    dosage_unit="tablet",
    route="oral",
)
ITEM = ItemOrder(
    item_id=UUID(int=41),
    product=PARACETAMOL,
    medication_name="Paracetamol 500 mg tablets",
    quantity=30,
    posology="1 tablet every 8h",
    duration_days=10,
)


def seal_requested(prescription: UUID = ONE, *, tenant: UUID = TENANT, **changes: Any) -> SealRequested:
    asked: dict[str, Any] = {
        "tenant_id": tenant,
        "prescription_id": prescription,
        "prescription_code": "RX-2026-9182407133560285",
        "provider": PROVIDER,
        "patient": PATIENT,
        "doctor": DOCTOR,
        "items": (ITEM,),
        "diagnoses": (Diagnosis(diagnosis_code="R51", description="Headache"),),
        "issued_at": NOW,
        "valid_until": NOW + timedelta(days=30),
    }
    return SealRequested(**{**asked, **changes})


@dataclass
class Service:
    pool: Pool
    deliver: Deliver
    keys: Path
    url: str

    async def told(self) -> list[Any]:
        return [one.message for one in await said(self.pool)]

    async def seals(self) -> list[PrescriptionSealed]:
        return [one for one in await self.told() if isinstance(one, PrescriptionSealed)]

    async def disclosed(self, prescription: UUID = ONE, tenant: UUID = TENANT) -> dict[str, Any]:
        async with self.pool.acquire() as conn:
            _, disclosures = await store.newest(conn, tenant, prescription)
        return {one["name"]: one["data"] for one in json.loads(disclosures)}

    async def judged(self, prescription: UUID = ONE) -> Judgement:
        async with self.pool.acquire() as conn:
            seal, disclosures = await store.newest(conn, TENANT, prescription)
        file = {"format": FORMAT, "seal": seal.jws.as_json(), "disclosures": json.loads(disclosures)}
        anchors = x509.load_pem_x509_certificates(
            (self.keys / "anchors" / "installation-ca.pem").read_bytes()
        )
        return judge(json.dumps(file).encode(), anchors, clock.now())


@pytest.fixture(autouse=True)
def _the_clock_is_its_own() -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
async def service(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Service]:
    handlers.use(Pkcs12Keys.opened(tmp_path, b"tests", environment="development", clock=clock.now))
    made = await database("signing")
    pool = await open_pool_at(made.url)
    yield Service(pool, Deliver(handlers.handlers, pool), tmp_path, made.url)
    await pool.close()


async def test_a_prescription_is_sealed_and_its_provider_s_key_published(service: Service) -> None:
    await service.deliver(seal_requested())

    assert kinds(await said(service.pool)) == ["SealKeyPublished", "PrescriptionSealed"]
    key, sealed = await service.told()
    assert (sealed.prescription_id, sealed.signature_version) == (ONE, 1)
    assert (sealed.seal.profile, sealed.seal.algorithm, sealed.seal.key_id) == (
        "rx-sign/1",
        "ES256",
        key.key_id,
    )
    assert (key.tenant_id, key.key) == (TENANT, str(TENANT))
    assert (await service.judged()).verdict is Verdict.PASSED


async def test_the_published_key_verifies_the_seal_in_a_library_that_is_not_ours(service: Service) -> None:
    await service.deliver(seal_requested())

    key, sealed = await service.told()
    registry = library.JWSRegistry(
        {"iat": HeaderParameter("when", "int"), "x5t#S256": HeaderParameter("key", "str")},
        algorithms=["ES256"],
    )
    registry.max_header_length = 16_384
    read = library.deserialize_compact(
        sealed.seal.compact, JWKRegistry.import_key(dict(key.jwk)), registry=registry
    )
    assert json.loads(read.payload)["prescription_id"] == str(ONE)
    assert read.headers()["x5t#S256"] == key.jwk["x5t#S256"]


async def test_what_was_prescribed_stands_in_its_groups(service: Service) -> None:
    await service.deliver(seal_requested(issued_at=datetime(2026, 6, 26, 3, 0, 0, 999_999, tzinfo=UTC)))

    groups = await service.disclosed()
    document, item = groups["document"], groups["item/1"]
    assert list(groups) == ["document", "patient", "prescriber", "item/1", "diagnosis"]
    assert (document["issued_at"], document["prescription_date"]) == ("2026-06-26T03:00:00Z", "2026-06-25")
    assert document["national_repository_id"] is None
    assert (groups["patient"]["given_names"], groups["patient"]["id_type"]) == ("Ana", "CC")
    assert (groups["prescriber"]["phone"], groups["prescriber"]["licensing_body"]) == (
        "+50255550000",
        "gt-colmedegua",
    )
    assert (item["units"], item["unit"], item["active_ingredients"]) == ("30", "tablet", ["paracetamol"])
    assert (item["posology"], item["treatment_days"], item["substitution_allowed"]) == (
        "1 tablet every 8h",
        10,
        True,
    )
    assert groups["diagnosis"]["entries"] == [{"system": "ICD-10", "code": "R51", "text": "Headache"}]


async def test_asked_again_in_any_way_there_is_one_seal_and_it_is_told_again(service: Service) -> None:
    await service.deliver(seal_requested(), seal_requested())
    clock.shift(timedelta(hours=1))
    await service.deliver(seal_requested())

    first, *others = await service.seals()
    assert others == [first, first]
    assert await service.pool.fetchval("SELECT count(*) FROM seal") == 1
    assert kinds(await said(service.pool)).count("SealKeyPublished") == 1


async def test_asked_at_once_by_two_processes_there_is_one_seal(service: Service) -> None:
    two = Deliver(handlers.handlers, service.pool)

    await asyncio.gather(service.deliver(seal_requested()), two(seal_requested()))

    first, second = await service.seals()
    assert first == second
    assert kinds(await said(service.pool)).count("SealKeyPublished") == 1


async def test_other_content_gets_a_seal_of_its_own_and_the_first_one_stays(service: Service) -> None:
    await service.deliver(seal_requested())
    await service.deliver(seal_requested(items=(ITEM.model_copy(update={"quantity": 31}),)))

    first, second = await service.seals()
    assert first.seal.payload != second.seal.payload
    assert await service.pool.fetchval("SELECT count(*) FROM seal") == 2


async def test_the_same_content_twice_has_no_digest_in_common(service: Service) -> None:
    await service.deliver(seal_requested(ONE), seal_requested(TWO))

    rows = await service.pool.fetch("SELECT disclosures FROM seal")
    salts = [one["salt"] for row in rows for one in json.loads(row["disclosures"])]
    assert len(set(salts)) == 2 * 5


async def test_each_provider_seals_with_its_own_key(service: Service) -> None:
    await service.deliver(seal_requested(ONE), seal_requested(TWO, tenant=OTHER))

    published = [one for one in await service.told() if isinstance(one, SealKeyPublished)]
    assert [(one.tenant_id, one.key_id) for one in published] == [
        (seal.tenant_id, seal.seal.key_id) for seal in await service.seals()
    ]
    assert len({one.key_id for one in published}) == 2


LONGEST = ItemOrder(
    item_id=UUID(int=42),
    medication_name="😀" * 500,
    quantity=1_000_000,
    unit="u" * 100,
    dosage="d" * 200,
    route="r" * 100,
    frequency="f" * 200,
    duration="y" * 200,
    instructions="Tomar\ncom\tágua\r\n" + "😀" * 3_980,
    clinical_notes="never sealed",
)


@pytest.mark.parametrize(
    "changes",
    [
        {"items": tuple(LONGEST.model_copy(update={"item_id": UUID(int=n)}) for n in range(100, 130))},
        {
            "items": (ItemOrder(item_id=ONE, medication_name="x", active_ingredient="nobody knows"),),
            "diagnoses": (),
        },
        {"patient": Patient(patient_id=ONE, first_name="N" * 500)},
        {
            "patient": Patient(
                patient_id=ONE,
                first_name="Íñigo",
                guardian=Guardian(first_name="Zoë", document_type="OTHER", document_number="AB/12 — Ж"),
            )
        },
        {
            "patient": PATIENT.model_copy(
                update={"document_type": "NATIONAL_IDENTITY_CARD", "document_number": "9" * 64}
            )
        },
        {
            "doctor": Doctor(
                doctor_id=ONE, given_names="João " * 100, medical_license_number="CRM-SP 123.456/9 ª"
            )
        },
        {"doctor": DOCTOR.model_copy(update={"phone_area_code": 999, "phone_number": "5" * 32})},
        {
            "doctor": DOCTOR.model_copy(
                update={"phone_number": " - ", "postal_code": "SW1A 1AA", "country_code": None}
            )
        },
        {"diagnoses": tuple(Diagnosis(diagnosis_code="A00", description="a" * 300) for _ in range(20))},
        {"provider": PROVIDER.model_copy(update={"time_zone": "Nowhere/Else"})},
        {"items": (LONGEST.model_copy(update={"duration_days": 9999 * 30, "ingredients": ("i",) * 100}),)},
        {
            "items": (ItemOrder(item_id=ONE, medication_name="x", instructions=" "),),
            "doctor": Doctor(doctor_id=ONE, given_names="J"),
            "provider": PROVIDER.model_copy(update={"country": "BR"}),
            "patient": Patient(patient_id=ONE, first_name=""),
        },
        {"patient_data_consent": False},
        {
            "items": (
                ITEM.model_copy(update={"dose_amount": "000.2500", "dose_unit": "tablet", "frequency": "a"}),
            )
        },
    ],
    ids=[
        "thirty of the longest items",
        "an item that no catalogue knows",
        "a name in one piece",
        "a minor with a guardian",
        "the longest document",
        "a licence with signs",
        "the longest telephone number",
        "a telephone number without digits",
        "twenty diagnoses",
        "an unknown time zone",
        "a treatment longer than a life, of a hundred ingredients",
        "an item that says nothing but its name, for a patient without one",
        "consent refused",
        "a dose in parts",
    ],
)
async def test_whatever_the_dialects_accept_can_be_sealed_and_verified(
    service: Service, changes: dict[str, Any]
) -> None:
    await service.deliver(seal_requested(**changes))

    assert kinds(await said(service.pool)) == ["SealKeyPublished", "PrescriptionSealed"]
    assert (await service.judged()).verdict is Verdict.PASSED


async def test_the_instruction_in_parts_is_sealed_as_one_line_and_notes_never(service: Service) -> None:
    item = LONGEST.model_copy(update={"instructions": "Tomar\ncom\tágua", "frequency": "8/8h"})

    await service.deliver(seal_requested(items=(item,)))

    sealed = (await service.disclosed())["item/1"]
    assert sealed["posology"] == f"{'d' * 200}, {'r' * 100}, 8/8h, {'y' * 200}, Tomar com água"
    assert sealed["active_ingredients"] is None
    assert "never sealed" not in json.dumps(sealed)


async def test_an_item_in_parts_is_sealed_by_its_own_name_and_the_ingredients_it_was_checked_by(
    service: Service,
) -> None:
    linked = LONGEST.model_copy(
        update={"medication_name": "Marevan", "product": PARACETAMOL, "ingredients": ("warfarin",)}
    )
    unmatched = LONGEST.model_copy(
        update={"item_id": UUID(int=43), "medication_name": "Xarope da vovó", "quantity": None, "unit": None}
    )

    await service.deliver(seal_requested(items=(linked, unmatched)))

    groups = await service.disclosed()
    assert (groups["item/1"]["description"], groups["item/1"]["active_ingredients"]) == (
        "Marevan",
        ["warfarin"],
    )
    assert (groups["item/1"]["strength"], groups["item/1"]["units"]) == ("500 mg", "1000000")
    second = groups["item/2"]
    assert (second["description"], second["active_ingredients"], second["units"], second["unit"]) == (
        "Xarope da vovó",
        None,
        None,
        None,
    )


async def test_content_with_a_control_character_is_refused_with_its_place_and_without_its_words(
    service: Service,
) -> None:
    await service.deliver(
        seal_requested(items=(ITEM.model_copy(update={"posology": "1 tablet\u202e every 8h"}),)),
        seal_requested(TWO),
    )

    refused = [one for one in await service.told() if isinstance(one, SealingRefused)]
    assert [(one.prescription_id, one.code, one.details) for one in refused] == [
        (ONE, "content_not_sealable", (("item/1.posology", "a control or format character"),))
    ]
    assert "tablet" not in refused[0].message
    assert [one.prescription_id for one in await service.seals()] == [TWO]


async def test_a_profile_that_is_not_served_is_refused(service: Service) -> None:
    await service.deliver(seal_requested(profile="es-rx-hash/1"))

    (refused,) = await service.told()
    assert (type(refused), refused.code) == (SealingRefused, "profile_not_served")


async def test_at_every_start_all_keys_are_published_again(service: Service) -> None:
    await service.deliver(seal_requested(ONE), seal_requested(TWO, tenant=OTHER))
    made = [one for one in await service.told() if isinstance(one, SealKeyPublished)]
    await service.pool.execute("DELETE FROM outbox")

    async with keys_published(service.pool):
        again = await service.told()

    assert sorted(again, key=lambda one: one.key_id) == sorted(made, key=lambda one: one.key_id)


async def test_a_seal_and_its_key_come_and_go_together(service: Service) -> None:
    async with service.pool.acquire() as conn:
        undone = conn.transaction()
        await undone.start()
        asked = seal_requested()
        await handlers.hold(conn, [asked])
        await handlers.on_seal_requested(asked, conn, Outbox())
        await undone.rollback()
    assert await service.pool.fetchval("SELECT count(*) FROM seal_key") == 0

    await service.deliver(seal_requested())

    assert kinds(await said(service.pool)) == ["SealKeyPublished", "PrescriptionSealed"]


async def test_one_provider_s_damaged_key_holds_up_no_other_provider(service: Service) -> None:
    (service.keys / f"seal-{OTHER}.p12").write_bytes(b"damaged")
    (service.keys / f"seal-{OTHER}.p12").chmod(0o600)

    await service.deliver(seal_requested(TWO, tenant=OTHER), seal_requested(ONE))

    assert [one.prescription_id for one in await service.seals()] == [ONE]
    assert service.deliver.waits == {}


async def test_while_the_keys_cannot_be_read_the_partition_waits(service: Service) -> None:
    nowhere = service.keys / "seal"
    nowhere.write_text("a file where a directory should be")
    handlers.use(Pkcs12Keys(nowhere, b"tests", clock.now))

    await service.deliver(seal_requested())

    assert await said(service.pool) == []
    assert list(service.deliver.waits) == [("prescription-events-v1", 0)]


async def test_an_exported_seal_verifies_at_a_terminal(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await service.deliver(seal_requested())
    for name, value in {
        "DATABASE_URL": service.url,
        "KAFKA_BOOTSTRAP": "unused:9092",
        "KEY_DIR": str(service.keys),
        "KEY_PASSWORD": "tests",
    }.items():
        monkeypatch.setenv(f"SIGNING_{name}", value)

    exported = await asyncio.to_thread(operator.export, [str(TENANT), str(ONE)])
    file = service.keys / "bundle.json"
    file.write_text(capsys.readouterr().out)

    assert exported == 0
    assert operator.verify([str(file), "--anchors", str(service.keys / "anchors")]) == 0
    assert await asyncio.to_thread(operator.export, [str(OTHER), str(ONE)]) == 3
