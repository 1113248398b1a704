"""A practice's own system: it speaks the second dialect, and checks what always holds of an answer."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.clients import Pharmacy
from tests.infrastructure import until

ABSENT: Any = object()
NAMED = re.compile(r"/prescriptions/([0-9a-fA-F-]{36})")
_numbers = itertools.count(1)
FORWARD = ("pending_review", "validated", "signed", "submitted", "dispensed")
REASONS = {"reason": "Seen together with the patient."}


def drug(name: str, **changes: Any) -> dict[str, Any]:
    """An item whose required members are there."""
    known = {
        "medication_name": name,
        "dosage": "50mg",
        "route": "oral",
        "frequency": "24/24h",
        "quantity": 30,
    }
    return known | changes


AMOXICILLIN = drug("Amoxicilina", dosage="500mg", frequency="8/8h", quantity=21)
WARFARIN, ASPIRIN = drug("Varfarina", dosage="5mg"), drug("Aspirina", dosage="100mg")
LOSARTAN = drug("Losartana")
SILDENAFIL, NITRATE = drug("Sildenafila"), drug("Mononitrato de isosorbida", dosage="20mg")


def soon(days: float = 30) -> str:
    moment = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    return moment.isoformat().replace("+00:00", "Z")


def word(answer: httpx.Response) -> str:
    """Status and code of an answer: `409 invalid_transition`, `422 missing body.status`, `200`."""
    if answer.status_code < 400:
        return str(answer.status_code)
    body = refusal(answer)
    if answer.status_code != 422:
        return f"{answer.status_code} {body['error']}"
    return "422 " + ", ".join(f"{one['type']} {'.'.join(map(str, one['loc']))}" for one in body["detail"])


def refusal(answer: httpx.Response) -> dict[str, Any]:
    """The body of a refusal, seen to be as section 14 has it."""
    body = answer.json()
    assert answer.headers["content-type"].split(";")[0] == "application/json", answer.headers
    if body["error"] == "unacknowledged_interactions":
        assert set(body) == {"error", "prescription_id", "interaction_count", "interactions", "message"}
        return dict(body)
    assert isinstance(body["retryable"], bool)
    assert UUID(answer.headers["x-request-id"])
    assert answer.headers["cache-control"] == "no-store"
    if answer.status_code == 422:
        assert body["error"] == "validation_failed"
        assert all(set(one) == {"loc", "msg", "type"} for one in body["detail"]), body
    else:
        assert isinstance(body["detail"], str), body
    return dict(body)


@dataclass
class Desk:
    """One API key of one practice, with the doctor who prescribes there."""

    http: httpx.AsyncClient
    doctor: str
    seen: set[str] = field(default_factory=set)
    """The prescriptions that it has asked about."""

    async def call(self, method: str, path: str, body: Any = ABSENT, **headers: str) -> httpx.Response:
        """One request; header names are written with underscores; a body of bytes is sent as it is."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        more: dict[str, Any] = {}
        if isinstance(body, bytes):
            sent.setdefault("content-type", "application/json")
            more = {"content": body}
        elif body is not ABSENT:
            more = {"json": body}
        answer = await self.http.request(method, f"/v1{path}", headers=sent, **more)
        if answer.is_success and (named := NAMED.match(path)) is not None:
            self.seen.add(named[1].lower())
        return answer

    async def ok(self, method: str, path: str, body: Any = ABSENT, **headers: str) -> dict[str, Any]:
        answer = await self.call(method, path, body, **headers)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    async def patient(self, **changes: Any) -> str:
        """A new patient, invented and unlike any other."""
        id = str(uuid4())
        body = {"birth_date": "1984-05-06", "gender": "female", "full_name": "Maria Souza"} | changes
        await self.ok("PUT", f"/patients/{id}", body)
        return id

    async def a_doctor(self, **changes: Any) -> str:
        id = str(uuid4())
        await self.ok("PUT", f"/doctors/{id}", doctor_body(**changes))
        return id

    async def draft(self, *items: dict[str, Any], **changes: Any) -> str:
        """The id of a new draft, for a new patient unless one is named."""
        patient = changes.pop("patient_id", None) or await self.patient()
        body = {"patient_id": patient, "doctor_id": self.doctor} | changes
        id: str = (await self.ok("POST", "/prescriptions", body))["prescription"]["id"]
        for item in items:
            await self.ok("POST", f"/prescriptions/{id}/items", item)
        return id

    async def read(self, id: str) -> dict[str, Any]:
        return await self.ok("GET", f"/prescriptions/{id}")

    async def step(self, id: str, status: str, **more: Any) -> httpx.Response:
        known = {
            "validated": {"valid_until": soon()},
            "signed": {"signed_by": self.doctor},
            "cancelled": {"reason": "Wrong patient."},
        }
        body = {"status": status} | known.get(status, {}) | more
        return await self.call("PATCH", f"/prescriptions/{id}/status", body)

    async def up_to(self, status: str, *items: dict[str, Any], **changes: Any) -> str:
        """A prescription brought to a status by the steps of the chain."""
        id = await self.draft(*(items or (AMOXICILLIN,)), **changes)
        for one in FORWARD[: FORWARD.index(status) + 1] if status in FORWARD else ():
            answer = await self.step(id, one)
            assert answer.status_code == 200, answer.text
        if status == "cancelled":
            assert (await self.step(id, status)).status_code == 200
        return id

    async def checked(self, id: str) -> dict[str, Any]:
        """The result of a check made now."""
        return await self.ok("POST", f"/prescriptions/{id}/safety-check")

    async def settled(self, id: str) -> dict[str, Any]:
        """As it reads once the check that the platform makes by itself has come."""
        found: dict[str, Any] = {}

        async def current() -> bool:
            found.update(await self.read(id))
            return found["safety_check"]["status"] == "current"

        await until(current, 20)
        return found

    async def acknowledge(self, id: str, finding: str = "", **changes: Any) -> httpx.Response:
        body = {"acknowledged_by": self.doctor} | REASONS | changes
        which = f"{finding}/acknowledge" if finding else "acknowledge-all"
        return await self.call("POST", f"/prescriptions/{id}/interactions/{which}", body)

    async def history(self, id: str) -> list[dict[str, Any]]:
        return list((await self.ok("GET", f"/prescriptions/{id}/history?limit=100"))["history"])

    async def consultation(self, *entities: dict[str, Any], **changes: Any) -> tuple[str, str]:
        """A consultation that is over: its id and its patient's."""
        id, patient = str(uuid4()), changes.pop("patient_id", None) or await self.patient()
        body = consultation_body(patient, self.doctor, *entities) | changes
        await self.ok("PUT", f"/consultations/{id}", body)
        return id, patient

    async def auto_create(self, consultation: str, patient: str, **changes: Any) -> httpx.Response:
        body = {"consultation_id": consultation, "patient_id": patient, "doctor_id": self.doctor} | changes
        return await self.call("POST", "/prescriptions/auto-create", body)


