"""What holds for every call (2.1 to 2.3, 2.8): bodies, types, paths, and which failure answers first."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.journey.delphos.desk import AMOXICILLIN, Desk, drug, raw, refusal, soon, word

NOBODY = "7b1f0c9e-2d34-4a6b-8c1d-5e6f7a8b9c0d"
CREATE = "/prescriptions"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_that_is_not_json_is_refused(desk: Desk, kind: str) -> None:
    sent = {"content_type": kind} if kind else {"content_type": ""}
    assert word(await desk.call("POST", CREATE, b"{}", **sent)) == "415 unsupported_media_type"


async def test_json_may_name_its_charset(desk: Desk) -> None:
    answer = await desk.call("POST", CREATE, b"{}", content_type="application/json; charset=utf-8")
    assert answer.status_code == 422


async def test_a_body_beyond_256_kib_is_refused(desk: Desk) -> None:
    body = raw({"notes": "x" * (256 * 1024)})
    assert word(await desk.call("POST", CREATE, body)) == "413 payload_too_large"
    assert word(await desk.call("POST", "/medications/search", body)) == "413 payload_too_large"


async def test_a_consultation_may_have_a_mebibyte(desk: Desk) -> None:
    """Ruling 3.5."""
    entities = [{"text": "x" * 3900, "medication_name": f"Remedio {n}"} for n in range(100)]
    id, patient = await desk.consultation(*entities)
    assert UUID(id)
    assert UUID(patient)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"doctor_id": 1, "doctor_id": 2}',
        '{"items": {"a": 1, "a": 1}}',
        "\ufeff{}",
    ],
)
async def test_what_cannot_be_read_is_400(desk: Desk, text: str) -> None:
    assert word(await desk.call("POST", CREATE, text.encode())) == "400 malformed_json"


@pytest.mark.parametrize("body", [b'{"notes": "\xff"}', b'{"notes": "\\ud800"}'])
async def test_text_that_is_not_unicode_is_refused(desk: Desk, body: bytes) -> None:
    answer = await desk.call("POST", CREATE, body)
    assert answer.status_code in (400, 422)
    assert refusal(answer)["retryable"] is False


@pytest.mark.parametrize("body", [[], "text", 7, None])
async def test_a_body_is_an_object(desk: Desk, body: Any) -> None:
    assert (await desk.call("POST", CREATE, body)).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/prescriptions/"),
        ("POST", "/prescriptions/stream"),
        ("GET", f"/prescriptions/{NOBODY}/nothing"),
        ("POST", "/drug-interactions"),
    ],
)
async def test_an_unknown_path_is_404_before_any_key(strangers: Any, method: str, path: str) -> None:
    answer = await strangers.request(method, f"/v1{path}", follow_redirects=False)
    assert word(answer) == "404 resource_not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/prescriptions", {"GET", "POST"}),
        ("GET", "/prescriptions/auto-create", {"POST"}),
        ("GET", "/prescriptions/from-template", {"POST"}),
        ("PUT", f"/prescriptions/{NOBODY}", {"GET", "PATCH"}),
        ("POST", f"/prescriptions/{NOBODY}/status", {"PATCH"}),
        ("GET", "/medications/search", {"POST"}),
        ("POST", f"/patients/{NOBODY}", {"GET", "PUT"}),
        ("PATCH", f"/templates/{NOBODY}", {"GET", "DELETE"}),
    ],
)
async def test_another_method_is_405_before_any_key(
    strangers: Any, method: str, path: str, allowed: set[str]
) -> None:
    answer = await strangers.request(method, f"/v1{path}")
    assert word(answer) == "405 method_not_allowed"
    assert {one.strip() for one in answer.headers["allow"].split(",")} - {"HEAD", "OPTIONS"} == allowed


async def test_every_answer_has_an_id_made_here(desk: Desk) -> None:
    mine = str(uuid4())
    seen = [await desk.call("GET", "/prescriptions", x_request_id=mine) for _ in range(2)]
    ids = {one.headers["x-request-id"] for one in seen}
    assert len(ids) == 2
    assert mine not in ids
    assert all(UUID(one) for one in ids)
    assert all(one.headers["cache-control"] == "no-store" for one in seen)


@pytest.mark.parametrize("spelled", ["{%s}", "urn:uuid:%s", "hex"])
async def test_an_id_has_one_spelling(desk: Desk, spelled: str) -> None:
    id = await desk.draft()
    other = id.replace("-", "") if spelled == "hex" else spelled % id
    assert (await desk.call("GET", f"/prescriptions/{other}")).status_code == 422


async def test_an_id_is_taken_in_either_case_and_returned_in_lower(desk: Desk) -> None:
    id = await desk.draft()
    assert (await desk.read(id.upper()))["id"] == id


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"note": "x"}, "422 extra_forbidden body.note"),
        ({"origin": "Manual"}, "422 enum body.origin"),
        ({"prescription_type": "blue"}, "422 enum body.prescription_type"),
        ({"patient_id": 7}, "422 uuid_type body.patient_id"),
        ({"patient_id": "x"}, "422 uuid_parsing body.patient_id"),
    ],
)
async def test_a_create_is_read_strictly(desk: Desk, changes: dict[str, Any], said: str) -> None:
    body = {"patient_id": await desk.patient(), "doctor_id": desk.doctor} | changes
    kind, _, where = said.removeprefix("422 ").partition(" ")
    (entry,) = refusal(await desk.call("POST", CREATE, body))["detail"]
    assert ".".join(map(str, entry["loc"])) == where
    assert entry["type"].partition("_")[0] == kind.partition("_")[0] or entry["type"] == "literal_error"


async def test_all_failures_of_shape_are_told_together(desk: Desk) -> None:
    told = refusal(await desk.call("POST", CREATE, {"notes": 7, "x": 1, "origin": "?"}))["detail"]
    assert {one["loc"][-1] for one in told} == {"patient_id", "doctor_id", "notes", "x", "origin"}
    assert not any("?" in one["msg"] for one in told)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", "21"),
        ("quantity", 21.0),
        ("quantity", True),
        ("quantity", 0),
        ("quantity", 1_000_001),
        ("quantity", 2**70),
        ("medication_name", ""),
        ("medication_name", "  \n "),
        ("medication_name", 7),
        ("medication_name", "x" * 501),
        ("medication_name", "a\u0000b"),
        ("medication_name", "a\u0007b"),
        ("medication_name", None),
        ("dosage", "x" * 201),
        ("dosage", None),
        ("frequency", "x" * 201),
        ("duration", "x" * 201),
        ("route", "x" * 101),
        ("unit", "x" * 101),
        ("instructions", "x" * 4001),
        ("clinical_notes", "x" * 4001),
        ("cmed_medication_id", "x"),
        ("dosage_unit", "mg"),
    ],
)
async def test_an_item_is_read_strictly(desk: Desk, field: str, value: Any) -> None:
    id = await desk.draft()
    told = refusal(await desk.call("POST", f"/prescriptions/{id}/items", AMOXICILLIN | {field: value}))
    assert [one["loc"] for one in told["detail"]] == [["body", field]]
    assert (await desk.read(id))["items"] == []


async def test_lengths_count_characters_and_text_is_kept_normal_and_trimmed(desk: Desk) -> None:
    id = await desk.draft()
    body = drug("💊" * 500, unit="  ", instructions=" uma\r\nduas\t ", clinical_notes="cafe\u0301")
    item = await desk.ok("POST", f"/prescriptions/{id}/items", body)
    assert (item["medication_name"], item["unit"]) == ("💊" * 500, None)
    assert (item["instructions"], item["clinical_notes"]) == ("uma\nduas", "café")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2099-05-14T23:59:00Z", "2099-05-14T23:59:00Z"),
        ("2099-05-14T23:59:00.120000-03:00", "2099-05-15T02:59:00.12"),
        ("2099-05-14t23:59:00z", "2099-05-14T23:59:00Z"),
    ],
)
async def test_a_moment_comes_back_in_utc(desk: Desk, sent: str, kept: str) -> None:
    id = await desk.draft()
    read = await desk.ok("PATCH", f"/prescriptions/{id}", {"valid_until": sent})
    assert read["valid_until"].startswith(kept)
    assert read["valid_until"].endswith("Z")


@pytest.mark.parametrize(
    "sent", ["2099-05-14T23:59:00", "2099-05-14", 4_000_000_000, "soon", "2099-02-30T00:00:00Z"]
)
async def test_a_moment_needs_its_offset(desk: Desk, sent: Any) -> None:
    id = await desk.draft()
    told = refusal(await desk.call("PATCH", f"/prescriptions/{id}", {"valid_until": sent}))
    assert told["detail"][0]["loc"] == ["body", "valid_until"]
    assert told["detail"][0]["type"] != "not_in_future"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=1.0",
        "offset=-1",
        "limit=1&limit=2",
        "colour=blue",
        "status=nothing",
        "status=draft&status=signed",
        "patient_id=x",
        "date_from=yesterday",
        "date_from=2026-05-02&date_to=2026-05-01",
        "date_from=2026-05-02T10:00:00",
    ],
)
async def test_a_query_is_read_strictly(desk: Desk, query: str) -> None:
    answer = await desk.call("GET", f"/prescriptions?{query}")
    assert answer.status_code == 422, answer.text
    assert refusal(answer)["detail"][0]["loc"][0] == "query"


async def test_beyond_the_end_a_list_is_empty_however_far(desk: Desk) -> None:
    id = await desk.draft()
    for path in ("/prescriptions", "/templates", f"/prescriptions/{id}/history"):
        found = await desk.ok("GET", f"{path}?offset={10**18}")
        assert [rows for rows in found.values() if isinstance(rows, list)] == [[]]
        assert found["offset"] == 10**18


@pytest.mark.parametrize("path", ["/templates", f"/prescriptions/{NOBODY}/history"])
async def test_every_list_has_the_same_limits(desk: Desk, path: str) -> None:
    assert (await desk.call("GET", f"{path}?limit=101")).status_code == 422
    assert (await desk.call("GET", f"{path}?offset=-1")).status_code == 422


@pytest.mark.parametrize("header", ["x", '"1', "1", '"a"', '"1", "2"', 'W/"1"'])
async def test_an_if_match_that_cannot_be_read_is_400(desk: Desk, header: str) -> None:
    id = await desk.draft()
    answer = await desk.call("PATCH", f"/prescriptions/{id}", {"notes": "x"}, if_match=header)
    assert word(answer) == "400 invalid_header"


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "caf\u00e9"])
async def test_an_idempotency_key_that_cannot_be_read_is_400(desk: Desk, key: str) -> None:
    id = await desk.draft()
    sent = {"Idempotency-Key": key.encode("latin-1"), "content-type": "application/json"}
    answer = await desk.http.patch(f"/v1/prescriptions/{id}", content=b"{}", headers=sent)
    assert word(answer) == "400 invalid_header"


async def test_the_first_failing_check_answers(desk: Desk, desks: Any, strangers: Any) -> None:
    """Each call has every fault of the calls after it."""
    signed = await desk.up_to("signed")
    path = f"/v1/prescriptions/{signed}/status"
    reader = await desks("prescriptions:read")
    writer = await desks("prescriptions:write")
    big, text = b"x" * (257 * 1024), {"content-type": "text/plain"}
    assert word(await strangers.patch(path, content=big, headers=text)) == "413 payload_too_large"
    assert word(await strangers.patch(path, content=b"{", headers=text)) == "415 unsupported_media_type"
    bad = {"content-type": "application/json"}
    assert word(await strangers.patch(path, content=b"{", headers=bad)) == "401 invalid_api_key"
    metadata = f"/v1/prescriptions/{signed}"
    assert word(await reader.http.patch(metadata, content=b"{", headers=bad)) == "403 permission_denied"
    assert word(await writer.http.patch(path, content=b"{", headers=bad)) == "400 malformed_json"
    missing = await writer.http.patch(path, json={"status": "signed"})
    assert word(missing) == "422 missing body.signed_by"
    nobody = f"/v1/prescriptions/{NOBODY}/status"
    body = {"status": "signed", "signed_by": NOBODY}
    stale = {"if-match": '"77"'}
    denied = await writer.http.patch(nobody, json=body, headers=stale)
    assert (word(denied), denied.json()["required"]) == ("403 permission_denied", "prescriptions:sign")
    assert word(await desk.http.patch(nobody, json=body, headers=stale)) == "404 resource_not_found"
    assert word(await desk.http.patch(path, json=body, headers=stale)) == "412 version_mismatch"
    assert word(await desk.http.patch(path, json=body)) == "409 invalid_transition"
    validated = await desk.up_to("validated")
    answer = await desk.call("PATCH", f"/prescriptions/{validated}/status", body)
    assert word(answer) == "422 unknown_reference body.signed_by"


async def test_references_come_before_other_conflicts(desk: Desk, desks: Any) -> None:
    narrow = await desks("narrow")
    id = await narrow.draft(AMOXICILLIN, drug("Losartana"))
    unknown = drug("Dipirona", cmed_medication_id=NOBODY)
    path = f"/prescriptions/{id}/items"
    assert word(await narrow.call("POST", path, unknown)) == "422 unknown_reference body.cmed_medication_id"
    assert word(await narrow.call("POST", path, drug("Dipirona"))) == "409 items_limit"


async def test_an_empty_change_changes_nothing(desk: Desk) -> None:
    id = await desk.draft(AMOXICILLIN)
    before = await desk.settled(id)
    item = before["items"][0]["id"]
    for path in (f"/prescriptions/{id}", f"/prescriptions/{id}/items/{item}"):
        answer = await desk.call("PATCH", path, {})
        assert (answer.status_code, answer.headers["etag"]) == (200, f'"{before["version"]}"')
    assert await desk.read(id) == before


async def test_null_clears_what_may_be_empty(desk: Desk) -> None:
    id = await desk.draft(AMOXICILLIN | {"unit": "capsulas"}, notes="x")
    item = (await desk.read(id))["items"][0]["id"]
    await desk.ok("PATCH", f"/prescriptions/{id}", {"valid_until": soon()})
    cleared = await desk.ok("PATCH", f"/prescriptions/{id}", {"notes": None, "valid_until": None})
    assert (cleared["notes"], cleared["valid_until"]) == (None, None)
    path = f"/prescriptions/{id}/items/{item}"
    assert (await desk.ok("PATCH", path, {"unit": None, "quantity": None}))["unit"] is None
    assert (await desk.call("PATCH", path, {"dosage": None})).status_code == 422
    assert (await desk.call("PATCH", f"/prescriptions/{id}", {"prescription_type": None})).status_code == 422
