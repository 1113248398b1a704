"""What bodies and queries of the second dialect may hold, type by type (delphos-dialect 2.2)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from services.gateway.checks import fields as json_fields
from services.gateway.checks.delphos import fields, reading
from services.gateway.checks.delphos.fields import Changes, NoQuery, Nothing, Page, Sent
from services.gateway.messages.errors import Problem
from shared import clock

ID = "d4e5f6a7-b8c9-0123-defa-234567890123"


def read(kind: Any, sent: Any) -> Any:
    return TypeAdapter(kind, config=ConfigDict(strict=True)).validate_python(sent)


def word(kind: Any, sent: Any) -> str:
    """The type of the error that a value gives."""
    with pytest.raises(ValidationError) as refused:
        read(kind, sent)
    (error,) = refused.value.errors()
    return error["type"]


@pytest.mark.parametrize(
    ("kind", "sent", "found"),
    [
        (fields.Uuid, ID.upper(), UUID(ID)),
        (fields.Uuid, "ffffffff-ffff-ffff-ffff-ffffffffffff", UUID(int=2**128 - 1)),
        (fields.Name, "  e\u0301\r\nb ", "\u00e9\nb"),
        (fields.Name, "a\tb", "a\tb"),
        (fields.Name, "\U0001f48a" * 500, "\U0001f48a" * 500),
        (fields.OptionalName, " ", None),
        (fields.OptionalName, None, None),
        (fields.Notes, "n" * 10_000, "n" * 10_000),
        (fields.Moment, "2026-05-14T23:59:00Z", datetime(2026, 5, 14, 23, 59, tzinfo=UTC)),
        (fields.Moment, "2026-05-14t20:59:00.1234567-03:00", datetime(2026, 5, 14, 23, 59, 0, 123456, UTC)),
        (fields.Day, "2024-02-29", date(2024, 2, 29)),
        (fields.Quantity, 1_000_000, 1_000_000),
        (fields.Share, 1, 1.0),
        (fields.Share, Decimal("0.5"), 0.5),
        (fields.StatusWord, "draft", "draft"),
    ],
)
def test_what_is_well_formed_is_read(kind: Any, sent: Any, found: Any) -> None:
    assert read(kind, sent) == found


@pytest.mark.parametrize(
    ("kind", "sent", "error"),
    [
        (fields.Uuid, "{" + ID + "}", "uuid_parsing"),
        (fields.Uuid, f"urn:uuid:{ID}", "uuid_parsing"),
        (fields.Uuid, ID.replace("-", ""), "uuid_parsing"),
        (fields.Uuid, f" {ID}", "uuid_parsing"),
        (fields.Uuid, 7, "uuid_type"),
        (fields.Name, " \n ", "string_too_short"),
        (fields.Name, "a" * 501, "string_too_long"),
        (fields.Name, 7, "string_type"),
        (fields.Name, None, "string_type"),
        (fields.Name, "a\x00b", "value_error"),
        (fields.Name, "a\u200bb", "value_error"),
        (fields.OptionalPosology, "a" * 201, "string_too_long"),
        (fields.OptionalRoute, "a" * 101, "string_too_long"),
        (fields.Moment, "2026-05-14T23:59:00", "timezone_aware"),
        (fields.Moment, "2026-05-14", "datetime_parsing"),
        (fields.Moment, "2026-02-30T00:00:00Z", "datetime_parsing"),
        (fields.Moment, "2026-05-14T23:59:00+03:60", "datetime_parsing"),
        (fields.Moment, "0001-01-01T00:00:00+23:59", "datetime_parsing"),
        (fields.Moment, 1_700_000_000, "datetime_type"),
        (fields.Day, "2026-02-30", "date_parsing"),
        (fields.Day, "2026-05-14T00:00:00Z", "date_parsing"),
        (fields.Quantity, "21", "int_type"),
        (fields.Quantity, Decimal("21.0"), "int_type"),
        (fields.Quantity, True, "int_type"),
        (fields.Quantity, json_fields.UNREADABLE, "int_type"),
        (fields.Quantity, 0, "greater_than_equal"),
        (fields.Quantity, 1_000_001, "less_than_equal"),
        (fields.Share, True, "float_type"),
        (fields.Share, "0.5", "float_type"),
        (fields.Share, Decimal("1e400"), "finite_number"),
        (fields.StatusWord, "Draft", "enum"),
        (fields.StatusWord, None, "enum"),
    ],
)
def test_what_is_not_gives_the_word_that_fastapi_would_use(kind: Any, sent: Any, error: str) -> None:
    assert word(kind, sent) == error


def test_a_validity_must_end_in_the_future() -> None:
    soon = clock.now() + timedelta(minutes=1)

    assert read(fields.FutureMoment, soon.isoformat()) == soon
    assert word(fields.FutureMoment, (clock.now() - timedelta(seconds=1)).isoformat()) == "not_in_future"


class Line(Sent):
    name: fields.Name


class Body(Sent):
    id: fields.Uuid
    lines: list[Line] = Field(default=[], max_length=2)
    kind: fields.OptionalName = "usual"


def failing(query: bytes, body: object, path: str = ID) -> set[tuple[str, str]]:
    with pytest.raises(Problem) as refused:
        reading.read({"prescription_id": path}, query, Page, body, Body)
    return {(".".join(map(str, one["loc"])), one["type"]) for one in refused.value.members["detail"]}


def test_everything_that_is_wrong_is_told_at_once_and_where() -> None:
    assert failing(
        b"limit=101&offset=-1&page=2&limit=3", {"lines": [{"name": ""}, {}], "x.y": 1}, path="rx_1"
    ) == {
        ("path.prescription_id", "uuid_parsing"),
        ("query.limit", "extra_forbidden"),
        ("query.offset", "greater_than_equal"),
        ("query.page", "extra_forbidden"),
        ("body.id", "missing"),
        ("body.lines.0.name", "string_too_short"),
        ("body.lines.1.name", "missing"),
        ("body.x.y", "extra_forbidden"),
    }
    assert failing(b"limit=1.0", {"id": ID}) == {("query.limit", "int_parsing")}
    assert failing(b"limit=&offset=+1", {"id": ID}) == {
        ("query.limit", "int_parsing"),
        ("query.offset", "int_parsing"),
    }
    assert failing(b"", [1]) == {("body", "model_type")}
    assert failing(b"&".join(b"a%d=" % n for n in range(51)), {"id": ID}) == {("query", "extra_forbidden")}


def test_null_in_an_optional_member_is_as_if_it_were_left_out() -> None:
    read_body = reading.read({}, b"", NoQuery, {"id": ID, "lines": None, "kind": None}, Body).body

    assert (read_body.lines, read_body.kind) == ([], "usual")
    assert failing(b"", {"id": None}) == {("body.id", "uuid_type")}
    assert reading.read({}, b"", NoQuery, {}, Nothing).body == Nothing()


class Patch(Changes):
    notes: fields.Notes = None
    dosage: fields.Posology = ""


def test_a_patch_names_what_changes_and_null_clears_only_what_may_be_empty() -> None:
    assert Patch.model_validate({"notes": None}).named == {"notes": None}
    assert Patch.model_validate({}).named == {}
    with pytest.raises(ValidationError) as refused:
        Patch.model_validate({"dosage": None, "x": 1})
    assert {error["type"] for error in refused.value.errors()} == {"string_type", "extra_forbidden"}
