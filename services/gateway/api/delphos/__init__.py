"""The DELPHOS dialect: its endpoints, part by part."""

from __future__ import annotations

from typing import Final

from starlette.routing import Route

from services.gateway.api.delphos import (
    consultations,
    described,
    doctors,
    documents,
    health,
    history,
    items,
    medications,
    patients,
    prescription_list,
    prescriptions,
    requests,
    safety,
    status,
    templates,
)
from services.gateway.api.delphos.endpoint import Endpoints, Operation

PARTS: Final[tuple[Endpoints, ...]] = (
    prescriptions.endpoints,
    prescription_list.endpoints,
    items.endpoints,
    status.endpoints,
    safety.endpoints,
    history.endpoints,
    consultations.endpoints,
    templates.endpoints,
    medications.endpoints,
    patients.endpoints,
    doctors.endpoints,
    documents.endpoints,
    requests.endpoints,
    health.endpoints,
)

OPERATIONS: Final[tuple[Operation, ...]] = tuple(one for part in PARTS for one in part.operations)

ROUTES: Final[tuple[Route, ...]] = (
    *(route for part in PARTS if part is not requests.endpoints for route in part.routes),
    *described.routes(OPERATIONS),
)

KEYED_ROUTES: Final[tuple[Route, ...]] = tuple(requests.routes)
"""Routes of paths that are the other dialect's too, where a token comes with the call."""
