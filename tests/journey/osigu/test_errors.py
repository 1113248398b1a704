"""The error table of section 9, row by row, and the order of the checks (osigu-dialect 1.6, 9)."""

from __future__ import annotations

from uuid import uuid4

from tests.journey.osigu.test_patients import ana
from tests.problems import ENTRY_WORDS, entries, word

# As the specification has it, changed by rulings 1.5 (412) and 1.9 (`token_expired`).
SECTION_9 = """
malformed_json invalid_header | 400 | no | dev
invalid_request unsupported_grant_type invalid_scope | 400 | no | dev
invalid_client | 401 | no | admin
token_missing token_invalid | 401 | no | dev
token_expired | 401 | no | dev
insufficient_scope | 403 | no | admin
operation_not_offered | 404 | no | dev
resource_not_found | 404 | no | user
code_not_found | 404 | no | user
method_not_allowed | 405 | no | dev
not_acceptable | 406 | no | dev
payload_too_large | 413 | no | dev
unsupported_media_type | 415 | no | dev
version_mismatch | 412 | no | dev
idempotency_key_reused | 409 | no | dev
patient_exists doctor_exists | 409 | no | user
prescription_not_issued | 409 | no | user
pdf_not_ready | 409 | yes | wait
prescription_voided prescription_expired prescription_dispensed | 409 | no | user
prepared_expired | 409 | no | user
already_being_dispensed | 409 | yes | user
dispensation_already_started | 409 | no | dev
dispensation_completed dispensation_cancelled dispensation_expired | 409 | no | user
void_window_closed | 409 | no | admin
download_link_expired | 410 | no | user
cursor_expired | 410 | no | dev
validation_failed | 422 | no | dev
consent_required | 422 | no | user
patient_not_found patient_conflict | 422 | no | user
doctor_required doctor_mismatch | 422 | no | dev
doctor_not_registered doctor_registration_inactive | 422 | no | admin
version_not_allowed national_repository_not_configured national_repository_mismatch | 422 | no | admin
diagnosis_unknown product_unknown | 422 | no | user
product_not_registered | 422 | no | admin
product_type_not_prescribable controlled_not_allowed | 422 | no | user
safety_blocked | 422 | no | user
signed_hash_required prepared_id_required prepared_content_mismatch | 422 | no | dev
signed_hash_invalid | 422 | no | user
signing_key_not_enrolled signing_authorization_failed | 422 | no | user
registration_rejected | 422 | no | admin
channel_not_configured | 422 | no | admin
no_contact_for_channel | 422 | no | user
code_check_failed | 422 | no | user
beneficiary_mismatch provider_mismatch | 422 | no | dev
line_unknown product_mismatch amount_mismatch quantity_required | 422 | no | dev
over_quantity | 422 | no | user
substitution_incomplete substitution_not_allowed | 422 | no | user
verification_required verification_invalid | 422 | no | user
otp_wrong | 422 | no | user
otp_expired otp_attempts_exceeded | 422 | no | user
unknown_event_type webhook_url_not_allowed | 422 | no | dev
rate_limited code_attempts_exceeded | 429 | yes | wait
internal_error | 500 | yes | ops
dependency_unavailable overloaded | 503 | yes | wait
"""


def specified():
    for line in SECTION_9.strip().splitlines():
        codes, status, retryable, who = line.split(" | ")
        for code in codes.split():
            yield code, (int(status), retryable == "yes", who)


async def test_the_table_is_served_row_by_row(http):
    table = (await http.get("/errors")).json()
    rows = {row["code"]: (row["status"], row["retryable"], row["who"]) for row in table["data"]}

    assert rows == dict(specified())
    assert len(table["data"]) == len(rows)
    assert all(
        set(row) == {"code", "status", "retryable", "who", "meaning"} and row["meaning"]
        for row in table["data"]
    )
    assert not ENTRY_WORDS & set(rows)


async def test_each_row_is_served_alone(http):
    for row in (await http.get("/errors")).json()["data"]:
        one = await http.get(f"/errors/{row['code']}")
        assert (one.status_code, one.json()) == (200, row)
    assert word(await http.get("/errors/nonsense")) == "404 resource_not_found"


