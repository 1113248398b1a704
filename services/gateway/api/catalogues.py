"""What a prescription is made of: diagnoses, medicines, and the products that a provider has registered."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from services.gateway.api.context import Body, Gateway, Parameters, Parts, require, respond
from services.gateway.api.described import operation
from services.gateway.api.routes import Direct
from services.gateway.auth.principal import Principal
from services.gateway.checks.fields import Checks, Form
from services.gateway.checks.query import Query
from services.gateway.messages import languages, products, search
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import Problem
from services.gateway.messages.moments import moment
from services.gateway.store import catalogue, diagnoses, providers, tenancy
from shared import clock
from shared.database import Connection

router = APIRouter(tags=["Catalogues"], route_class=Direct)

QUERY_LETTERS_MIN = 2
QUERY_LETTERS_MAX = 100
CODE_LETTERS_MAX = 64
NO_SUCH_PRODUCT = "Must be the code of a product in the catalogue."

AnyOf = ("ehr:read", "arc:read", "dispensing:read")
Reader = Annotated[Principal, Depends(require(*AnyOf))]
Registrar = Annotated[Principal, Depends(require("arc:write"))]

LISTED = ("query", "language", "page", "limit")


@router.get(
    "/medical-catalogs/v1/diagnoses",
    **operation("List diagnoses (ICD-10)", scopes=AnyOf, query=LISTED, errors=("validation_failed",)),
)
async def list_diagnoses(request: Request, caller: Reader, gateway: Parts, query: Parameters) -> Response:
    """Found by the start of the code, and of the words of names and synonyms in three languages."""
    text, language = _search(query)
    page = query.page()
    query.finish()
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        language = language or await _language(conn, caller)
        wanted = search.search(text) if text else None
        if text and wanted is None:
            return respond(request, Answer(200, page.envelope([], 0)))
        found, total = await diagnoses.search_diagnoses(conn, wanted, limit=page.limit, offset=page.offset)
    data = [products.diagnosis(one.code, one.named(language)) for one in found]
    return respond(request, Answer(200, page.envelope(data, total)))


@router.get(
    "/medical-catalogs/v1/medications",
    **operation("List medicines", scopes=AnyOf, query=LISTED, errors=("validation_failed",)),
)
async def list_medications(request: Request, caller: Reader, gateway: Parts, query: Parameters) -> Response:
    """Medicines of the global catalogue; registered or not."""
    return await _list(request, caller, gateway, query, kind="MEDICATION")


@router.get(
    "/arc/v1/products",
    **operation(
        "List products", scopes=AnyOf, query=("product_type", *LISTED), errors=("validation_failed",)
    ),
)
async def list_products(request: Request, caller: Reader, gateway: Parts, query: Parameters) -> Response:
    """Products of the global catalogue, of one type or of all."""
    return await _list(request, caller, gateway, query, kind=query.word("product_type", products.TYPES))


@router.get(
    "/arc/v1/providers/products",
    **operation(
        "List the provider's products",
        scopes=AnyOf,
        query=("product_type", *LISTED),
        errors=("validation_failed",),
    ),
)
async def list_provider_products(
    request: Request, caller: Reader, gateway: Parts, query: Parameters
) -> Response:
    """What the provider has registered, and may prescribe."""
    kind = query.word("product_type", products.TYPES)
    return await _list(request, caller, gateway, query, kind=kind, registered_only=True)


async def _list(
    request: Request,
    caller: Principal,
    gateway: Gateway,
    query: Query,
    *,
    kind: str | None,
    registered_only: bool = False,
) -> Response:
    text, language = _search(query)
    page = query.page()
    query.finish()
    wanted = search.search(text) if text else None
    if text and wanted is None:
        return respond(request, Answer(200, page.envelope([], 0)))
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        language = language or await _language(conn, caller)
        found, total = await catalogue.search_products(
            conn,
            caller.tenant_id,
            kind=kind,
            wanted=wanted,
            registered_only=registered_only,
            limit=page.limit,
            offset=page.offset,
        )
    data: list[dict[str, Any]] = []
    for one in found:
        shown = products.product(one.record, language)
        if registered_only and one.registered_at is not None:
            shown["registered_at"] = moment(one.registered_at)
        data.append(shown)
    return respond(request, Answer(200, page.envelope(data, total)))


def _search(query: Query) -> tuple[str | None, str | None]:
    text = query.text("query", least=QUERY_LETTERS_MIN, limit=QUERY_LETTERS_MAX)
    return text, query.word("language", languages.ALL)


async def _language(conn: Connection, caller: Principal) -> str:
    known = await providers.provider(conn, caller.tenant_id)
    return known.settings.language


@router.post(
    "/arc/v1/providers/products",
    **operation(
        "Register a product",
        scopes=("arc:write",),
        body={"product_code": {"type": "string", "maxLength": CODE_LETTERS_MAX}},
        required=("product_code",),
        status=201,
        errors=("validation_failed", "product_unknown"),
    ),
)
async def register_product(request: Request, caller: Registrar, body: Body, gateway: Parts) -> Response:
    """201 the first time, 200 with the same body ever after."""
    if (answer := await gateway.commands.earlier(request, caller, body)) is not None:
        return respond(request, answer)
    checks = Checks()
    form = Form(body, checks)
    code = form.text("product_code", limit=CODE_LETTERS_MAX, required=True)
    form.done()
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        if code and not await catalogue.products(conn, caller.tenant_id, [code]):
            checks.fail("product_code", "product_unknown", NO_SUCH_PRODUCT)
    checks.settle()

    async def register(conn: Connection, _request_id: object) -> Answer:
        registered_at, new = await catalogue.register(conn, caller.tenant_id, code or "", now=clock.now())
        shown = {"product_code": code, "registered_at": moment(registered_at)}
        return Answer(201 if new else 200, shown)

    return respond(request, await gateway.commands.at_once(request, caller, body, register))


@router.delete(
    "/arc/v1/providers/products/{product_code}",
    **operation("Remove a product", scopes=("arc:write",), status=204, errors=("resource_not_found",)),
)
async def delete_product(
    request: Request, product_code: str, caller: Registrar, body: Body, gateway: Parts
) -> Response:
    """204 also when it was not registered; prescriptions that name it stay as they are."""
    if (answer := await gateway.commands.earlier(request, caller, body)) is not None:
        return respond(request, answer)
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        if not await catalogue.products(conn, caller.tenant_id, [product_code]):
            raise Problem("resource_not_found")

    async def unregister(conn: Connection, _request_id: object) -> Answer:
        await catalogue.unregister(conn, caller.tenant_id, product_code)
        return Answer(204)

    return respond(request, await gateway.commands.at_once(request, caller, body, unregister))
