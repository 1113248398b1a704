"""The PDF of a prescription (delphos-dialect 11.2)."""

from __future__ import annotations

from typing import Final

from fastapi import Response

from contracts.values import Prescription
from services.gateway.api import making
from services.gateway.api.delphos import readers
from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.api.delphos.prescriptions import ONE
from services.gateway.auth.rights import READ
from services.gateway.checks.delphos.fields import NoQuery, Nothing
from services.gateway.commands import asked as asking
from services.gateway.commands.asked import Preference
from services.gateway.messages import commands
from services.gateway.messages.commands import Asking
from services.gateway.messages.delphos import prescriptions
from services.gateway.messages.delphos.words import tag
from services.gateway.messages.errors import Problem
from services.gateway.messages.requests import Asked, Request
from services.gateway.store import documents
from shared import ids

NOTED_SECONDS_MAX: Final = 1.0
"""A reader of the history finds the download there, unless writing it down takes longer than this."""

endpoints = Endpoints("History and PDF")


@endpoints.read(
    f"{ONE}/pdf",
    permission=READ,
    answer=None,
    produces=making.PDF,
    errors=("resource_not_found", "items_required", "pdf_not_ready"),
)
async def read_pdf(call: Call[NoQuery, Nothing]) -> Response:
    """Fetch the document: final from the signature on, marked as not valid before."""
    shown = await readers.find(call)
    if not shown.items:
        raise Problem("items_required")
    content = await making.made(
        call.gateway,
        call.asking(shown.prescription_id),
        shown,
        face=_face(shown),
        language=shown.patient.preferred_language or shown.provider.language,
        preference=asking.preference(call.request),
    )
    await _note(call, shown)
    name = prescriptions.code(shown) or str(shown.prescription_id)
    headers = {"Content-Disposition": f'attachment; filename="{name}.pdf"', "ETag": tag(shown.version)}
    return Response(content, 200, headers, making.PDF)


def _face(shown: Prescription) -> str:
    """Without a seal every page is marked, also behind the one that says it is cancelled (ruling 3.14)."""
    return documents.DRAFT if shown.seal is None else making.FACES[shown.status]


async def _note(call: Call[NoQuery, Nothing], shown: Prescription) -> None:
    """Have the download written down in the history."""
    asker = Asking(call.caller.caller(), ids.new(), shown.tenant_id, shown.prescription_id, call.now)
    noted = Asked(
        request_id=asker.request_id,
        tenant_id=shown.tenant_id,
        client="documents",
        method="GET",
        path=call.request.url.path,
        content_digest=asker.request_id.bytes,
        source="document",
    )
    command = commands.note_download(asker)
    context = {"base_url": call.gateway.settings.base_url}
    accepted = Request(noted, command.ce_type, call.now, shown.prescription_id, context)
    await call.gateway.commands.send(accepted, command, Preference(NOTED_SECONDS_MAX))
