"""A write as it comes: its digest, its key, how long its client waits; and how endpoints are called."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, Request, Response
from starlette.requests import Request as HttpRequest

from services.gateway.api.app import ROUTERS
from services.gateway.api.routes import Direct
from services.gateway.checks import fields
from services.gateway.commands import asked
from services.gateway.commands.asked import Preference

BODY = b'{"amount": 1.50, "products": [{"id": "a", "quantity": 1}]}'


def digest(raw: bytes, path: str = "/a", query: bytes = b"", method: str = "POST") -> bytes:
    return asked.digest(method, path, query, fields.parse(raw))


@pytest.mark.parametrize(
    "same",
    [
        b'{"products":[{"quantity":1,"id":"a"}],"amount":1.50}',
        b'{"amount": 1.5, "products": [{"id": "\\u0061", "quantity": 1}]}',
        b'{"amount": 15e-1, "products": [{"id": "a", "quantity": 1}]}',
    ],
)
def test_the_same_content_has_the_same_digest_however_it_is_written(same):
    assert digest(same) == digest(BODY)


@pytest.mark.parametrize(
    "other",
    [
        b'{"amount": "1.50", "products": [{"id": "a", "quantity": 1}]}',
        b'{"amount": 1.51, "products": [{"id": "a", "quantity": 1}]}',
        b'{"amount": 1.50, "products": [{"id": "a", "quantity": 1}, {}]}',
        b'{"amount": 1.5000000000000000000000000000000000001, "products": [{"id": "a", "quantity": 1}]}',
        b'{"amount": {"": "1.5"}, "products": [{"id": "a", "quantity": 1}], "x": null}',
    ],
)
def test_other_content_has_another_digest(other):
    assert digest(other) != digest(BODY)


def test_method_path_and_query_belong_to_what_was_asked():
    digests = {
        digest(BODY),
        digest(BODY, path="/b"),
        digest(BODY, query=b"x=1"),
        digest(BODY, method="PUT"),
    }

    assert len(digests) == 4


def sent(*prefer: str) -> HttpRequest:
    headers = [(b"prefer", one.encode()) for one in prefer]
    return HttpRequest({"type": "http", "method": "POST", "path": "/", "headers": headers})


@pytest.mark.parametrize(
    ("prefer", "read"),
    [
        ((), Preference()),
        (("wait=5",), Preference(5.0, "wait=5")),
        (("Wait = 60",), Preference(60.0, "wait=60")),
        (("wait=61",), Preference()),
        (("wait=-1",), Preference()),
        (("wait=1.5",), Preference()),
        (("return=minimal, wait=7",), Preference(7.0, "wait=7")),
        (("wait=7", "respond-async"), Preference(0.0, "respond-async")),
        (("respond-async; x=1",), Preference(0.0, "respond-async")),
        (("wait=3, wait=9",), Preference(3.0, "wait=3")),
    ],
)
def test_a_client_says_how_long_it_waits(prefer, read):
    assert asked.preference(sent(*prefer)) == read


def test_every_route_calls_its_endpoint_directly():
    kinds = {type(route) for router in ROUTERS for route in router.routes}

    assert kinds == {Direct}


def in_a_thread() -> str:
    return "not a coroutine"


async def with_an_unknown_parameter(request: Request, limit: int) -> Response:
    return Response()


async def with_a_thread(request: Request, word: Annotated[str, Depends(in_a_thread)]) -> Response:
    return Response()


@pytest.mark.parametrize("endpoint", [with_an_unknown_parameter, with_a_thread])
def test_a_route_that_cannot_be_called_directly_is_refused_when_it_is_declared(endpoint: Any):
    router = APIRouter(route_class=Direct)

    with pytest.raises(TypeError):
        router.add_api_route("/{id}", endpoint)
