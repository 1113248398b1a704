"""What bodies say of people: documents, addresses, ids of other systems; members that are only read."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from services.gateway.checks.delphos.fields import Sent, blank_is_none, text
from services.gateway.checks.patient import DOCUMENT_TYPES, EMAIL, document, fits

EXTERNAL_IDS_MAX: Final = 50

DocumentType = StrEnum("DocumentType", {one: one for one in DOCUMENT_TYPES})  # type: ignore[misc]


class Replacement(Sent):
    """The body of a PUT: what a read shows and nobody can set is taken, and ignored (ruling 3.9)."""

    READ_ONLY: ClassVar[tuple[str, ...]] = ("id", "version", "created_at", "updated_at")

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_only_read(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        return {name: value for name, value in sent.items() if name not in cls.READ_ONLY}


class NationalId(Sent):
    """A document, its number normalised as the other dialect does."""

    type: Annotated[DocumentType, Field(strict=False)]
    value: Annotated[str, Field(min_length=1, max_length=64), BeforeValidator(text)]

    @field_validator("value", mode="after")
    @classmethod
    def _normalised(cls, value: str, info: ValidationInfo) -> str:
        number = document(value)
        if not number:
            raise PydanticCustomError("value_error", "Value error, must hold letters or digits")
        if not fits(info.data.get("type"), number):
            raise PydanticCustomError("value_error", "Value error, must have the check letter of its kind")
        return number


def _address(sent: str | None) -> str | None:
    if sent is not None and not re.fullmatch(EMAIL, sent):
        raise PydanticCustomError("value_error", "Value error, must be an e-mail address")
    return sent.lower() if sent else None


Email: TypeAlias = Annotated[
    Annotated[str, Field(max_length=256)] | None, BeforeValidator(blank_is_none), AfterValidator(_address)
]

_Label: TypeAlias = Annotated[str, Field(min_length=1, max_length=64), BeforeValidator(text)]
_Id: TypeAlias = Annotated[str, Field(max_length=256), BeforeValidator(text)]
ExternalIds: TypeAlias = Annotated[dict[_Label, _Id], Field(max_length=EXTERNAL_IDS_MAX)]
