"""Reading refusals of the Osigu dialect as its specification promises them (osigu-dialect 1.6)."""

from __future__ import annotations

import re
from typing import Any

import httpx

ENTRY_WORDS = frozenset(
    [
        "required",
        "unknown_field",
        "field_not_supported",
        "wrong_type",
        "invalid_format",
        "invalid_value",
        "out_of_range",
        "too_long",
        "too_many",
        "duplicate",
        "conflicting_fields",
    ]
)
REQUEST_ID = re.compile(r"req_[0-7][0-9A-HJKMNP-TV-Z]{25}")


def refusal(answer: httpx.Response) -> dict[str, Any]:
    """The body of a refusal, after every member of it has been seen to be as promised."""
    body = dict(answer.json())
    assert answer.status_code >= 400, body
    assert answer.headers["content-type"] == "application/problem+json"
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["instance"] == f"/v1/requests/{body['request_id']}"
    assert body["type"].endswith(f"/errors/{body['code']}")
    assert body["type"].startswith("http")
    assert body["status"] == answer.status_code
    assert body["detail"] == body["message"] != ""
    assert isinstance(body["title"], str)
    assert isinstance(body["retryable"], bool)
    assert body["code"] not in ENTRY_WORDS
    assert (body.get("outcome") == "not_applied") == (answer.status_code >= 500)
    _assert_entries(body)
    return body


def _assert_entries(body: dict[str, Any]) -> None:
    for entry in body["errors"]:
        assert isinstance(entry["path"], str)
        assert isinstance(entry["code"], str)
        assert isinstance(entry["message"], str)
        assert entry["message"]
    carried = [entry for entry in body["errors"] if "error_code" in entry]
    assert (body.get("error_code") == "071-104") == bool(carried)


def entries(answer: httpx.Response) -> list[str]:
    """`path: code` of each failing check, in the order in which they were reported."""
    return [f"{entry['path']}: {entry['code']}" for entry in refusal(answer)["errors"]]


def word(answer: httpx.Response) -> str:
    """The status, with the code of a refusal: `200`, `409 patient_exists`."""
    if answer.status_code < 400:
        return str(answer.status_code)
    return f"{answer.status_code} {refusal(answer)['code']}"
