"""Dispensing: lines, substitutes, amounts, states and races (osigu-dialect 6, rulings 2.5, 2.11, 6.4)."""

from __future__ import annotations

import asyncio

import pytest

from tests.clients import RECEIPT
from tests.problems import entries, refusal, word

DSP = "/dispensing/v1/dispensations"
WHOLE = {
    *(
        "dispensation_id",
        "status",
        "code_type",
        "products",
        "verification_required",
        "code",
        "prescription_id",
    ),
    *(
        "beneficiary_id",
        "sponsor_slug",
        "pharmacy",
        "patient",
        "doctor",
        "currency_code",
        "started_at",
        "expires_at",
    ),
    *("completed_at", "cancelled_at", "cancelled_by", "void_reason", "prescription_status"),
}
PRODUCT = {
    *("product_code", "quantity", "unit_price", "id", "product_name", "posology", "prescribed_quantity"),
    *("remaining_quantity", "substitution_allowed", "price", "taxes"),
}


async def started_by(pharmacy, code, **body):
    answer = await pharmacy.start(code, **body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def line(started, index=0, **changes):
    return {"id": started["products"][index]["id"], "price": 1, "taxes": 0, "quantity": 1} | changes


async def test_a_start_tells_the_pharmacy_what_it_needs_and_no_more(whole, pharmacy):
    patient = await whole.patient(
        document_number=None,
        document_type=None,
        guardian={
            "first_name": "Eva",
            "last_name": "Ruiz",
            "document_type": "CC",
            "document_number": "1000000009",
        },
    )
    issued = [
        await whole.issue(notes="SECRET"),
        (await whole.post("/ehr/v1/prescriptions", whole.order(patient))).json(),
    ]
    told = await started_by(pharmacy, issued[0]["prescription_code"])
    minor = await started_by(pharmacy, issued[1]["prescription_code"])
    read = await pharmacy.get(f"{DSP}/{told['dispensation_id']}")

    assert set(told) >= WHOLE
    assert read.json() == told
    assert (told["status"], told["code_type"], told["verification_required"]) == (
        "STARTED",
        "PRESCRIPTION",
        None,
    )
    assert told["prescription_status"] == "PRESCRIPTION_ISSUED"
    assert (
        told["beneficiary_id"][4:]
        == (await whole.read(issued[0]["prescription_id"]))["patient"]["patient_id"][4:]
    )
    assert told["pharmacy"]["provider_slug"] == "farmacia-sol"
    assert told["pharmacy"]["branch_id"].startswith("branch_")
    assert (told["sponsor_slug"], told["currency_code"]) == (None, "GTQ")
    assert set(told["products"][0]) >= PRODUCT
    product = told["products"][0]
    assert (product["prescribed_quantity"], product["quantity"], product["remaining_quantity"]) == (30, 30, 0)
    assert (product["unit_price"], product["price"]) == (None, None)
    assert set(told["patient"]) == {
        "first_name",
        "last_name",
        "date_of_birth",
        "document_type",
        "document_number",
    }
    assert told["patient"]["document_number"].startswith("*")
    assert not told["patient"]["document_number"][-3:].startswith("*")
    assert set(told["doctor"]) == {"name", "medical_board_registration"}
    for hidden in ("SECRET", "R51", "example.org", "diagnos"):
        assert hidden not in read.text
    assert minor["patient"]["document_number"] is None


async def test_codes_are_read_as_people_write_them(whole, pharmacy):
    code = (await whole.issue())["prescription_code"]
    digits = code[8:]
    wrong_check = code[:-1] + str((int(code[-1]) + 1) % 10)
    swapped = next(
        code[:i] + code[i + 1] + code[i] + code[i + 2 :] for i in range(8, 23) if code[i] != code[i + 1]
    )
    for spelled in (
        f"rx-{code[3:7]} {digits[:4]} {digits[4:8]} {digits[8:12]} {digits[12:]}",
        code.replace("-", ""),
        f" {code} ",
    ):
        found = await pharmacy.get(f"/dispensing/v1/codes/{spelled}")
        assert found.json()["code"] == code, spelled
    for bad in (wrong_check, swapped):
        assert word(await pharmacy.get(f"/dispensing/v1/codes/{bad}")) == "422 code_check_failed"
        assert entries(await pharmacy.start(bad)) == ["code: code_check_failed"]
        assert refusal(await pharmacy.get(f"/dispensing/v1/codes/{bad}"))["errors"][0]["path"] == "path.code"


async def test_a_look_at_a_code_claims_nothing(whole, pharmacy, other_pharmacy):
    issued = await whole.issue()
    path = f"/dispensing/v1/codes/{issued['prescription_code']}"
    seen = await pharmacy.get(path)
    await other_pharmacy.start(issued["prescription_code"])
    again = await pharmacy.get(path)

    assert set(seen.json()) >= {
        *(
            "code",
            "code_type",
            "status",
            "valid_until",
            "patient",
            "doctor",
            "products",
            "dispensing_in_progress",
        )
    }
    assert seen.json()["products"][0]["id"].startswith("rxi_")
    assert (seen.json()["dispensing_in_progress"], again.json()["dispensing_in_progress"]) == (False, True)


async def test_bodies_that_are_refused_before_anything_is_looked_at(whole, pharmacy):
    code = (await whole.issue())["prescription_code"]
    cases = {
        "nothing": ({"code": None}, ["code: required"]),
        "number": ({"code": 7}, ["code: wrong_type"]),
        "beneficiary": ({"beneficiary_id": "ana"}, ["beneficiary_id: beneficiary_mismatch"]),
        "branch": ({"branch_id": "branch_" + "0" * 26}, ["branch_id: invalid_value"]),
        "pin": ({"pin": "1" * 17}, ["pin: too_long"]),
        "currency": ({"currency_code": "quetzal"}, None),
        "no lines": ({"products": []}, ["products: out_of_range"]),
        "empty line": (
            {"products": [{}]},
            [
                "products[0].id: required",
                "products[0].price: required",
                "products[0].taxes: required",
                "products[0].quantity: required",
            ],
        ),
        "verifications": (
            {"external_verifications": [{"type": "PIN"}]},
            ["external_verifications[0].type: invalid_value", "external_verifications[0].value: required"],
        ),
        "unknown": ({"x": 1}, ["x: unknown_field"]),
    }
    for name, (changes, expected) in cases.items():
        answer = await pharmacy.post(DSP, {"code": code} | changes)
        assert answer.status_code == 422, name
        assert expected is None or entries(answer) == expected, name


async def test_lines_are_checked_all_at_once(whole, pharmacy):
    code = (await whole.issue("MED-042", "MED-120"))["prescription_code"]
    started = await started_by(pharmacy, code)
    other = (await started_by(pharmacy, (await whole.issue())["prescription_code"]))["products"][0]["id"]
    cases = {
        "unknown": ([line(started, id="rxi_" + "0" * 26)], ["products[0].id: line_unknown"]),
        "another prescription's": ([line(started, id=other)], ["products[0].id: line_unknown"]),
        "twice": ([line(started), line(started)], ["products[1].id: duplicate"]),
        "product": ([line(started, product_code="MED-120")], ["products[0].product_code: product_mismatch"]),
        "over": ([line(started, quantity=31)], ["products[0].quantity: over_quantity"]),
        "none": ([line(started, quantity=0)], ["products[0].quantity: out_of_range"]),
        "price": (
            [line(started, price=-1, taxes=-0.01)],
            ["products[0].price: out_of_range", "products[0].taxes: out_of_range"],
        ),
        "fifth decimal": ([line(started, price=0.00001)], ["products[0].price: invalid_format"]),
        "text": ([line(started, price="1.00")], ["products[0].price: wrong_type"]),
        "half": (
            [line(started, substitute_product_code="MED-043")],
            ["products[0].substitute_quantity: substitution_incomplete"],
        ),
        "no reason": ([line(started, substitute_product_code="MED-043", substitute_quantity=1)], None),
        "other without text": (
            [
                line(
                    started,
                    substitute_product_code="MED-043",
                    substitute_quantity=1,
                    substitution_reason_enum="OTHER",
                )
            ],
            None,
        ),
        "reason": (
            [
                line(
                    started,
                    substitute_product_code="MED-043",
                    substitute_quantity=1,
                    substitution_reason_enum="X",
                )
            ],
            ["products[0].substitution_reason_enum: invalid_value"],
        ),
        "not in the catalogue": (
            [
                line(
                    started,
                    substitute_product_code="MED-999",
                    substitute_quantity=1,
                    substitution_reason_enum="OUT_OF_STOCK",
                )
            ],
            ["products[0].substitute_product_code: product_unknown"],
        ),
        "many": (
            [
                line(
                    started,
                    substitute_product_code="MED-043",
                    substitute_quantity=10_000,
                    substitution_reason_enum="OUT_OF_STOCK",
                )
            ],
            ["products[0].substitute_quantity: out_of_range"],
        ),
        "both wrong": (
            [line(started, quantity=31), line(started, 1, product_code="MED-042")],
            ["products[0].quantity: over_quantity", "products[1].product_code: product_mismatch"],
        ),
    }
    path = f"{DSP}/{started['dispensation_id']}"
    for name, (lines, expected) in cases.items():
        answer = await pharmacy.call("PUT", path, {"products": lines})
        assert answer.status_code == 422, name
        told = entries(answer)
        if expected is None:
            assert {one.partition(": ")[2] for one in told} <= {"substitution_incomplete", "required"}, (
                name,
                told,
            )
        elif name == "half":
            assert told[0].endswith(("substitution_incomplete", "required")), told
        else:
            assert told == expected, name
    over = await pharmacy.call("PUT", path, {"products": [line(started, quantity=31)]})
    assert over.json()["errors"][0]["remaining_quantity"] == 30
    assert entries(await pharmacy.call("PUT", path, {})) == ["products: required"]
    assert (await pharmacy.get(path)).json()["products"][0]["quantity"] == 30


@pytest.mark.parametrize(
    ("policy", "allowed", "substitute", "expected"),
    [
        ("full", True, "MED-043", 200),
        ("full", True, "MED-044", 422),
        ("full", False, "MED-043", 422),
        ("free", True, "MED-044", 200),
        ("free", False, "MED-044", 422),
        ("narrow", True, "MED-043", 422),
    ],
)
async def test_a_substitute_is_as_free_as_prescriber_and_provider_say(
    clinics, pharmacy, policy, allowed, substitute, expected
):
    clinic = await clinics(policy)
    order = clinic.order(await clinic.patient(), patient_data_consent=True)
    order["medications"][0]["substitution_allowed"] = allowed
    issued = (await clinic.post("/ehr/v1.1/prescriptions", order)).json()
    started = await started_by(pharmacy, issued["prescription_code"])
    answer = await pharmacy.update(
        started["dispensation_id"],
        line(
            started,
            quantity=30,
            substitute_product_code=substitute,
            substitute_quantity=15,
            substitution_reason_enum="OUT_OF_STOCK",
        ),
    )

    assert answer.status_code == expected
    if expected == 422:
        assert word(answer) == "422 substitution_not_allowed"
        return
    done = await pharmacy.complete(started["dispensation_id"], amount=15)
    told = (await clinic.read(issued["prescription_id"]))["medications"][0]
    assert done.json()["products"][0]["substitute_product_code"] == substitute
    assert told["dispensation_status"] == "SUBSTITUTED"
    log = told["prescription_item_dispensation_logs"][0]
    assert (log["substitution_reason"], log["dispensation_product_id"]) == ("OUT_OF_STOCK", substitute)


async def test_amounts_are_exact_and_rounded_half_up(whole, pharmacy):
    cases = [
        # price, taxes, units, substitute units, the amount that is right, one that is not
        (0.85, 2.04, 20, None, 19.04, 19.03),
        (0.1, 0.2, 3, None, 0.50, 0.5001),
        (0.0015, 0, 30, None, 0.05, 0.04),  # 0.045: half up
        (1.005, 0, 1, None, 1.01, 1.00),
        (2, 0, 10, 4, 8, 20),
        (0, 0, 30, None, 0, 0.01),
        (9999.9999, 0.0001, 1, None, 10000, 9999.9999),
    ]
    for price, taxes, units, substitute, right, wrong in cases:
        started = await started_by(pharmacy, (await whole.issue())["prescription_code"])
        more = (
            {}
            if substitute is None
            else {
                "substitute_product_code": "MED-043",
                "substitute_quantity": substitute,
                "substitution_reason": "None left",
            }
        )
        updated = await pharmacy.update(
            started["dispensation_id"], line(started, price=price, taxes=taxes, quantity=units, **more)
        )
        assert updated.status_code == 200, updated.text
        refused = await pharmacy.complete(started["dispensation_id"], amount=wrong)
        done = await pharmacy.complete(started["dispensation_id"], amount=right)
        assert (word(refused), entries(refused)) == ("422 amount_mismatch", ["amount: amount_mismatch"]), (
            price
        )
        assert done.status_code == 200, (price, done.text)
        assert done.json()["amount"] == right
        assert done.json()["products"][0]["unit_price"] == price


async def test_what_complete_refuses(whole, pharmacy):
    started = await started_by(pharmacy, (await whole.issue())["prescription_code"])
    path = f"{DSP}/{started['dispensation_id']}/complete"
    cases = {
        "nothing": (
            {"amount": None, "document_number": None, "document_date": None},
            ["amount: required", "document_number: required", "document_date: required"],
        ),
        "forms": (
            {"amount": "1", "document_number": 1, "document_date": "2026-06-26T10:21:00"},
            ["amount: wrong_type", "document_number: wrong_type", "document_date: invalid_format"],
        ),
        "limits": (
            {
                "amount": -1,
                "document_number": "1" * 65,
                "document_serial": "1" * 65,
                "document_digital_signature": "1" * 4097,
                "provider_transaction_id": "1" * 129,
            },
            [
                "amount: out_of_range",
                "document_number: too_long",
                "document_serial: too_long",
                "document_digital_signature: too_long",
                "provider_transaction_id: too_long",
            ],
        ),
        "another provider": ({"provider_slug": "farmacia-luna"}, ["provider_slug: provider_mismatch"]),
        "unknown": ({"x": 1}, ["x: unknown_field"]),
    }
    for name, (changes, expected) in cases.items():
        assert entries(await pharmacy.post(path, RECEIPT | changes)) == expected, name
    done = await pharmacy.post(
        path,
        RECEIPT
        | {"provider_slug": "farmacia-sol", "document_serial": "A", "otp_verification_token": "ignored"},
    )
    assert done.status_code == 200


async def test_repeating_a_completion_compares_the_receipt(whole, pharmacy):
    started = await started_by(pharmacy, (await whole.issue())["prescription_code"])
    first = await pharmacy.complete(started["dispensation_id"])
    again = await pharmacy.complete(started["dispensation_id"])
    other = await pharmacy.complete(started["dispensation_id"], document_number="F-2")

    assert (first.status_code, again.status_code, word(other)) == (200, 200, "409 dispensation_completed")
    assert first.json() == again.json()
    assert (
        word(await pharmacy.update(started["dispensation_id"], line(started))) == "409 dispensation_completed"
    )


async def test_starting_again_compares_the_lines(whole, pharmacy):
    code = (await whole.issue("MED-042", "MED-120"))["prescription_code"]
    started = await started_by(pharmacy, code)
    full = [line(started, index, quantity=30) for index in range(2)]
    same = await pharmacy.start(code, products=full)
    other = await pharmacy.start(code, products=[line(started)])
    await pharmacy.update(started["dispensation_id"], line(started, quantity=5))
    now_same = await pharmacy.start(code, products=[line(started, quantity=5)])

    assert same.status_code == 200
    assert word(other) == "409 dispensation_already_started"
    assert refusal(other)["dispensation_id"] == started["dispensation_id"]
    assert now_same.status_code == 200
    assert now_same.json()["expires_at"] == started["expires_at"]


async def test_another_pharmacy_is_told_when_and_not_who(whole, pharmacy, other_pharmacy):
    code = (await whole.issue())["prescription_code"]
    started = await started_by(pharmacy, code)
    refused = await other_pharmacy.start(code)
    body = refusal(refused)

    assert (body["code"], body["retryable"]) == ("already_being_dispensed", True)
    assert body["claim_expires_at"] == started["expires_at"]
    assert 0 < int(refused.headers["retry-after"]) <= 1800
    assert "farmacia" not in refused.text
    path = f"{DSP}/{started['dispensation_id']}"
    for answer in (
        await other_pharmacy.get(path),
        await other_pharmacy.complete(started["dispensation_id"]),
        await other_pharmacy.cancel(started["dispensation_id"]),
        await other_pharmacy.update(started["dispensation_id"], line(started)),
        await other_pharmacy.get(f"{path}/verification-status"),
    ):
        assert word(answer) == "404 resource_not_found"


async def test_the_race_table_row_by_row(whole, pharmacy, other_pharmacy):
    """What each side gets, in the order in which they came (6.5); the rows of time are with the clock."""

    async def case(*acts):
        issued = await whole.issue()
        void = {"reason": "Rash seen.", "doctor_id": whole.doctor_id}
        started = None
        answers = []
        for act in acts:
            match act:
                case "start":
                    answer = await pharmacy.start(issued["prescription_code"])
                    started = answer.json() if answer.status_code == 201 else started
                case "other start":
                    answer = await other_pharmacy.start(issued["prescription_code"])
                case "void":
                    answer = await whole.post(f"/ehr/v1/prescriptions/{issued['prescription_id']}/void", void)
                case "complete":
                    answer = await pharmacy.complete(started["dispensation_id"])
                case "put":
                    answer = await pharmacy.update(started["dispensation_id"], line(started, price=0))
                case "cancel":
                    answer = await pharmacy.cancel(started["dispensation_id"])
                case "take back":
                    answer = await pharmacy.cancel(started["dispensation_id"], void_reason="REFUND")
            answers.append(word(answer))
        status = (await whole.read(issued["prescription_id"]))["status"].removeprefix("PRESCRIPTION_")
        return [*answers, status]

    table = {
        ("start", "other start"): ["201", "409 already_being_dispensed", "ISSUED"],
        ("start", "void"): ["201", "200", "VOIDED"],
        ("void", "start"): ["200", "409 prescription_voided", "VOIDED"],
        ("start", "void", "complete"): ["201", "200", "409 prescription_voided", "VOIDED"],
        ("start", "void", "put"): ["201", "200", "409 prescription_voided", "VOIDED"],
        ("start", "void", "cancel"): ["201", "200", "200", "VOIDED"],
        ("start", "complete", "void"): ["201", "200", "409 prescription_dispensed", "DISPENSED"],
        ("start", "complete", "other start"): ["201", "200", "409 prescription_dispensed", "DISPENSED"],
        ("start", "complete", "start"): ["201", "200", "409 prescription_dispensed", "DISPENSED"],
        ("start", "put", "complete", "void"): ["201", "200", "200", "200", "VOIDED"],
        ("start", "put", "complete", "other start"): ["201", "200", "200", "201", "PARTIALLY_DISPENSED"],
        ("start", "cancel", "complete"): ["201", "200", "409 dispensation_cancelled", "ISSUED"],
        ("start", "cancel", "put"): ["201", "200", "409 dispensation_cancelled", "ISSUED"],
        ("start", "cancel", "cancel", "start"): ["201", "200", "200", "201", "ISSUED"],
        ("start", "complete", "take back", "other start"): ["201", "200", "200", "201", "ISSUED"],
        ("start", "complete", "take back", "take back"): ["201", "200", "200", "200", "ISSUED"],
        ("start", "complete", "cancel"): ["201", "200", "422 validation_failed", "DISPENSED"],
        ("start", "put", "complete", "void", "take back"): ["201", "200", "200", "200", "200", "VOIDED"],
        ("void", "void", "other start"): ["200", "200", "409 prescription_voided", "VOIDED"],
    }
    found = await asyncio.gather(*(case(*acts) for acts in table))

    assert dict(zip(table, found, strict=True)) == table


async def test_a_taken_back_part_gives_its_units_back(whole, pharmacy, other_pharmacy):
    issued = await whole.issue()
    first = await started_by(pharmacy, issued["prescription_code"])
    await pharmacy.update(first["dispensation_id"], line(first, quantity=12, price=0))
    await pharmacy.complete(first["dispensation_id"])
    second = await started_by(other_pharmacy, issued["prescription_code"])
    taken_back = await pharmacy.cancel(
        first["dispensation_id"], void_reason="REFUND", void_description="d" * 500
    )
    await other_pharmacy.complete(second["dispensation_id"])
    told = (await whole.read(issued["prescription_id"]))["medications"][0]

    assert second["products"][0]["quantity"] == 18
    assert taken_back.status_code == 200
    assert (told["dispensed_quantity"], told["remaining_quantity"], told["dispensation_status"]) == (
        18,
        12,
        "PARTIALLY_DISPENSED",
    )
    actions = [log["action_slug_registered"] for log in told["prescription_item_dispensation_logs"]]
    assert sorted(actions) == ["dispensation-cancelled", "dispensation-completed", "dispensation-completed"]


async def test_own_dispensations_are_listed(whole, pharmacy, other_pharmacy):
    code = (await whole.issue())["prescription_code"]
    started = await started_by(pharmacy, code)
    mine = (await pharmacy.get(f"{DSP}?code={code}")).json()

    assert [one["dispensation_id"] for one in mine["data"]] == [started["dispensation_id"]]
    assert (await other_pharmacy.get(f"{DSP}?code={code}")).json()["total"] == 0
    assert (await pharmacy.get(f"{DSP}?code={code}&status=COMPLETED")).json()["data"] == []
    assert (await pharmacy.get(f"{DSP}?code={code}&status=STARTED")).json()["total"] == 1
    assert (await pharmacy.get(f"{DSP}?limit=1")).json()["data"][0]["dispensation_id"] == started[
        "dispensation_id"
    ]
    assert entries(await pharmacy.get(f"{DSP}?status=DONE")) == ["query.status: invalid_value"]
    assert (await pharmacy.get(f"{DSP}/{started['dispensation_id']}/verification-status")).json() == {
        "dispensation_id": started["dispensation_id"],
        "verification_required": None,
        "verification_status": "NOT_REQUIRED",
        "verified_at": None,
    }


async def test_a_hundred_parts_at_once_never_take_more_than_there_is(whole, pharmacy, other_pharmacy):
    issued = await whole.issue()
    code = issued["prescription_code"]

    async def nibble(who):
        answer = await who.start(code)
        if answer.status_code in (200, 201):
            started = answer.json()
            await who.update(
                started["dispensation_id"],
                line(started, quantity=min(7, started["products"][0]["quantity"]), price=0),
            )
            await who.complete(started["dispensation_id"])
        return answer.status_code

    codes = await asyncio.gather(*(nibble(who) for _ in range(50) for who in (pharmacy, other_pharmacy)))
    told = (await whole.read(issued["prescription_id"]))["medications"][0]

    assert max(codes) < 500
    assert told["dispensed_quantity"] + told["remaining_quantity"] == 30
    assert told["remaining_quantity"] >= 0
    logs = told["prescription_item_dispensation_logs"]
    assert sum(log["dispensed_quantity"] for log in logs) in (
        told["dispensed_quantity"],
        logs[-1]["dispensed_quantity"],
    )
