"""Every operation asks for one of its scopes, and for nothing else (osigu-dialect 1.3)."""

from __future__ import annotations

import asyncio

from tests.journey.osigu.conftest import SCOPES
from tests.problems import refusal, word

RX = "/ehr/v1/prescriptions"
DSP = "/dispensing/v1/dispensations"
EHR = {"ehr:read", "ehr:write"}
DISPENSING = {"dispensing:read", "dispensing:write"}
ANY = set(SCOPES)

OPERATIONS = {
    f"POST {RX}": {"ehr:write"},
    "POST /ehr/v1.1/prescriptions": {"ehr:write"},
    f"POST {RX}/rx_0/void": {"ehr:write"},
    f"POST {RX}/rx_0/resend": {"ehr:write"},
    f"GET {RX}": EHR,
    f"GET {RX}/rx_0": EHR,
    f"GET {RX}/rx_0/pdf": EHR,
    "POST /ehr/v1/patients": {"ehr:write"},
    "PUT /ehr/v1/patients/pat_0": {"ehr:write"},
    "GET /ehr/v1/patients?document_number=0": EHR,
    "GET /ehr/v1/patients/pat_0": EHR,
    "POST /ehr/v1/doctors": {"ehr:write"},
    "PUT /ehr/v1/doctors/doc_0": {"ehr:write"},
    "GET /ehr/v1/doctors": EHR,
    "GET /ehr/v1/doctors/doc_0": EHR,
    "GET /medical-catalogs/v1/diagnoses": ANY,
    "GET /medical-catalogs/v1/medications": ANY,
    "GET /arc/v1/products": ANY,
    "GET /arc/v1/providers/products": ANY,
    "POST /arc/v1/providers/products": {"arc:write"},
    "DELETE /arc/v1/providers/products/NONE-000": {"arc:write"},
    f"POST {DSP}": {"dispensing:write"},
    f"POST {DSP}/dsp_0/complete": {"dispensing:write"},
    f"PUT {DSP}/dsp_0": {"dispensing:write"},
    f"POST {DSP}/dsp_0/cancel": {"dispensing:write"},
    f"GET {DSP}/dsp_0": DISPENSING,
    f"GET {DSP}": DISPENSING,
    f"GET {DSP}/dsp_0/verification-status": DISPENSING,
    "GET /dispensing/v1/codes/RX-2026": DISPENSING,
    "GET /v1/requests?idempotency_key=none": ANY,
    "GET /v1/requests/req_0": ANY,
}


async def test_each_operation_is_for_whoever_has_one_of_its_scopes(clinics):
    clients = [await clinics(scope.replace(":", "-")) for scope in SCOPES]
    asked = [(operation, scope) for operation in OPERATIONS for scope in SCOPES]

    answers = await asyncio.gather(
        *(
            clients[SCOPES.index(scope)].call(*operation.split(" "), {} if operation[0] == "P" else None)
            for operation, scope in asked
        )
    )

    let_in: dict[str, set[str]] = {operation: set() for operation in OPERATIONS}
    for (operation, scope), answer in zip(asked, answers, strict=True):
        assert answer.status_code < 500, (operation, scope)
        if answer.status_code != 403:
            let_in[operation].add(scope)
            continue
        assert refusal(answer)["code"] == "insufficient_scope"
        needed = answer.headers["www-authenticate"].partition('scope="')[2].partition('"')[0]
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert set(needed.split()) <= OPERATIONS[operation]
        assert needed
    assert let_in == OPERATIONS


async def test_without_a_token_there_is_nothing_but_what_is_for_everybody(http):
    # Which dialect asks at `/v1/requests` is told by the credentials alone (ruling 3.12).
    ours = [operation for operation in OPERATIONS if " /v1/requests" not in operation]
    answers = [await http.request(*operation.split(" ")) for operation in ours]

    assert len(ours) < len(OPERATIONS)
    assert {word(answer) for answer in answers} == {"401 token_missing"}
    assert {answer.headers["www-authenticate"].split()[0] for answer in answers} == {"Bearer"}
    for path in ("/errors", "/errors/validation_failed", "/ehr/openapi.json", "/ehr/docs", "/health/live"):
        assert (await http.get(path)).status_code == 200, path


async def test_a_client_bound_to_a_doctor_does_not_write_doctors(clinic):
    answers = [
        await clinic.post("/ehr/v1/doctors", {}),
        await clinic.call("PUT", "/ehr/v1/doctors/doc_0", {}),
    ]

    for answer in answers:
        assert word(answer) == "403 insufficient_scope"
        assert "scope=" not in answer.headers.get("www-authenticate", "")
