"""Operations of the dialect that are not served yet, on paths that are: they answer as unknown ones do."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from services.gateway.api.routes import Direct
from services.gateway.messages.errors import Problem

router = APIRouter(route_class=Direct)

# Their paths are served with another method, which would make them 405.
NOT_YET: Final = (
    ("PUT", "/ehr/v1/patients/{patient_id}"),
    ("POST", "/ehr/v1/doctors"),
    ("PUT", "/ehr/v1/doctors/{doctor_id}"),
)


async def not_offered(request: Request) -> Response:
    raise Problem("operation_not_offered")


for method, path in NOT_YET:
    router.add_api_route(path, not_offered, methods=[method], include_in_schema=False)
