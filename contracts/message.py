"""What travels between services: messages, and the envelope of CloudEvents headers that each one has.

On Kafka it is a CloudEvent 1.0 in binary mode: `Envelope` is the headers, one `Message` class the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

HEADERS_MAX: Final = 64
HEADER_BYTES_MAX: Final = 8 * 1024


class Unreadable(ValueError):
    """A record that is no CloudEvent of ours: it can never be handled. The text never quotes the record."""


class Value(BaseModel):
    """A part of a message: frozen; members that this release does not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self)


class Message(Value):
    """The value of one record; its class says on which topic and as which CloudEvents type it travels."""

    topic: ClassVar[str]
    source: ClassVar[str]
    ce_type: ClassVar[str]
    perishable: ClassVar[bool] = False
    """Whether the value must not outlive its handling: a dead letter then has the headers alone."""

    @property
    def key(self) -> str:
        """The partition key: all messages of one key stay in order."""
        raise TypeError(f"{type(self).__name__} has no key")

    @property
    def subject(self) -> str:
        return self.key

    @property
    def tenant(self) -> UUID | None:
        """Whose it is, for the header `tenantid`; None where the header would tell strangers too much."""
        return None


class Event(Message):
    """Something that has become true about one prescription."""

    tenant_id: UUID
    prescription_id: UUID

    @property
    def key(self) -> str:
        return str(self.prescription_id)

    @property
    def tenant(self) -> UUID | None:
        return self.tenant_id


class Caller(Value):
    """Who asks, as the credentials say: tenant, client, and what these are bound to."""

    tenant_id: UUID
    client: Annotated[str, Field(max_length=128)]
    doctor_id: UUID | None = None
    provider_slug: str | None = None
    branch_id: UUID | None = None
    channel: Annotated[str, Field(pattern="^(osigu|delphos|kafka|operator)$")] = "osigu"


class Command(Message):
    """A request to do something; exactly one outcome repeats its `request_id`."""

    tenant_id: UUID
    request_id: UUID
    caller: Caller
    deadline: AwareDatetime | None = None
    """After it only the executing service may end the request, without effect; from Kafka there is none."""

    @property
    def tenant(self) -> UUID | None:
        return self.tenant_id


class Envelope(Value):
    """The CloudEvents headers of one record. An outsider's `id` may be any text, ours are UUIDv7."""

    id: Annotated[str, Field(min_length=1, max_length=255)]
    type: Annotated[str, Field(min_length=1, max_length=255)]
    source: str
    subject: str | None = None
    time: AwareDatetime
    specversion: str = "1.0"
    correlationid: str | None = None
    causationid: str | None = None
    tenantid: UUID | None = None
    traceparent: str | None = None

    def headers(self) -> list[tuple[str, bytes]]:
        """As Kafka headers, without those that have no value."""
        return headers(**dict(self))

    @classmethod
    def read(cls, headers: Iterable[tuple[str, bytes | None]]) -> Self:
        """From Kafka headers; raises Unreadable. Strangers' are ignored, the first of a name counts."""
        found: dict[str, str] = {}
        for count, (name, value) in enumerate(headers):
            if count >= HEADERS_MAX:
                raise Unreadable("more headers than the limit")
            field = _FIELDS.get(name)
            if field is None or value is None or field in found:
                continue
            if len(value) > HEADER_BYTES_MAX:
                raise Unreadable(f"header {name} is too long")
            try:
                found[field] = value.decode("utf-8")
            except UnicodeDecodeError:
                if field in _OPTIONAL:
                    continue
                raise Unreadable(f"header {name} is not UTF-8") from None
        for field in ("id", "type", "source", "time", "specversion"):
            if not found.get(field):
                raise Unreadable(f"header ce_{field} is missing")
        if found["specversion"] != "1.0":
            raise Unreadable("header ce_specversion is not 1.0")
        try:
            return cls.model_validate(found)
        except ValueError:
            raise Unreadable("a CloudEvents header has an invalid value") from None


def headers(
    *,
    id: str,
    type: str,
    source: str,
    time: datetime,
    subject: str | None = None,
    specversion: str = "1.0",
    correlationid: str | None = None,
    causationid: str | None = None,
    tenantid: UUID | None = None,
    traceparent: str | None = None,
) -> list[tuple[str, bytes]]:
    """An envelope as Kafka headers, of values that are known to be right."""
    found = [
        ("ce_specversion", specversion.encode()),
        ("ce_id", id.encode()),
        ("ce_type", type.encode()),
        ("ce_source", source.encode()),
    ]
    if subject is not None:
        found.append(("ce_subject", subject.encode()))
    found.append(("ce_time", time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()))
    found.append(("content-type", b"application/json"))
    if correlationid is not None:
        found.append(("correlationid", correlationid.encode()))
    if causationid is not None:
        found.append(("causationid", causationid.encode()))
    if tenantid is not None:
        found.append(("tenantid", str(tenantid).encode()))
    if traceparent is not None:
        found.append(("traceparent", traceparent.encode()))
    return found


_FIELDS: Final[dict[str, str]] = {
    "ce_id": "id",
    "ce_type": "type",
    "ce_source": "source",
    "ce_subject": "subject",
    "ce_time": "time",
    "ce_specversion": "specversion",
    "correlationid": "correlationid",
    "causationid": "causationid",
    "tenantid": "tenantid",
    "traceparent": "traceparent",
}
_OPTIONAL: Final = frozenset({"subject", "correlationid", "causationid", "tenantid", "traceparent"})


def utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def named(messages: Sequence[type[Message]]) -> dict[str, type[Message]]:
    """Message classes by their CloudEvents type."""
    return {message.ce_type: message for message in messages}


Json = dict[str, Any]
