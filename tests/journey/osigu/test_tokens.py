"""The token endpoint and the key sets (osigu-dialect 1.2, ruling 2.2)."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest


def basic(credentials):
    return {"authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.fixture
def ask(http, made):
    async def ask(name, form=None, query="", credentials=None, **more):
        headers = basic(credentials if credentials is not None else made.credentials[name]) | more
        return await http.post(f"/v1/oauth/token{query}", data=form, headers=headers)

    return ask


CLIENT_CREDENTIALS = {"grant_type": "client_credentials"}


async def test_a_token_says_who_it_is_for_and_what_it_allows(ask, made, platform, http):
    answer = await ask("tokens-0", CLIENT_CREDENTIALS)
    header, claims, _ = answer.json()["access_token"].split(".")
    header, claims = decoded(header), decoded(claims)
    keys = (await http.get("/.well-known/jwks.json")).json()["keys"]

    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 3600)
    assert set(answer.json()["scope"].split()) >= {"ehr:write", "arc:read"}
    assert answer.headers["cache-control"] == "no-store"
    assert (header["alg"], header["typ"]) == ("ES256", "JWT")
    assert header["kid"] in [key["kid"] for key in keys]
    assert claims["iss"] == claims["aud"] == platform.url
    assert claims["sub"] == made.credentials["tokens-0"].partition(":")[0]
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["jti"]
    assert claims["provider_id"].startswith("prv_")
    assert claims["provider_slug"].startswith("full-")
    assert claims["environment"] in ("sandbox", "production")
    assert "doctor_id" not in claims
    assert not any(name in key for key in keys for name in "dpq")


async def test_a_bound_client_has_its_doctor_or_branch_in_its_token(clinic, pharmacy):
    for client, claim, prefix in ((clinic, "doctor_id", "doc_"), (pharmacy, "branch_id", "branch_")):
        assert decoded((await client.token()).split(".")[1])[claim].startswith(prefix)


async def test_scopes_can_be_narrowed_and_never_widened(ask):
    narrowed = await ask("tokens-0", CLIENT_CREDENTIALS | {"scope": "ehr:read"})
    widened = await ask("tokens-0", CLIENT_CREDENTIALS | {"scope": "ehr:read dispensing:write"})
    unheard = await ask("tokens-0", CLIENT_CREDENTIALS | {"scope": "everything"})

    assert (narrowed.status_code, narrowed.json()["scope"]) == (200, "ehr:read")
    assert [(one.status_code, one.json()["error"]) for one in (widened, unheard)] == [
        (400, "invalid_scope")
    ] * 2


async def test_the_grant_may_stand_in_the_query_with_an_empty_body(ask):
    assert (await ask("tokens-0", None, "?grant_type=client_credentials")).status_code == 200


async def test_what_the_token_endpoint_refuses(ask, http, made):
    client_id, _, secret = made.credentials["tokens-1"].partition(":")
    form = CLIENT_CREDENTIALS
    url = "/v1/oauth/token"
    answers = {
        "no grant": await ask("tokens-1", {}),
        "password grant": await ask("tokens-1", {"grant_type": "password"}),
        "refresh": await ask("tokens-1", {"grant_type": "refresh_token"}),
        "wrong secret": await ask("", form, credentials=f"{client_id}:nonsense"),
        "unknown client": await ask("", form, credentials=f"nobody-{client_id}:{secret}"),
        "no credentials": await http.post(url, data=form),
        "in the body": await http.post(url, data=form | {"client_id": client_id, "client_secret": secret}),
        "not basic": await http.post(url, data=form, headers={"authorization": "Basic !!!"}),
        "json": await http.post(url, json=form, headers=basic(made.credentials["tokens-1"])),
    }

    assert {name: (one.status_code, one.json()["error"]) for name, one in answers.items()} == {
        "no grant": (400, "invalid_request"),
        "password grant": (400, "unsupported_grant_type"),
        "refresh": (400, "unsupported_grant_type"),
        "wrong secret": (401, "invalid_client"),
        "unknown client": (401, "invalid_client"),
        "no credentials": (401, "invalid_client"),
        "in the body": (401, "invalid_client"),
        "not basic": (401, "invalid_client"),
        "json": (400, "invalid_request"),
    }
    for answer in answers.values():
        body = answer.json()
        assert body["code"] == body["error"]
        assert body["message"]
        assert body["error_description"]
        assert secret not in answer.text
        challenge = answer.headers.get("www-authenticate", "")
        assert challenge.startswith("Basic") == (answer.status_code == 401)


async def test_the_eleventh_token_of_a_minute_is_refused(ask, made):
    answers = [await ask("tokens-2", CLIENT_CREDENTIALS) for _ in range(11)]

    assert [one.status_code for one in answers] == [200] * 10 + [429]
    assert (answers[-1].json()["error"], answers[-1].json()["code"]) == ("rate_limited", "rate_limited")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


async def test_failures_count_too_but_a_stranger_locks_nobody_out(ask, made):
    client_id, _, _secret = made.credentials["tokens-3"].partition(":")
    failures = [await ask("", CLIENT_CREDENTIALS, credentials=f"{client_id}:wrong") for _ in range(11)]
    right = await ask("tokens-4", CLIENT_CREDENTIALS)

    assert [one.status_code for one in failures] == [401] * 10 + [429]
    assert right.status_code == 200


async def test_the_key_sets_and_the_metadata_are_there_for_everybody(http, platform):
    tokens, seals, metadata = await asyncio.gather(
        http.get("/.well-known/jwks.json"),
        http.get("/.well-known/seal-jwks.json"),
        http.get("/.well-known/oauth-authorization-server"),
    )
    told = metadata.json()

    assert [one.status_code for one in (tokens, seals, metadata)] == [200] * 3
    assert all(key["x5c"] and key["x5t#S256"] for key in seals.json()["keys"])
    assert not {key["kid"] for key in tokens.json()["keys"]} & {
        key.get("kid") for key in seals.json()["keys"]
    }
    assert told["issuer"] == platform.url
    assert told["token_endpoint"] == f"{platform.url}/v1/oauth/token"
    assert told["jwks_uri"] == f"{platform.url}/.well-known/jwks.json"
    assert "client_credentials" in told["grant_types_supported"]
    assert "client_secret_basic" in told["token_endpoint_auth_methods_supported"]
    assert set(told["scopes_supported"]) >= {"ehr:read", "dispensing:write", "webhooks:write"}
