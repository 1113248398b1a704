"""Clients of the platform as outsiders would write them: a clinic, a pharmacy, a reader of public topics."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.catalog import TOPICS
from shared.topics import DEAD_PARTITIONS

TIMEOUT_SECONDS = 65.0
_numbers = itertools.count(1)
_TOKENS: dict[tuple[str, str], str] = {}


@dataclass
class Client:
    """One OAuth client of the gateway; its token is fetched when it is first needed."""

    url: str
    credentials: str
    _http: httpx.AsyncClient = field(init=False)
    _asking: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=400, max_keepalive_connections=400)
        self._http = httpx.AsyncClient(base_url=self.url, timeout=TIMEOUT_SECONDS, limits=limits)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def token(self) -> str:
        """Kept by client, not by test: a client may ask for ten a minute."""
        async with self._asking:
            kept = (self.url, self.credentials)
            if kept not in _TOKENS:
                client_id, _, secret = self.credentials.partition(":")
                form = {"grant_type": "client_credentials"}
                answer = await self._http.post("/v1/oauth/token", data=form, auth=(client_id, secret))
                assert answer.status_code == 200, answer.text
                _TOKENS[kept] = str(answer.json()["access_token"])
        return _TOKENS[kept]

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str
    ) -> httpx.Response:
        """One request; header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["authorization"] = f"Bearer {await self.token()}"
        return await self._http.request(method, path, json=body, headers=sent)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.call("GET", path, **headers)

    async def post(self, path: str, body: Mapping[str, Any], **headers: str) -> httpx.Response:
        return await self.call("POST", path, body, **headers)


class Clinic(Client):
    """A clinic's system, bound to a doctor, that prescribes."""

    async def patient(self, **changes: Any) -> str:
        """A new patient of this clinic, invented and unlike any other."""
        number = f"{os.getpid()}{next(_numbers):06d}"
        body = {
            "first_name": "Ana",
            "last_name": "López",
            "document_type": "CC",
            "document_number": number,
            "date_of_birth": "1990-04-11",
            "email_address": f"ana.{number}@example.org",
        }
        answer = await self.post("/ehr/v1/patients", body | changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["patient_id"])

    def order(self, patient_id: str, *products: str, **changes: Any) -> dict[str, Any]:
        """The body of a create, as the public guide has it."""
        medications = [
            {"product_code": code, "quantity": 30, "posology": "1 tablet every 8h", "duration_days": 10}
            for code in products or ("MED-042",)
        ]
        body = {
            "patient_id": patient_id,
            "diagnoses": [{"diagnosis_code": "R51"}],
            "medications": medications,
        }
        return body | changes

    async def issue(self, *products: str, **changes: Any) -> dict[str, Any]:
        """An issued prescription for a new patient: the body of its 201."""
        answer = await self.post(
            "/ehr/v1/prescriptions", self.order(await self.patient(), *products, **changes)
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def read(self, prescription_id: str) -> dict[str, Any]:
        answer = await self.get(f"/ehr/v1/prescriptions/{prescription_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def void(self, prescription_id: str) -> httpx.Response:
        body = {"reason": "Patient reports rash."}
        return await self.post(f"/ehr/v1/prescriptions/{prescription_id}/void", body)


RECEIPT = {"amount": 0, "document_number": "F-2026-000731", "document_date": "2026-06-26T10:21:00Z"}


class Pharmacy(Client):
    """A pharmacy's system that dispenses over HTTP."""

    async def start(self, code: str, **body: Any) -> httpx.Response:
        return await self.post("/dispensing/v1/dispensations", {"code": code} | body)

    async def update(self, dispensation_id: str, *lines: Mapping[str, Any]) -> httpx.Response:
        return await self.call(
            "PUT", f"/dispensing/v1/dispensations/{dispensation_id}", {"products": list(lines)}
        )

    async def complete(self, dispensation_id: str, **receipt: Any) -> httpx.Response:
        return await self.post(f"/dispensing/v1/dispensations/{dispensation_id}/complete", RECEIPT | receipt)

    async def cancel(self, dispensation_id: str, **body: Any) -> httpx.Response:
        return await self.post(f"/dispensing/v1/dispensations/{dispensation_id}/cancel", body)


@contextlib.asynccontextmanager
async def following(kafka: str, topic: str) -> AsyncIterator[Follower]:
    """Follow a public topic from now on, as any pharmacy may."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="latest")
    await consumer.start()
    partitions = TOPICS[topic].partitions if topic in TOPICS else DEAD_PARTITIONS
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    await consumer.seek_to_end()
    for partition in consumer.assignment():
        await consumer.position(partition)
    try:
        yield Follower(consumer)
    finally:
        await consumer.stop()


@dataclass
class Follower:
    """What has been heard on a topic: (type, value) pairs, each message once."""

    consumer: AIOKafkaConsumer
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    async def of(self, key: str, count: int, seconds: float = 20.0) -> list[tuple[str, dict[str, Any]]]:
        """The first `count` messages with this key, as soon as there are so many."""
        async with asyncio.timeout(seconds):
            while len(found := self._of(key)) < count:
                await self._read()
        return found

    def _of(self, key: str) -> list[tuple[str, dict[str, Any]]]:
        return [(kind, value) for kind, value in self.heard if key in value.values()]

    async def _read(self) -> None:
        record = await self.consumer.getone()
        headers = dict(record.headers)
        if headers["ce_id"].decode() not in self._seen:
            self._seen.add(headers["ce_id"].decode())
            self.heard.append((headers["ce_type"].decode(), json.loads(record.value)))


def mails(folder: str, address: str) -> list[EmailMessage]:
    """The mails to one address that the catcher has kept."""
    found = []
    for path in sorted(Path(folder).glob("*.eml")):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        if isinstance(mail, EmailMessage) and address in str(mail["To"]):
            found.append(mail)
    return found


def uuid_of(spelled: str) -> str:
    """The UUID behind an id of the Osigu dialect, as public topics have it."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = 0
    for letter in spelled.partition("_")[2]:
        number = number * 32 + alphabet.index(letter)
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
