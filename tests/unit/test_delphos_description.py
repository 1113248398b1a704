"""What `/openapi.json` says of the second dialect, held against the examples of its specification."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.gateway.api import delphos, pages
from services.gateway.api.delphos import described
from services.gateway.messages.delphos.errors import MEMBERS, PLACES, TABLE

EXAMPLES = Path(__file__).parent / "delphos_examples"
DOCUMENT = described.description(delphos.OPERATIONS, "https://rx.example.org")

# The JSON blocks of the specification, in its order, and what each of them is an example of.
DESCRIBED_AS = {
    "request": "RequestObject",
    "invalid_transition": "Error.invalid_transition",
    "unacknowledged_interactions": "Error.unacknowledged_interactions",
    "detail": "PrescriptionDetail",
    "list": "PrescriptionList",
    "item": "PrescriptionItem",
    "check_result": "CheckResult",
    "consultation": "SentConsultation",
    "search_result": "SearchResult",
    "history": "History",
    "invalid_api_key": "Error.invalid_api_key",
    "unknown_reference": "Error.validation_failed",
}


def against(name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize(("example", "schema"), DESCRIBED_AS.items())
def test_the_examples_of_the_specification_are_what_the_description_says(example: str, schema: str) -> None:
    found = json.loads((EXAMPLES / f"{example}.json").read_text(encoding="utf-8"))

    assert [error.message for error in against(schema).iter_errors(found)] == []


def test_every_example_of_the_specification_is_held_against_the_description() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(DESCRIBED_AS)


def test_an_example_with_a_member_gone_is_noticed() -> None:
    found = json.loads((EXAMPLES / "detail.json").read_text(encoding="utf-8"))
    del found["items"][0]["dosage"]

    assert list(against("PrescriptionDetail").iter_errors(found))


def test_every_reference_leads_to_a_schema() -> None:
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)))

    assert named <= set(DOCUMENT["components"]["schemas"])


def test_each_error_code_is_described_with_its_members_and_who_acts() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    for code, row in TABLE.items():
        described_as = schemas[f"Error.{code}"]
        assert described_as["properties"]["error"] == {"const": code}
        assert row.who in described_as["description"]
        assert set(row.members) <= set(described_as["required"])
        assert set(row.members) <= set(MEMBERS)
    assert all(
        word in schemas["Error.validation_failed"]["properties"]["detail"]["description"] for word in PLACES
    )


# The index of the specification (section 1): status, permission.
INDEX = """
POST /v1/prescriptions 201 prescriptions:write
POST /v1/prescriptions/auto-create 201 prescriptions:write
POST /v1/prescriptions/from-template 201 prescriptions:write
GET /v1/prescriptions 200 prescriptions:read
GET /v1/prescriptions/{prescription_id} 200 prescriptions:read
PATCH /v1/prescriptions/{prescription_id} 200 prescriptions:write
PATCH /v1/prescriptions/{prescription_id}/status 200 -
POST /v1/prescriptions/{prescription_id}/items 201 prescriptions:write
PATCH /v1/prescriptions/{prescription_id}/items/{item_id} 200 prescriptions:write
DELETE /v1/prescriptions/{prescription_id}/items/{item_id} 204 prescriptions:write
POST /v1/prescriptions/{prescription_id}/safety-check 200 prescriptions:write
POST /v1/prescriptions/{prescription_id}/interactions/{interaction_id}/acknowledge 200 prescriptions:sign
POST /v1/prescriptions/{prescription_id}/interactions/acknowledge-all 200 prescriptions:sign
POST /v1/prescriptions/{prescription_id}/save-as-template 201 prescriptions:write
GET /v1/prescriptions/{prescription_id}/history 200 prescriptions:read
GET /v1/prescriptions/{prescription_id}/pdf 200 prescriptions:read
GET /v1/templates 200 prescriptions:read
GET /v1/templates/{template_id} 200 prescriptions:read
DELETE /v1/templates/{template_id} 204 prescriptions:write
PUT /v1/consultations/{consultation_id} 200,201 prescriptions:write
GET /v1/consultations/{consultation_id} 200 prescriptions:read
POST /v1/medications/search 200 catalog:read
PUT /v1/patients/{patient_id} 200,201 prescriptions:write
GET /v1/patients/{patient_id} 200 prescriptions:read
PUT /v1/doctors/{doctor_id} 200,201 admin
GET /v1/doctors/{doctor_id} 200 prescriptions:read
GET /v1/requests/{request_id} 200 -
GET /v1/requests 200 -
GET /v1/health 200 -
"""


def test_every_endpoint_of_the_index_is_served_with_its_status_and_permission() -> None:
    found = {
        f"{method.upper()} {path} {','.join(done(one))} {one.get('x-permission', '-')}"
        for path, methods in DOCUMENT["paths"].items()
        for method, one in methods.items()
    }

    assert found == set(INDEX.strip().splitlines())


def done(operation: dict[str, Any]) -> list[str]:
    return sorted(status for status in operation["responses"] if status in ("200", "201", "204"))


def test_every_code_is_told_where_it_may_be_met() -> None:
    told = {
        code
        for one in operations()
        for response in one["responses"].values()
        for code in re.findall(r"`(\w+)`", response["description"])
    }

    # Another method than those of a path is no operation of it.
    assert set(TABLE) - told == {"method_not_allowed"}


def operations() -> list[dict[str, Any]]:
    return [one for methods in DOCUMENT["paths"].values() for one in methods.values()]


def test_every_operation_says_what_it_may_answer_and_what_it_asks_for() -> None:
    assert len({one["operationId"] for one in operations()}) == len(operations())
    for one in operations():
        assert one["summary"]
        assert one["responses"].keys() & {"200", "201", "204"}
        if one["security"]:
            assert one["responses"].keys() >= {"401", "429", "422", "500", "503"}


def headers(method: str, path: str, status: str) -> set[str]:
    told = DOCUMENT["paths"][path][method]["responses"][status]["headers"]
    return {one["$ref"].removeprefix("#/components/headers/") for one in told.values()}


ALWAYS = {"X-Request-Id", "Cache-Control"}
COUNTED = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Window"}
OUTCOME = {"Preference-Applied"}
ONE = "/v1/prescriptions/{prescription_id}"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("post", "/v1/prescriptions", "201"), COUNTED | OUTCOME | {"ETag", "Idempotency-Replayed"}),
        (("post", "/v1/prescriptions", "202"), COUNTED | OUTCOME | {"Location", "Retry-After"}),
        (("post", "/v1/prescriptions", "401"), set()),
        (("post", "/v1/prescriptions", "429"), COUNTED | {"Retry-After"}),
        (("delete", f"{ONE}/items/{{item_id}}", "204"), COUNTED | OUTCOME | {"ETag", "Idempotency-Replayed"}),
        (("patch", f"{ONE}/status", "409"), COUNTED | OUTCOME | {"Retry-After"}),
        (("get", f"{ONE}/pdf", "200"), COUNTED | {"ETag", "Content-Disposition"}),
        (("get", "/v1/prescriptions", "200"), COUNTED),
        (("get", "/v1/requests/{request_id}", "200"), {"Retry-After"}),
        (("get", "/v1/health", "200"), set()),
    ],
)
def test_an_answer_tells_its_headers(call: tuple[str, str, str], told: set[str]) -> None:
    assert headers(*call) == ALWAYS | told
    assert all(one["description"] and one["schema"] for one in DOCUMENT["components"]["headers"].values())


def test_what_speaks_the_language_of_its_reader_says_so() -> None:
    told = {
        f"{method} {path}"
        for path, methods in DOCUMENT["paths"].items()
        for method, one in methods.items()
        if "Accept-Language" in [parameter["name"] for parameter in one["parameters"]]
    }

    assert told >= {f"get {ONE}", f"post {ONE}/safety-check", "post /v1/prescriptions", f"get {ONE}/history"}
    assert not told & {f"post {ONE}/items", "get /v1/prescriptions", "post /v1/medications/search"}


def test_a_check_may_have_an_empty_body() -> None:
    body = DOCUMENT["paths"][f"{ONE}/safety-check"]["post"]["requestBody"]

    assert not body["required"]
    assert list(body["content"]) == ["application/json"]


def test_limits_are_told_in_the_words_of_json_schema() -> None:
    assert set(re.findall(r'"(?:[gl][et]|m(?:in|ax)_length)":', json.dumps(DOCUMENT))) == set()


def test_who_may_call_is_told_where_it_depends_on_what_is_sent() -> None:
    told = DOCUMENT["paths"][f"{ONE}/status"]["patch"]["description"]

    assert [
        flag for flag in ("prescriptions:write", "prescriptions:sign", "dispensing:write") if flag not in told
    ] == []


def test_the_page_for_people_needs_nothing_from_elsewhere_and_shows_every_operation() -> None:
    page = pages.page(DOCUMENT, {"openapi.json": "/openapi.json"})

    assert "<script" not in page
    assert re.findall(r"(?:src|href)='(?!#|/)[^']*'", page) == []
    assert page.count("<section>") == len(operations())
    for path in DOCUMENT["paths"]:
        assert path in page
    for told in (
        "<code>limit</code><td>query<td>integer, 1 to 100",
        "<code>status</code><td>query<td>draft, ",
        "<code>date_to</code><td>query<td>date or date-time</table>",
    ):
        assert told in page
    for code in TABLE.keys() - {"method_not_allowed"}:
        assert f"<a href='#Error.{code}'>" in page
    for name in DOCUMENT["components"]["headers"]:
        assert f"<code>{name}</code>" in page