async def test_the_first_failing_group_answers(http, whole, clinics):
    """One request that is wrong in every way is mended step by step."""
    reader = await clinics("ehr-read")
    issued = await whole.issue()
    path = f"/ehr/v1/prescriptions/{issued['prescription_id']}/void"
    nowhere = f"/ehr/v1/prescriptions/rx_{'0' * 26}/void"
    key = str(uuid4())
    await whole.post("/ehr/v1/patients", ana(), Idempotency_Key=key)
    broken, json = b"{", {"content-type": "application/json", "idempotency-key": key}
    mine, theirs = f"Bearer {await whole.token()}", f"Bearer {await reader.token()}"

    async def send(path, body, headers, method="POST"):
        return word(await http.request(method, path, content=body, headers=headers))

    assert await send(nowhere, broken, json | {"accept": "text/html"}, "DELETE") == "405 method_not_allowed"
    assert await send(nowhere, broken, json | {"accept": "text/html"}) == "406 not_acceptable"
    assert await send(nowhere, b"{" * 300_000, {"content-type": "text/plain"}) == "413 payload_too_large"
    assert await send(nowhere, broken, {"content-type": "text/plain"}) == "415 unsupported_media_type"
    assert await send(nowhere, broken, json) == "401 token_missing"
    assert await send(nowhere, broken, json | {"authorization": theirs}) == "403 insufficient_scope"
    assert await send(nowhere, broken, json | {"authorization": mine}) == "400 malformed_json"
    assert await send(nowhere, b"{}", json | {"authorization": mine}) == "409 idempotency_key_reused"
    del json["idempotency-key"]
    assert await send(nowhere, b"{}", json | {"authorization": mine}) == "404 resource_not_found"
    assert await send(path, b"{}", json | {"authorization": mine}) == "422 validation_failed"


async def test_content_comes_before_state_and_the_code_named_in_the_body_between(whole, pharmacy):
    issued = await whole.issue()
    started = (await pharmacy.start(issued["prescription_code"])).json()
    await pharmacy.complete(started["dispensation_id"])
    void = f"/ehr/v1/prescriptions/{issued['prescription_id']}/void"

    assert word(await whole.post(void, {})) == "422 validation_failed"
    assert (
        word(await whole.post(void, {"reason": "Rash seen.", "doctor_id": whole.doctor_id}))
        == "409 prescription_dispensed"
    )
    assert entries(await pharmacy.start("AUTH-2026-001234", x=1)) == ["x: unknown_field"]
    assert word(await pharmacy.start("AUTH-2026-001234")) == "404 code_not_found"
    wrong_line = [{"id": "rxi_" + "0" * 26, "price": 1, "taxes": 0, "quantity": 1}]
    assert (
        word(await pharmacy.start(issued["prescription_code"], products=wrong_line))
        == "409 prescription_dispensed"
    )


async def test_the_safety_check_comes_last_and_asks_for_each_blocking_finding(whole):
    order = whole.order(await whole.patient(), "MED-107", "MED-113")
    wrong = await whole.post("/ehr/v1/prescriptions", order | {"zodiac": 1})
    found = (await whole.get("/arc/v1/products?query=acetylsalicylic")).json()["data"]
    order = whole.order(await whole.patient(), "MED-107", found[0]["product_code"])
    blocked = await whole.post("/ehr/v1/prescriptions", order)
    body = blocked.json()

    assert word(wrong) == "422 validation_failed"
    assert word(blocked) == "422 safety_blocked"
    assert entries(blocked) == ["medications[1]: safety_blocked"]
    finding = next(one for one in body["findings"] if one["blocking"])
    assert set(finding) >= {
        *(
            "finding_key",
            "interaction_type",
            "severity",
            "blocking",
            "acknowledged",
            "drug_a",
            "drug_b",
            "paths",
        ),
        *("products", "description", "recommendation", "source"),
    }
    assert finding["paths"] == ["medications[0]", "medications[1]"]
    assert body["errors"][0]["finding_key"] == finding["finding_key"]
    assert "safety_coverage" in body
    assert "safety_not_evaluated" in body
    acknowledged = [
        {"finding_key": one["finding_key"], "reason": "Kept after stent; INR weekly."}
        for one in body["findings"]
    ]
    issued = await whole.post(
        "/ehr/v1/prescriptions",
        order | {"acknowledged_findings": [*acknowledged, {"finding_key": "none", "reason": "nothing"}]},
    )
    told = await whole.read(issued.json()["prescription_id"])
    assert issued.status_code == 201
    assert issued.json()["unmatched_acknowledgements"] == ["none"]
    kept = next(one for one in told["safety_findings"] if one["finding_key"] == finding["finding_key"])
    assert (kept["acknowledged"], kept["reason"], kept["acknowledged_by"]) == (
        True,
        "Kept after stent; INR weekly.",
        whole.doctor_id,
    )
    # Another patient's finding has another key: an acknowledgement cannot be blanket.
    elsewhere = await whole.post(
        "/ehr/v1/prescriptions",
        whole.order(
            await whole.patient(), "MED-107", found[0]["product_code"], acknowledged_findings=acknowledged
        ),
    )
    assert word(elsewhere) == "422 safety_blocked"


async def test_a_provider_that_is_advised_issues_and_is_told(clinics):
    clinic = await clinics("advise")
    found = (await clinic.get("/arc/v1/products?query=acetylsalicylic")).json()["data"]
    issued = await clinic.post(
        "/ehr/v1/prescriptions", clinic.order(await clinic.patient(), "MED-107", found[0]["product_code"])
    )

    assert issued.status_code == 201
    assert [one["acknowledged"] for one in issued.json()["safety_findings"] if one["blocking"]] == [False]
