"""A gateway on a real Postgres without a broker: its application, asked over ASGI; invented providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid5

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from contracts.drug_catalog import CatalogueName, CatalogueProduct, CatalogueReleased
from contracts.values import ActiveIngredient, Doctor, Product
from services.gateway.api.app import create_app
from services.gateway.api.context import Gateway
from services.gateway.auth import rights
from services.gateway.auth.api_keys import KeyDoor
from services.gateway.auth.door import Door
from services.gateway.auth.grants import Grants
from services.gateway.commands import Commands
from services.gateway.handlers import handlers
from services.gateway.operator import provisioning
from services.gateway.operator.provisioning import CLINIC_SCOPES, PHARMACY_SCOPES, Limits
from services.gateway.settings import Settings
from services.gateway.store import data_keys
from services.gateway.store.issue import LookUps
from shared import clock, database
from shared.database import Pool
from tests.infrastructure import Database
from tests.service.conftest import Deliver

BASE_URL = "http://rx.test"
SECRET_KEY = "a secret key of the tests, long enough"
DATA_KEY = "a-data-key-of-the-tests-long-enough-too"
NAMES = UUID("6f7a3a0e-4c52-4ea6-8f7e-0d6a7cf0a001")
RELEASE = "test-1"

NORTE = "clinica-norte"
SUL = "clinica-sul"
SOL = "farmacia-sol"
DOCTOR_CLIENT = "norte-doctor"
CLINIC_CLIENT = "norte-clinic"
OTHER_CLIENT = "sul-clinic"
PHARMACY_CLIENT = "sol"
KEY = "norte-key"
READING_KEY = "norte-reader"
WRITING_KEY = "norte-writer"
OTHER_KEY = "sul-key"

ANA = {
    "first_name": "Ana",
    "last_name": "López",
    "document_type": "CC",
    "document_number": "1000000001",
    "date_of_birth": "1990-04-11",
    "email_address": "ana@example.org",
}
MARTA = Doctor(
    doctor_id=UUID("018f0000-0000-7000-8000-000000000001"),
    given_names="Marta",
    first_surname="Ruiz",
    second_surname="Soler",
    identity_document_type="DPI",
    identity_document_value="1000200030101",
    email_address="marta.ruiz@clinica-norte.example",
    country_code="GT",
    medical_license_number="12345",
    medical_license_verification_institution_slug="gt-colmedegua",
    medical_board_registration="MP-12345",
    main_specialty_name="Medicina general",
)


def settings(url: str) -> Settings:
    return Settings(
        database_url=url,
        kafka_bootstrap="127.0.0.1:1",
        instance="gateway-0",
        base_url=BASE_URL,
        secret_key=SecretStr(SECRET_KEY),
        data_key=SecretStr(DATA_KEY),
    )


class Well:
    """A service that lacks nothing."""

    def stuck(self) -> Sequence[str]:
        return ()

    async def lacking(self) -> Sequence[str]:
        return ()


@dataclass
class Serving:
    """The application and what stands behind it."""

    http: httpx.AsyncClient
    owner: Pool
    pool: Pool
    settings: Settings
    deliver: Deliver
    gateway: Gateway
    look_ups: Pool
    app: FastAPI
    tenants: dict[str, UUID] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    async def token(self, client: str, **parameters: str) -> httpx.Response:
        form = {"grant_type": "client_credentials"} | parameters
        return await self.http.post("/v1/oauth/token", data=form, auth=(client, self.secrets[client]))

    async def ask(self, client: str, method: str, path: str, **request: object) -> httpx.Response:
        """As a client with a token of its own."""
        if client not in self.tokens:
            self.tokens[client] = (await self.token(client)).json()["access_token"]
        headers = {"Authorization": f"Bearer {self.tokens[client]}", **request.pop("headers", {})}  # type: ignore[dict-item]
        return await self.http.request(method, path, headers=headers, **request)  # type: ignore[arg-type]

    async def get(self, client: str, path: str, **parameters: str | int) -> httpx.Response:
        return await self.ask(client, "GET", path, params=parameters or None)

    async def post(self, client: str, path: str, body: object, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return await self.ask(client, "POST", path, json=body, headers=headers)

    async def call(self, key: str | None, method: str, path: str, **request: object) -> httpx.Response:
        """As the holder of an API key, in the second dialect; a body is `json` or `content`."""
        headers = dict(request.pop("headers", {}))  # type: ignore[call-overload]
        if key is not None:
            headers["x-api-key"] = self.keys.get(key, key)
        return await self.http.request(method, path, headers=headers, **request)  # type: ignore[arg-type]


@asynccontextmanager
async def serving(
    made: Database, *, limits: Limits | None = None, calls: Mapping[str, int] | None = None
) -> AsyncIterator[Serving]:
    """A gateway with two clinics and a pharmacy, but without a catalogue."""
    chosen = settings(made.url)
    owner = await database.open_pool(made.url, role=chosen.database_role, max_size=4)
    pool = await database.open_pool(made.url, max_size=4)
    look_ups = await database.open_pool(made.url, max_size=1, planned_once=True)
    async with database.transaction(owner) as conn:
        await data_keys.read(conn, DATA_KEY, now=clock.now())
    async with Commands(pool=pool, owner=owner, settings=chosen) as commands:
        door = Door(owner, chosen)
        gateway = Gateway(
            settings=chosen,
            pool=pool,
            look_ups=LookUps(look_ups),
            owner=owner,
            door=door,
            grants=Grants(owner, door, chosen),
            commands=commands,
            health=Well(),
            key_door=KeyDoor(owner, chosen),
        )

        @asynccontextmanager
        async def opened() -> AsyncIterator[Gateway]:
            yield gateway

        app = create_app(opened, base_url=BASE_URL)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=BASE_URL) as http,
        ):
            made_here = Serving(http, owner, pool, chosen, Deliver(handlers, owner), gateway, look_ups, app)
            await provide(made_here, limits or Limits(), calls or CALLS)
            yield made_here
    for opened_here in (look_ups, pool, owner):
        await opened_here.close()


async def provide(on: Serving, limits: Limits, calls: Mapping[str, int]) -> None:
    """The providers and clients that the tests know, by an operator's commands."""
    async with database.transaction(on.owner) as conn:
        for slug in (NORTE, SUL, SOL):
            on.tenants[slug] = await provisioning.create_tenant(conn, slug, slug.title())
        doctor_id = await provisioning.save_doctor(conn, on.tenants[NORTE], MARTA)
        for client, slug, scopes, doctor in (
            (DOCTOR_CLIENT, NORTE, CLINIC_SCOPES, doctor_id),
            (CLINIC_CLIENT, NORTE, CLINIC_SCOPES, None),
            (OTHER_CLIENT, SUL, CLINIC_SCOPES, None),
            (PHARMACY_CLIENT, SOL, PHARMACY_SCOPES, None),
        ):
            secret = await provisioning.save_client(
                conn, on.tenants[slug], client, scopes=scopes, doctor_id=doctor, limits=limits
            )
            assert secret is not None
            on.secrets[client] = secret
        for name, slug, permissions in (
            (KEY, NORTE, rights.PERMISSIONS),
            (READING_KEY, NORTE, ("prescriptions:read",)),
            (WRITING_KEY, NORTE, ("prescriptions:write",)),
            (OTHER_KEY, SUL, rights.PERMISSIONS),
        ):
            on.keys[name] = key = provisioning.new_key(on.settings.environment)
            await provisioning.save_key(conn, on.tenants[slug], name, key, permissions=permissions)
        for slug in (NORTE, SUL):
            for window in ("minute", "hour", "day"):
                await provisioning.set_setting(
                    conn, on.tenants[slug], f"requests_per_{window}", str(calls[window])
                )


