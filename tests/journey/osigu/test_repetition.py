"""Repeating, waiting less, and asking what became of a request (osigu-dialect 1.7, rulings 1.3, 1.4)."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from tests.infrastructure import until
from tests.journey.osigu.test_patients import ana
from tests.problems import refusal, word

V1 = "/ehr/v1/prescriptions"


async def test_a_repetition_gets_the_first_answer_with_all_its_headers(whole):
    key, order = str(uuid4()), whole.order(await whole.patient())
    first = await whole.post(V1, order, Idempotency_Key=key)
    again = await whole.post(V1, dict(reversed(order.items())), Idempotency_Key=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    for name in ("location", "x-request-id", "content-type"):
        assert first.headers[name] == again.headers[name]


async def test_other_content_under_a_used_key_is_refused(whole, clinics):
    key, patient = str(uuid4()), await whole.patient()
    await whole.post(V1, whole.order(patient), Idempotency_Key=key)
    others = {
        "content": await whole.post(V1, whole.order(patient, notes="else"), Idempotency_Key=key),
        "path": await whole.post("/ehr/v1.1/prescriptions", whole.order(patient), Idempotency_Key=key),
        "query": await whole.post(f"{V1}?a=b", whole.order(patient), Idempotency_Key=key),
        "wrong content": await whole.post(V1, {}, Idempotency_Key=key),
        "unknown id": await whole.post(f"{V1}/rx_0/void", {}, Idempotency_Key=key),
    }
    narrow = await clinics("ehr-write")
    elsewhere = await narrow.post("/ehr/v1/patients", ana(), Idempotency_Key=key)

    assert {name: word(answer) for name, answer in others.items()} == dict.fromkeys(
        others, "409 idempotency_key_reused"
    )
    assert elsewhere.status_code == 201


async def test_a_refused_request_leaves_its_key_free(whole):
    key, order = str(uuid4()), whole.order(await whole.patient())
    refused = await whole.post(V1, order | {"zodiac": 1}, Idempotency_Key=key)
    blocked = await whole.post(V1, order | {"doctor_id": None}, Idempotency_Key=key)
    issued = await whole.post(V1, order, Idempotency_Key=key)

    assert (refused.status_code, blocked.status_code, issued.status_code) == (422, 422, 201)
    assert "idempotency-replayed" not in issued.headers


async def test_every_write_keeps_its_promise_under_a_key(whole, pharmacy):
    issued = await whole.issue()
    patient = ana()
    started = (await pharmacy.start(issued["prescription_code"])).json()
    line = {"id": started["products"][0]["id"], "price": 1, "taxes": 0, "quantity": 5}
    path = f"/dispensing/v1/dispensations/{started['dispensation_id']}"
    writes = (
        (whole, "POST", "/ehr/v1/patients", patient),
        (whole, "POST", "/arc/v1/providers/products", {"product_code": "MED-045"}),
        (whole, "POST", f"{V1}/{issued['prescription_id']}/resend", {"channel": "EMAIL"}),
        (pharmacy, "PUT", path, {"products": [line]}),
        (
            pharmacy,
            "POST",
            f"{path}/complete",
            {"amount": 5, "document_number": "F1", "document_date": "2026-06-26T10:21:00Z"},
        ),
        (pharmacy, "POST", f"{path}/cancel", {"void_reason": "REFUND"}),
        (
            whole,
            "POST",
            f"{V1}/{issued['prescription_id']}/void",
            {"reason": "Rash seen.", "doctor_id": whole.doctor_id},
        ),
    )
    for client, method, where, body in writes:
        key = str(uuid4())
        first = await client.call(method, where, body, Idempotency_Key=key)
        again = await client.call(method, where, body, Idempotency_Key=key)
        assert first.status_code < 300, (where, first.text)
        assert (again.status_code, again.content) == (first.status_code, first.content), where
        assert again.headers.get("idempotency-replayed") == "true", where


async def test_fifty_at_once_under_one_key_are_one(whole):
    key, order = str(uuid4()), whole.order(await whole.patient())
    answers = await asyncio.gather(*(whole.post(V1, order, Idempotency_Key=key) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


async def test_whoever_does_not_wait_is_told_where_to_ask(whole, clinics):
    key, order = str(uuid4()), whole.order(await whole.patient())
    answer = await whole.post(V1, order, Idempotency_Key=key, Prefer="respond-async")
    pending = answer.json()
    location = answer.headers["location"]

    assert answer.status_code == 202
    assert location == f"/v1/requests/{answer.headers['x-request-id']}"
    assert (answer.headers["retry-after"], answer.headers["preference-applied"]) == ("1", "respond-async")
    assert (pending["state"], pending["response"], pending["finished_at"]) == ("PENDING", None, None)

    async def finished():
        return (await whole.get(location)).json()["state"] == "SUCCEEDED"

    await until(finished, 15)
    done = (await whole.get(location)).json()
    found = (await whole.get(f"/v1/requests?idempotency_key={key}")).json()
    repeated = await whole.post(V1, order, Idempotency_Key=key)

    assert set(done) == {
        *("request_id", "state", "method", "path", "idempotency_key", "accepted_at", "finished_at"),
        *("prescription_id", "response"),
    }
    assert (done["method"], done["path"], done["idempotency_key"]) == ("POST", V1, key)
    assert done["response"]["status"] == 201
    assert done["response"]["body"] == repeated.json()
    assert done["response"]["headers"]["Location"] == repeated.headers["location"]
    assert done["prescription_id"] == repeated.json()["prescription_id"]
    assert (found["data"], found["total"]) == ([done], 1)
    stranger = await clinics("advise")
    assert word(await stranger.get(location)) == "404 resource_not_found"
    assert (await stranger.get(f"/v1/requests?idempotency_key={key}")).json()["total"] == 0
    same_provider = await clinics("ehr-read")
    assert word(await same_provider.get(location)) == "404 resource_not_found"


async def test_preferences_that_are_and_are_not_honoured(whole):
    patients = [await whole.patient() for _ in range(6)]
    cases = {
        "wait=30": (201, "wait=30"),
        "wait=61": (201, None),
        "wait=-1": (201, None),
        "wait=soon": (201, None),
        "respond-async, wait=5": (202, "respond-async"),
        "handling=lenient": (201, None),
    }
    answers = await asyncio.gather(
        *(whole.post(V1, whole.order(one), Prefer=said) for one, said in zip(patients, cases, strict=True))
    )

    assert {
        said: (one.status_code, one.headers.get("preference-applied"))
        for said, one in zip(cases, answers, strict=True)
    } == cases
    hurried = await whole.post(V1, whole.order(await whole.patient()), Prefer="wait=0")
    assert (hurried.status_code, hurried.headers["preference-applied"]) == (202, "wait=0")


async def test_content_is_refused_at_once_and_not_recorded(whole):
    answer = await whole.post(
        V1, whole.order("pat_0"), Idempotency_Key=(key := str(uuid4())), Prefer="respond-async"
    )
    instance = refusal(answer)["instance"]

    assert word(answer) == "422 patient_not_found"
    assert word(await whole.get(instance)) == "404 resource_not_found"
    assert (await whole.get(f"/v1/requests?idempotency_key={key}")).json()["total"] == 0


async def test_a_refusal_by_the_domain_is_recorded(whole, pharmacy, other_pharmacy):
    code = (await whole.issue())["prescription_code"]
    await pharmacy.start(code)
    key = str(uuid4())
    refused = await other_pharmacy.post("/dispensing/v1/dispensations", {"code": code}, Idempotency_Key=key)
    recorded = (await other_pharmacy.get(f"/v1/requests?idempotency_key={key}")).json()["data"][0]

    assert word(refused) == "409 already_being_dispensed"
    assert recorded["state"] == "FAILED"
    assert (recorded["response"]["status"], recorded["response"]["body"]) == (409, refused.json())


async def test_looking_up_needs_a_key(whole):
    assert word(await whole.get("/v1/requests")) == "422 validation_failed"
    assert word(await whole.get("/v1/requests/req_" + "0" * 26)) == "404 resource_not_found"
