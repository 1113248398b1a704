"""A call as its models read it: path, query and body together, so that all that is wrong is told at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from services.gateway.checks.delphos.fields import Asked, Uuid
from services.gateway.checks.query import PARAMETERS_MAX
from services.gateway.messages.delphos import refusals

_ID: Final[TypeAdapter[UUID]] = TypeAdapter(Uuid)


@dataclass(frozen=True)
class Read:
    """What was sent, in its models; `path` are the ids in the path, by their names."""

    path: Mapping[str, UUID]
    query: Any
    body: Any


def read(
    path: Mapping[str, str],
    query: bytes,
    query_model: type[Asked],
    body: object,
    body_model: type[BaseModel] | None,
    *,
    today: date | None = None,
) -> Read:
    """Raises Problem `validation_failed` with every failing check; `today` is the day where the tenant is."""
    failures: list[dict[str, Any]] = []
    ids = {name: _id(name, text, failures) for name, text in path.items()}
    asked = _query(query, query_model, failures)
    context = {"sent": body, "today": today}
    sent = None if body_model is None else _model(body_model, body, ("body",), failures, context)
    if failures:
        raise refusals.failed(*failures)
    return Read({name: found for name, found in ids.items() if found is not None}, asked, sent)


def _id(name: str, text: str, failures: list[dict[str, Any]]) -> UUID | None:
    try:
        return _ID.validate_python(text)
    except ValidationError as error:
        _note(error, ("path", name), failures)
        return None


def _query(query: bytes, model: type[Asked], failures: list[dict[str, Any]]) -> Any:
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError:
        failures.append(refusals.entry(("query",), "extra_forbidden", "Too many parameters"))
        return None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            failures.append(refusals.entry(("query", name), "extra_forbidden", "Sent more than once"))
        found[name] = value
    return _model(model, found, ("query",), failures)


def _model(
    model: type[BaseModel],
    value: object,
    place: tuple[str, ...],
    failures: list[dict[str, Any]],
    context: Mapping[str, Any] | None = None,
) -> Any:
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        _note(error, place, failures)
        return None


def _note(error: ValidationError, place: tuple[str, ...], failures: list[dict[str, Any]]) -> None:
    """Never with the rejected value: it may be patient data."""
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        failures.append(refusals.entry((*place, *one["loc"]), one["type"], one["msg"]))