def entity(name: str, **changes: Any) -> dict[str, Any]:
    """A medicine as it was heard in a consultation."""
    return {"text": f"vou passar {name}", "medication_name": name} | changes


def consultation_body(patient: str, doctor: str, *entities: dict[str, Any]) -> dict[str, Any]:
    return {
        "patient_id": patient,
        "doctor_id": doctor,
        "status": "completed",
        "medication_entities": list(entities),
    }


def doctor_body(**changes: Any) -> dict[str, Any]:
    """What a doctor on file needs, unlike any other."""
    number = f"{os.getpid()}{next(_numbers):05d}"
    body = {
        "given_names": "Clara",
        "first_surname": "Nunes",
        "issuing_body": "CRM-SP",
        "license_number": number,
        "national_id": {"type": "PASSPORT", "value": f"P{number}"},
    }
    return body | changes


async def dispensed_in_part(pharmacy: Pharmacy, code: str) -> dict[str, Any]:
    """A live dispensation of one piece of the first line."""
    started = (await pharmacy.start(code)).json()
    line = {"id": started["products"][0]["id"], "price": 0, "taxes": 0, "quantity": 1}
    answer = await pharmacy.update(started["dispensation_id"], line)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def at_once(*calls: Any) -> list[httpx.Response]:
    """All of them together."""
    return list(await asyncio.gather(*calls))


def raw(body: Any) -> bytes:
    return json.dumps(body).encode()
