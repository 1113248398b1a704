"""The types that bodies and queries of the DELPHOS dialect are made of (section 2.2).

They are pydantic types: a wrong value gives one of FastAPI's own words, and never quotes what was sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from contracts.values import Status
from services.gateway.checks import fields
from shared import clock

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_INTEGER: Final = re.compile(r"-?[0-9]{1,30}")
QUANTITY_MAX: Final = 1_000_000
NAME_MAX: Final = 500
LIMIT_MAX: Final = 100
LIMIT_DEFAULT: Final = 20
# Far beyond any end, and the database still adds a limit to it.
OFFSET_MAX: Final = 10**18


def _nullable(schema: dict[str, Any], model: type[Any]) -> None:
    """Null in an optional member equals leaving it out, so the description allows it."""
    for name, described in schema.get("properties", {}).items():
        if name not in schema.get("required", ()) and {"type": "null"} not in described.get("anyOf", ()):
            schema["properties"][name] = {"anyOf": [described, {"type": "null"}]}


def read_with(info: ValidationInfo) -> Mapping[str, Any]:
    """What the reader of a body gives its validators: the body whole, and the day where the tenant is."""
    assert info.context is not None, "bodies are read by `reading`, which gives it"
    return cast(Mapping[str, Any], info.context)


class Sent(BaseModel):
    """A body, or an object in one. Types are strict; a member that nobody reads is never dropped in silence.

    Null in an optional member equals leaving it out.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, json_schema_extra=_nullable)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, sent: Any) -> Any:
        if not isinstance(sent, dict) or None not in sent.values():
            return sent
        known = cls.model_fields
        return {
            name: value
            for name, value in sent.items()
            if value is not None or name not in known or known[name].is_required()
        }


class Changes(BaseModel):
    """The body of a PATCH: what is named becomes what it says; null clears it where the type allows that."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @property
    def named(self) -> dict[str, Any]:
        """What was sent, and nothing else, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


class Nothing(Sent):
    """A body without members; none at all is the same."""


class Asked(BaseModel):
    """The parameters of a query."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class NoQuery(Asked):
    """No parameters."""


def _integer(sent: Any) -> Any:
    """A parameter is a text; what it says must be an integer."""
    if isinstance(sent, str):
        if not _INTEGER.fullmatch(sent):
            raise PydanticKnownError("int_parsing")
        return int(sent)
    return sent


class Page(Asked):
    """Which part of a list is asked for (section 2.8)."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX), BeforeValidator(_integer)] = LIMIT_DEFAULT
    offset: Annotated[int, Field(ge=0, le=OFFSET_MAX), BeforeValidator(_integer)] = 0


def text(sent: Any) -> Any:
    """NFC, trimmed, CRLF as LF; control and format characters other than line feed and tab are refused."""
    if not isinstance(sent, str):
        return sent
    found = fields.composed(sent)
    if fields.has_control(found):
        raise PydanticCustomError("value_error", "Value error, control characters are not allowed")
    return found.strip()


def blank_is_none(sent: Any) -> Any:
    found = text(sent)
    return None if found == "" else found


# Lengths count characters, and are those of section 2.2. A required text is not empty; an empty optional one
# is null (ruling 3.17).
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=NAME_MAX), BeforeValidator(text)]
Posology: TypeAlias = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(text)]
Route: TypeAlias = Annotated[str, Field(min_length=1, max_length=100), BeforeValidator(text)]
TemplateName: TypeAlias = Posology

