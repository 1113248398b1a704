"""The token endpoint, and who gets through the door, on a real Postgres."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from contracts.signing_events import SealKeyPublished
from services.gateway.auth.door import Door
from services.gateway.auth.keys import VERIFIES_AFTER
from services.gateway.auth.tokens import key_id_of
from services.gateway.messages.errors import Problem
from services.gateway.operator import provisioning
from services.gateway.operator.provisioning import Limits
from services.gateway.operator.words import parser
from services.gateway.store import token_keys
from shared import clock, database
from tests.gateway import (
    BASE_URL,
    CLINIC_CLIENT,
    DOCTOR_CLIENT,
    NORTE,
    PHARMACY_CLIENT,
    SECRET_KEY,
    Serving,
    serving,
)
from tests.infrastructure import Database

TOKEN = "/v1/oauth/token"
PATIENTS = "/ehr/v1/patients?document_number=1"


@pytest.fixture(autouse=True)
def present() -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
async def gateway(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway"), limits=Limits(per_minute=50, per_second=20)) as found:
        yield found


async def test_a_client_gets_a_token_that_the_published_key_verifies(gateway: Serving) -> None:
    answer = await gateway.token(DOCTOR_CLIENT)

    token = answer.json()
    assert (answer.status_code, token["token_type"], token["expires_in"]) == (200, "bearer", 3_600)
    assert answer.headers["cache-control"] == "no-store"
    key_set = KeySet.import_key_set((await gateway.http.get("/.well-known/jwks.json")).json())
    claims = jwt.decode(token["access_token"], key_set, algorithms=["ES256"]).claims
    assert (claims["iss"], claims["aud"], claims["sub"]) == (BASE_URL, BASE_URL, DOCTOR_CLIENT)
    assert (claims["provider_slug"], claims["environment"]) == (NORTE, "sandbox")
    assert claims["doctor_id"].startswith("doc_")
    assert claims["exp"] - claims["iat"] == 3_600
    assert "doctor_id" not in _claims(await gateway.token(CLINIC_CLIENT), key_set)


def _claims(answer: object, key_set: KeySet) -> dict[str, object]:
    return jwt.decode(answer.json()["access_token"], key_set, algorithms=["ES256"]).claims  # type: ignore[attr-defined]


async def test_the_grant_may_stand_in_the_query_with_an_empty_body(gateway: Serving) -> None:
    answer = await gateway.http.post(
        f"{TOKEN}?grant_type=client_credentials", auth=(CLINIC_CLIENT, gateway.secrets[CLINIC_CLIENT])
    )

    assert answer.status_code == 200


async def test_a_scope_parameter_narrows_and_never_widens(gateway: Serving) -> None:
    narrowed = await gateway.token(CLINIC_CLIENT, scope="ehr:read")
    included = await gateway.token(PHARMACY_CLIENT, scope="dispensing:read")
    refused = await gateway.token(CLINIC_CLIENT, scope="ehr:read dispensing:write")

    assert (narrowed.json()["scope"], included.json()["scope"]) == ("ehr:read", "dispensing:read")
    assert (refused.status_code, refused.json()["error"], refused.json()["code"]) == (
        400,
        "invalid_scope",
        "invalid_scope",
    )
    gateway.tokens[CLINIC_CLIENT] = narrowed.json()["access_token"]
    written = await gateway.post(CLINIC_CLIENT, "/ehr/v1/patients", {})
    assert (written.status_code, written.json()["code"]) == (403, "insufficient_scope")
    assert 'scope="ehr:write"' in written.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_secret": "x"}, 401, "invalid_client"),
    ],
)
async def test_what_is_not_served_is_refused_as_rfc_6749_says(
    gateway: Serving, form: dict[str, str], status: int, error: str
) -> None:
    answer = await gateway.http.post(TOKEN, data=form, auth=(CLINIC_CLIENT, gateway.secrets[CLINIC_CLIENT]))

    found = answer.json()
    assert (answer.status_code, found["error"], found["code"]) == (status, error, error)
    assert found["error_description"] == found["message"]


async def test_wrong_credentials_of_any_kind_look_alike(gateway: Serving) -> None:
    async with database.transaction(gateway.owner) as conn:
        await provisioning.disable_client(conn, DOCTOR_CLIENT)
    form = {"grant_type": "client_credentials"}

    answers = [
        await gateway.http.post(TOKEN, data=form),
        await gateway.http.post(TOKEN, data=form, auth=("nobody", "x")),
        await gateway.http.post(TOKEN, data=form, auth=(CLINIC_CLIENT, "x")),
        await gateway.http.post(TOKEN, data=form, auth=(DOCTOR_CLIENT, gateway.secrets[DOCTOR_CLIENT])),
        await gateway.http.post(TOKEN, data=form, headers={"Authorization": "Basic %%%"}),
        await gateway.http.post(
            TOKEN, data=form, headers={"Authorization": "Basic " + b64encode(b"\xff").decode()}
        ),
    ]

    assert {(one.status_code, one.json()["error"]) for one in answers} == {(401, "invalid_client")}
    assert len({one.content for one in answers}) == 1
    assert all(one.headers["www-authenticate"].startswith("Basic") for one in answers)


async def test_the_eleventh_token_request_in_a_minute_waits_whoever_else_fails(gateway: Serving) -> None:
    for _ in range(12):
        await gateway.http.post(
            TOKEN, data={}, auth=(CLINIC_CLIENT, "wrong"), headers={"X-Forwarded-For": "10.0.0.9"}
        )
    # The stranger's failures came from the same address here; the client's own elsewhere are not touched.
    await gateway.owner.execute("UPDATE token_request SET source = '10.0.0.9'")

    answers = await asyncio.gather(*(gateway.token(CLINIC_CLIENT) for _ in range(11)))

    assert sorted(one.status_code for one in answers) == [200] * 10 + [429]
    refused = next(one for one in answers if one.status_code == 429)
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    clock.shift(timedelta(seconds=61))
    assert (await gateway.token(CLINIC_CLIENT)).status_code == 200


async def test_failed_requests_count_against_the_address_they_came_from(gateway: Serving) -> None:
    refused = [
        (await gateway.http.post(TOKEN, data={}, auth=(CLINIC_CLIENT, "wrong"))).status_code
        for _ in range(11)
    ]

    assert refused == [401] * 10 + [429]
    assert (await gateway.token(CLINIC_CLIENT)).status_code == 429


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "token_missing"),
        ("Basic YTpi", "token_invalid"),
        ("Bearer nonsense", "token_invalid"),
        ("Bearer " + "x" * 5_000, "token_invalid"),
    ],
)
async def test_without_a_token_of_ours_nobody_enters(
    gateway: Serving, authorization: str | None, code: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await gateway.http.get(PATIENTS, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert answer.json()["instance"] == f"/v1/requests/{answer.json()['request_id']}"


async def test_a_token_ends_after_its_hour(gateway: Serving) -> None:
    assert (await gateway.get(CLINIC_CLIENT, PATIENTS)).status_code == 200

    clock.shift(timedelta(seconds=3_700))

    answer = await gateway.get(CLINIC_CLIENT, PATIENTS)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert answer.json()["retryable"] is False


async def test_disabling_a_client_takes_effect_within_a_minute(gateway: Serving) -> None:
    assert (await gateway.get(CLINIC_CLIENT, PATIENTS)).status_code == 200
    async with database.transaction(gateway.owner) as conn:
        await provisioning.disable_client(conn, CLINIC_CLIENT)

    clock.shift(timedelta(seconds=60))

    assert (await gateway.get(CLINIC_CLIENT, PATIENTS)).json()["code"] == "token_invalid"


async def test_a_client_is_limited_by_second_and_others_are_not(gateway: Serving) -> None:
    await gateway.get(CLINIC_CLIENT, PATIENTS)
    clock.shift(timedelta(seconds=2))

    answers = await asyncio.gather(*(gateway.get(CLINIC_CLIENT, PATIENTS) for _ in range(30)))
    other = await gateway.get(DOCTOR_CLIENT, PATIENTS)

    statuses = sorted(one.status_code for one in answers)
    assert statuses[:20] == [200] * 20
    assert statuses[-1] == 429
    assert other.status_code == 200
    refused = next(one for one in answers if one.status_code == 429)
    assert (refused.json()["code"], refused.json()["retryable"]) == ("rate_limited", True)
    assert refused.headers["retry-after"] == "1"


async def test_by_default_a_client_may_call_200_times_a_second_and_6000_times_a_minute(
    gateway: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.transaction(gateway.owner) as conn:
        gateway.secrets["hasty"] = str(
            await provisioning.save_client(conn, gateway.tenants[NORTE], "hasty", scopes=("ehr:read",))
        )
    token = (await gateway.token("hasty")).json()["access_token"]
    noon = clock.now()
    monkeypatch.setattr(clock, "now", lambda: noon + clock._offset)
    for second in range(30):
        for _ in range(200):
            await gateway.gateway.door.enter(f"Bearer {token}")
        if second == 0:
            within_the_second = await gateway.http.get(PATIENTS, headers={"Authorization": f"Bearer {token}"})
        clock.shift(timedelta(seconds=1))
    within_the_minute = await gateway.http.get(PATIENTS, headers={"Authorization": f"Bearer {token}"})
    clock.shift(timedelta(seconds=30))
    later = await gateway.http.get(PATIENTS, headers={"Authorization": f"Bearer {token}"})

    assert (within_the_second.status_code, within_the_second.headers["retry-after"]) == (429, "1")
    assert (within_the_minute.status_code, within_the_minute.headers["retry-after"]) == (429, "30")
    assert later.status_code == 200


async def test_two_instances_share_one_first_key_and_a_new_one_waits_a_day(gateway: Serving) -> None:
    doors = [Door(gateway.owner, gateway.settings) for _ in range(3)]
    await gateway.owner.execute("DELETE FROM token_key")
    first = {(await one.signing_key()).key_id for one in doors}
    async with database.transaction(gateway.owner) as conn:
        second = await provisioning.rotate_token_key(conn, algorithm="ES256", secret_key=SECRET_KEY)
    clock.shift(timedelta(hours=23))

    assert len(first) == 1
    assert {(await one.signing_key()).key_id for one in doors} == first
    assert {one.key_id for one in await doors[0].token_keys()} == first | {second}
    clock.shift(timedelta(hours=2))
    assert (await doors[0].signing_key()).key_id == second


async def published(gateway: Serving) -> set[str]:
    keys = (await gateway.http.get("/.well-known/jwks.json")).json()["keys"]
    return {str(one["kid"]) for one in keys}


async def signed_with(gateway: Serving) -> tuple[str, str]:
    """A new token, and the key it names."""
    token = str((await gateway.token(PHARMACY_CLIENT)).json()["access_token"])
    return token, str(key_id_of(token))


async def tidied(gateway: Serving) -> None:
    """What the gateway does every hour."""
    async with database.transaction(gateway.owner) as conn:
        await token_keys.forget_token_keys(conn, superseded_before=clock.now() - VERIFIES_AFTER)


async def test_a_new_key_is_published_a_day_before_it_signs_and_the_old_one_long_after(
    gateway: Serving,
) -> None:
    _, old = await signed_with(gateway)
    words = parser().parse_args(["rotate-token-key"])
    await words.act(words, gateway.owner, gateway.settings)
    clock.shift(timedelta(seconds=30))
    [new] = await published(gateway) - {old}

    clock.shift(timedelta(hours=23, minutes=59))
    last, still_old = await signed_with(gateway)
    written = clock.now()
    assert (still_old, await published(gateway)) == (old, {old, new})
    clock.shift(timedelta(minutes=2))
    assert (await signed_with(gateway))[1] == new
    headers = {"Authorization": f"Bearer {last}"}
    answer = await gateway.http.get("/arc/v1/providers/products", headers=headers)
    assert answer.status_code == 200

    # The last token of the old key lives an hour; its key is published for two more, and far longer.
    clock.shift(timedelta(hours=3))
    await tidied(gateway)
    assert await published(gateway) == {old, new}
    # A report of its last minute may wait a week in Kafka before it is looked at.
    clock.shift(timedelta(days=7, hours=20))
    await tidied(gateway)
    # By an instance that has never seen this token.
    fresh = Door(gateway.owner, gateway.settings)
    assert (await fresh.bearer(last, at=written)).client == PHARMACY_CLIENT
    clock.shift(timedelta(hours=2))
    await tidied(gateway)
    assert await published(gateway) == {new}
    assert (await signed_with(gateway))[1] == new


async def test_a_token_on_a_record_is_judged_by_when_it_was_written(gateway: Serving) -> None:
    written = clock.now()
    token = (await gateway.token(PHARMACY_CLIENT)).json()["access_token"]
    clock.shift(timedelta(days=3))

    sender = await gateway.gateway.door.bearer(token, at=written)

    assert sender.client == PHARMACY_CLIENT
    with pytest.raises(Problem, match="token_expired"):
        await gateway.gateway.door.bearer(token, at=clock.now())


async def test_seal_keys_are_served_as_signing_publishes_them(gateway: Serving) -> None:
    jwk: dict[str, str | list[str]] = {"kty": "EC", "kid": "s-1", "x5c": ["MIIB"], "x5t#S256": "abc"}
    now = clock.now()
    await gateway.deliver(
        SealKeyPublished(
            tenant_id=gateway.tenants[NORTE],
            key_id="s-1",
            algorithm="ES256",
            jwk=jwk,
            not_before=now,
            not_after=now + timedelta(days=365),
        )
    )

    assert (await gateway.http.get("/.well-known/seal-jwks.json")).json() == {"keys": [jwk]}
    described = (await gateway.http.get("/.well-known/oauth-authorization-server")).json()
    assert described["token_endpoint"] == f"{BASE_URL}{TOKEN}"


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "status", "code"),
    [
        ("GET", "/v3/anything", {}, None, 404, "operation_not_offered"),
        ("GET", "/webhooks/v1/subscriptions", {}, None, 404, "operation_not_offered"),
        ("POST", "/webhooks/v1/subscriptions", {}, None, 404, "operation_not_offered"),
        ("GET", "/v1/sponsors", {}, None, 404, "operation_not_offered"),
        ("GET", "/arc/v1/authorizations", {}, None, 404, "operation_not_offered"),
        ("POST", "/ehr/v2/prescriptions", {}, None, 404, "operation_not_offered"),
        ("GET", "/ehr/v1/patients/", {}, None, 404, "operation_not_offered"),
        ("PATCH", "/ehr/v1/patients", {}, None, 405, "method_not_allowed"),
        ("GET", PATIENTS, {"Accept": "text/html"}, None, 406, "not_acceptable"),
        (
            "POST",
            "/ehr/v1/patients",
            {"Content-Type": "application/json"},
            b"x" * 300_000,
            413,
            "payload_too_large",
        ),
        ("POST", "/ehr/v1/patients", {"Content-Type": "text/plain"}, b"{}", 415, "unsupported_media_type"),
        ("POST", "/ehr/v1/patients", {"Content-Type": "application/json"}, b"{", 401, "token_missing"),
    ],
)
async def test_what_can_be_said_before_asking_who_it_is_is_said_first(
    gateway: Serving,
    method: str,
    path: str,
    headers: dict[str, str],
    content: bytes | None,
    status: int,
    code: str,
) -> None:
    answer = await gateway.http.request(method, path, headers=headers, content=content)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if status == 405:
        assert answer.headers["allow"] == "GET, POST"


async def test_a_number_without_end_is_json_that_says_nothing(gateway: Serving) -> None:
    headers = {"Content-Type": "application/json"}

    answer = await gateway.ask(
        CLINIC_CLIENT, "POST", "/ehr/v1/patients", content=b"9" * 5_000, headers=headers
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_a_body_that_is_no_json_is_refused_after_the_scope(gateway: Serving) -> None:
    headers = {"Content-Type": "application/json"}
    for content in (b"{", b'{"a":1,"a":2}', b"\xff", b'{"a":"\\ud800"}', b"[" * 9_000):
        answer = await gateway.ask(
            CLINIC_CLIENT, "POST", "/ehr/v1/patients", content=content, headers=headers
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json"), content[:20]
        forbidden = await gateway.ask(
            PHARMACY_CLIENT, "POST", "/ehr/v1/patients", content=content, headers=headers
        )
        assert forbidden.status_code == 403


async def test_what_is_offered_is_described_for_programs_and_people(gateway: Serving) -> None:
    document = (await gateway.http.get("/ehr/openapi.json")).json()
    page = await gateway.http.get("/ehr/docs")

    assert document["openapi"].startswith("3.")
    assert "post" in document["paths"]["/ehr/v1/patients"]
    assert {"get", "post"} <= set(document["paths"]["/ehr/v1/doctors"])
    assert not [path for path in document["paths"] if path.startswith("/webhooks")]
    assert page.headers["content-type"].startswith("text/html")
    assert "/medical-catalogs/v1/diagnoses" in page.text
    assert "http://" not in page.text.replace(BASE_URL, "")
    assert "<script" not in page.text


async def test_health_answers_without_a_token(gateway: Serving) -> None:
    for path in ("/health/live", "/health/ready", "/metrics"):
        assert (await gateway.http.get(path)).status_code == 200
