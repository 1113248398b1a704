"""How this dialect writes what all of its objects have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from contracts.message import utc
from services.gateway.messages.answers import Answer


def moment(at: datetime) -> str:
    """UTC with `Z`, to the microsecond; the fraction is left out when it is zero (section 2.2)."""
    return utc(at).isoformat().replace("+00:00", "Z")


Moment: TypeAlias = Annotated[
    datetime,
    PlainSerializer(moment, when_used="always"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Shown(BaseModel):
    """An object of this dialect: no member is ever left out."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    def body(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self)


def tagged(status: int, shown: Shown | None, version: int) -> Answer:
    """An answer about one thing, which every one is tagged with the version of (section 2.6)."""
    return Answer(status, None if shown is None else shown.body(), {"ETag": tag(version)})


def tag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'