OptionalName: TypeAlias = Annotated[
    Annotated[str, Field(max_length=NAME_MAX)] | None, BeforeValidator(blank_is_none)
]
OptionalPosology: TypeAlias = Annotated[
    Annotated[str, Field(max_length=200)] | None, BeforeValidator(blank_is_none)
]
OptionalRoute: TypeAlias = Annotated[
    Annotated[str, Field(max_length=100)] | None, BeforeValidator(blank_is_none)
]
Unit: TypeAlias = OptionalRoute
Reason: TypeAlias = Annotated[Annotated[str, Field(max_length=2_000)] | None, BeforeValidator(blank_is_none)]
Description: TypeAlias = Reason
Instructions: TypeAlias = Annotated[
    Annotated[str, Field(max_length=4_000)] | None, BeforeValidator(blank_is_none)
]
Notes: TypeAlias = Annotated[Annotated[str, Field(max_length=10_000)] | None, BeforeValidator(blank_is_none)]


def _uuid(sent: Any) -> Any:
    """8-4-4-4-12 hexadecimal digits and no other spelling; version and variant are not looked at."""
    if isinstance(sent, UUID):
        return sent
    if not isinstance(sent, str):
        raise PydanticKnownError("uuid_type")
    if not _UUID.fullmatch(sent):
        raise PydanticKnownError("uuid_parsing", {"error": "8-4-4-4-12 hexadecimal digits"})
    return UUID(sent)


Uuid: TypeAlias = Annotated[UUID, BeforeValidator(_uuid)]
OptionalUuid: TypeAlias = Uuid | None


def _parsed(form: re.Pattern[str], read: Callable[[str], Any], sent: str, wrong: str, error: str) -> Any:
    if form.fullmatch(sent) and sent.isascii():
        try:
            return read(sent)
        except (ValueError, OverflowError):
            pass
    raise PydanticKnownError(wrong, {"error": error})  # type: ignore[arg-type]


def _moment(sent: Any) -> Any:
    """RFC 3339 with an offset, as UTC to the microsecond."""
    if isinstance(sent, datetime):
        return sent
    if not isinstance(sent, str):
        raise PydanticKnownError("datetime_type")
    if re.fullmatch(r"[^Zz+]*[Tt][0-9:.]*", sent) and fields.MOMENT.fullmatch(f"{sent}Z"):
        raise PydanticKnownError("timezone_aware")
    return _parsed(fields.MOMENT, fields.instant, sent, "datetime_parsing", "RFC 3339 with an offset")


def _day(sent: Any) -> Any:
    if isinstance(sent, date):
        return sent
    if not isinstance(sent, str):
        raise PydanticKnownError("date_type")
    return _parsed(fields.DAY, date.fromisoformat, sent, "date_parsing", "YYYY-MM-DD")


def _day_or_moment(sent: Any) -> Any:
    return _day(sent) if isinstance(sent, str) and fields.DAY.fullmatch(sent) else _moment(sent)


Moment: TypeAlias = Annotated[datetime, BeforeValidator(_moment)]
Day: TypeAlias = Annotated[date, BeforeValidator(_day)]
DayOrMoment: TypeAlias = Annotated[date | datetime, BeforeValidator(_day_or_moment)]


def in_future(at: datetime) -> datetime:
    if at <= clock.now():
        raise PydanticCustomError("not_in_future", "Must be in the future.")
    return at


FutureMoment: TypeAlias = Annotated[Moment, AfterValidator(in_future)]

Quantity: TypeAlias = Annotated[int, Field(ge=1, le=QUANTITY_MAX)]


def _number(sent: Any) -> Any:
    """An integer or a fraction, as the nearest float."""
    if isinstance(sent, bool) or not isinstance(sent, int | Decimal | float):
        raise PydanticKnownError("float_type")
    found = float(sent)
    if not math.isfinite(found):
        raise PydanticKnownError("finite_number")
    return found


Share: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0), BeforeValidator(_number)]


class LanguageName(StrEnum):
    PORTUGUESE = "pt"
    SPANISH = "es"
    ENGLISH = "en"


# A word of a closed set: exactly, in its case. The members of an enumeration say which.
StatusWord: TypeAlias = Annotated[Status, Field(strict=False)]
Language: TypeAlias = Annotated[LanguageName, Field(strict=False)]