CALLS = {"minute": 1_000_000, "hour": 10_000_000, "day": 100_000_000}
"""How often the API keys of a test's tenants may be used."""


def product(code: str, english: str, spanish: str, portuguese: str, *ingredients: str) -> CatalogueProduct:
    return CatalogueProduct(
        release=RELEASE,
        medication_id=uuid5(NAMES, code),
        catalogue="test",
        product=Product(
            product_code=code,
            product_name=english,
            names={"en": english, "es": spanish, "pt": portuguese},
            product_type="MEDICATION" if code.startswith("MED") else "LAB",
            active_ingredients=tuple(ActiveIngredient(ingredient=one, name=one) for one in ingredients),
            strength="500 mg",
            presentation="tablet",
            dosage_unit="tablet",
            route="oral",
        ),
    )


def name(ingredient: str, text: str, release: str = RELEASE) -> CatalogueName:
    return CatalogueName(
        release=release,
        ingredient=ingredient,
        name=text,
        folded=text.casefold(),
        kind="synonym",
        display_name=text.upper(),
    )


PARACETAMOL = product(
    *("MED-042", "Paracetamol 500 mg tablets", "Paracetamol 500 mg comprimidos"),
    *("Paracetamol 500 mg comprimidos", "paracetamol"),
)
WARFARIN = product(
    *("MED-107", "Warfarin 5 mg tablets", "Warfarina 5 mg comprimidos"),
    *("Varfarina 5 mg comprimidos", "warfarin"),
)
BLOOD_COUNT = product("LAB-HEMO", "Full blood count", "Hemograma", "Hemograma completo")
PRODUCTS = (PARACETAMOL, WARFARIN, BLOOD_COUNT)
NAMED = (name("paracetamol", "acetaminophen"), name("warfarin", "Coumadin"))


def released(
    sequence: int = 1, *, release: str = RELEASE, products: int = len(PRODUCTS), names: int = len(NAMED)
) -> CatalogueReleased:
    return CatalogueReleased(
        release=release,
        sequence=sequence,
        products=products,
        names=names,
        knowledge_base_version="kb-1",
        released_at=clock.now(),
    )
