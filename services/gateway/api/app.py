"""The gateway's HTTP surface: all routers, and the answers to what no router takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from services.gateway.api import (
    catalogues,
    delphos,
    described,
    dispensing,
    doctors,
    documents,
    error_catalogue,
    oauth,
    one_time_passwords,
    patients,
    prescriptions,
    requests,
)
from services.gateway.api.context import Gateway
from services.gateway.api.middleware import Answered
from services.gateway.api.routes import Asgi
from services.gateway.messages import dialects
from services.gateway.messages.errors import Problem
from shared import health
from shared.http import Traced

Opened = Callable[[], AbstractAsyncContextManager[Gateway]]

# Looked through in this order: what is asked most comes first.
ROUTERS: Final[tuple[APIRouter, ...]] = (
    prescriptions.router,
    patients.router,
    catalogues.router,
    documents.router,
    dispensing.router,
    one_time_passwords.router,
    requests.router,
    oauth.router,
    doctors.router,
    error_catalogue.router,
    described.router,
)


def create_app(opened: Opened, *, base_url: str) -> FastAPI:
    """The application; its parts live as long as it runs, from `opened`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened() as gateway:
            app.state.gateway = gateway
            for path, judge in health.routes(gateway.health):
                app.router.routes.insert(0, Route(path, Asgi(judge), include_in_schema=False))
            yield

    # Its own pages would describe both dialects at once, at the paths of the other.
    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.router.routes.extend(delphos.KEYED_ROUTES)
    for router in ROUTERS:
        # Flat: including a router looks every request up twice, and hides which methods a path takes.
        app.router.routes.extend(router.routes)
    app.router.routes.extend(delphos.ROUTES)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_middleware(Answered, base_url=base_url)
    app.add_middleware(Traced)
    return app


async def _not_routed(request: Request, error: Exception) -> Any:
    """No route takes this path, or none with this method."""
    assert isinstance(error, HTTPException)
    if error.status_code != 405:
        dialect = dialects.of_path(request.url.path, with_token="authorization" in request.headers)
        raise Problem(dialect.unknown_path)
    allowed = sorted(_methods(request) - {"HEAD", "OPTIONS"})
    raise Problem("method_not_allowed", headers={"Allow": ", ".join(allowed)})


def _methods(request: Request) -> set[str]:
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return found
