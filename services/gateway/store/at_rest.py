"""What says who a patient is, encrypted before it is written (AES-256-GCM), each value bound to its row."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.gateway.store.generations import REBUILT, SHOWN, VIEWS
from shared import clock
from shared.errors import Unavailable

NONCE_BYTES: Final = 12
KEY_ID: Final = struct.Struct(">I")
READ_AGAIN_SECONDS: Final = 20.0
READ_SECONDS_MAX: Final = 600.0
"""Nothing is sealed under keys that were read longer ago: they may have been forgotten since."""


class Tampered(Exception):
    """A stored value is not what was written for this row and column; none of it is shown."""


@dataclass(frozen=True)
class DataKey:
    """One key, opened; new values are sealed under the newest whose time has come."""

    key_id: int
    used_from: datetime
    cipher: AESGCM


class Keyring:
    """The keys of this process. They change while it serves, so nobody keeps one of them."""

    def __init__(self) -> None:
        self._keys: dict[int, DataKey] = {}
        self._newest_first: tuple[DataKey, ...] = ()
        self._look_up_key = b""
        self._read_at = float("-inf")
        self.wanted = asyncio.Event()

    def hold(self, keys: Sequence[DataKey], look_up_key: bytes) -> None:
        """These and no others, as the database has them now."""
        self._keys = {key.key_id: key for key in keys}
        self._newest_first = tuple(sorted(keys, key=lambda key: (key.used_from, key.key_id), reverse=True))
        self._look_up_key = look_up_key
        self._read_at = time.monotonic()

    def seal(self, content: bytes, place: bytes) -> bytes:
        key = self._sealing()
        nonce = secrets.token_bytes(NONCE_BYTES)
        return KEY_ID.pack(key.key_id) + nonce + key.cipher.encrypt(nonce, content, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Raises Tampered; Unavailable for a key made a moment ago, which is then read at once."""
        head = KEY_ID.size + NONCE_BYTES
        if len(sealed) <= head:
            raise Tampered("a stored value is too short to be one")
        key = self._keys.get(KEY_ID.unpack_from(sealed)[0])
        if key is None:
            self.wanted.set()
            raise Unavailable("a value is under a data key that is not known here yet")
        try:
            return key.cipher.decrypt(sealed[KEY_ID.size : head], sealed[head:], place)
        except InvalidTag:
            raise Tampered("a stored value is not of its row") from None

    def look_up(self, tenant_id: UUID, purpose: str, text: str) -> bytes:
        """A keyed hash to find a value by; of two providers that know the same person each has its own."""
        if not self._look_up_key:
            raise Unavailable("the data keys have not been read yet")
        return hmac.digest(self._look_up_key, f"{purpose}|{tenant_id}|{text}".encode(), "sha256")

    def _sealing(self) -> DataKey:
        if time.monotonic() - self._read_at > READ_SECONDS_MAX:
            self.wanted.set()
            raise Unavailable("the data keys have not been read for too long")
        now = clock.now()
        return next((key for key in self._newest_first if key.used_from <= now), self._newest_first[-1])


keyring: Final = Keyring()
"""Of this process: handlers and stores are plain functions, to whom nobody hands keys."""


@dataclass(frozen=True)
class Column:
    """A column whose values are sealed; `key`: what besides the tenant names a row of its table."""

    table: str
    name: str
    key: tuple[str, ...]

    def seal(self, content: bytes, tenant_id: UUID, *key: object) -> bytes:
        return keyring.seal(content, self._place(tenant_id, key))

    def open(self, sealed: bytes, tenant_id: UUID, *key: object) -> bytes:
        """Raises Tampered for a value that was written to another row or column, or by another."""
        return keyring.open(sealed, self._place(tenant_id, key))

    @property
    def tables(self) -> tuple[str, ...]:
        """Where such values are: of a view in both generations, and bound to their row in either."""
        if self.table in VIEWS:
            return f"{SHOWN}.{self.table}", f"{REBUILT}.{self.table}"
        return (self.table,)

    def _place(self, tenant_id: UUID, key: tuple[object, ...]) -> bytes:
        return "|".join((self.table, self.name, str(tenant_id), *map(str, key))).encode()


PATIENT: Final = Column("patient", "record", ("patient_id",))
CONTEXT: Final = Column("request", "context", ("request_id",))
RESPONSE: Final = Column("request", "response_body", ("request_id",))
PRESCRIPTION: Final = Column("prescription_view", "state", ("prescription_id",))
HISTORY: Final = Column("prescription_history", "entry", ("prescription_id", "revision"))
DISPENSATION: Final = Column("dispensation_view", "state", ("dispensation_id",))
CONSULTATION: Final = Column("consultation_view", "state", ("consultation_id",))
DOCUMENT: Final = Column("document", "content", ("prescription_id", "face", "language"))
CONSENT: Final = Column("consent", "record", ("prescription_id",))

COLUMNS: Final = (
    *(PATIENT, CONTEXT, RESPONSE, PRESCRIPTION, HISTORY, DISPENSATION, CONSULTATION, DOCUMENT, CONSENT),
)
PLACES: Final = tuple((column, table) for column in COLUMNS for table in column.tables)
"""Every column of every table that has sealed values."""
