"""Tokens, scopes, rates and settings of the gateway, without a database."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey
from pydantic import SecretStr

from services.gateway.auth import keys, tokens
from services.gateway.auth.principal import Principal, held
from services.gateway.auth.rates import Rate
from services.gateway.messages import provider_settings, search
from services.gateway.messages.errors import Problem
from services.gateway.messages.provider_settings import WrongSetting
from services.gateway.settings import Settings
from services.gateway.store.clients import Client
from shared.ids import new

NOW = datetime(2026, 6, 25, 16, 0, tzinfo=UTC)
SECRET = "a secret key of the tests, long enough"
SETTINGS = Settings(
    database_url="postgresql://nobody@127.0.0.1/none",
    kafka_bootstrap="127.0.0.1:1",
    instance="gateway-0",
    base_url="https://rx.example.org",
    secret_key=SecretStr(SECRET),
    data_key=SecretStr(SECRET),
)
CLIENT = Client(
    client_id="clinic-ehr",
    tenant_id=new(),
    provider_slug="clinica-norte",
    scopes=frozenset({"ehr:write"}),
    requests_per_minute=3,
    requests_per_second=2,
    secret_sha256=b"",
    doctor_id=new(),
)


def a_key(algorithm: str = "ES256") -> keys.TokenKey:
    stored = keys.make(algorithm, secret_key=SECRET, now=NOW, used_from=NOW)
    return keys.opened(stored, secret_key=SECRET)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_token_says_whose_it_is_and_verifies_with_its_public_key(algorithm: str) -> None:
    key = a_key(algorithm)

    token = tokens.issue(CLIENT, CLIENT.scopes, key, SETTINGS, NOW)

    verified = tokens.verify(token, key, SETTINGS)
    assert (verified.client_id, verified.scopes) == ("clinic-ehr", frozenset({"ehr:write"}))
    assert (tokens.key_id_of(token), key.public_jwk["alg"]) == (key.key_id, algorithm)
    assert "d" not in key.public_jwk


def test_a_token_of_another_key_installation_or_environment_is_not_ours() -> None:
    key = a_key()
    token = tokens.issue(CLIENT, CLIENT.scopes, key, SETTINGS, NOW)

    for settings, verifier in (
        (SETTINGS, a_key()),
        (SETTINGS.model_copy(update={"base_url": "https://other.example.org"}), key),
        (SETTINGS.model_copy(update={"environment": "production"}), key),
    ):
        with pytest.raises(Problem, match="token_invalid"):
            tokens.verify(token, verifier, settings)


def test_the_algorithm_is_the_key_s_and_never_the_header_s() -> None:
    key = a_key()
    public = ECKey.import_key(key.private.as_dict(private=False)).as_pem(private=False)
    head = _part({"alg": "HS256", "kid": key.key_id}) + "." + _part({"sub": "x", "exp": 9_999_999_999})
    signature = urlsafe_b64encode(hmac.digest(public, head.encode(), "sha256")).decode().rstrip("=")
    forged = f"{head}.{signature}"
    unsigned = _part({"alg": "none", "kid": key.key_id}) + "." + _part({}) + "."

    for token in (forged, unsigned, "", "a.b.c", "ü.ü.ü"):
        with pytest.raises(Problem, match="token_invalid"):
            tokens.verify(token, key, SETTINGS)


def _part(value: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_an_expired_token_is_told_apart_and_the_clocks_may_differ_by_a_minute() -> None:
    token = tokens.issue(CLIENT, CLIENT.scopes, key := a_key(), SETTINGS, NOW)
    verified = tokens.verify(token, key, SETTINGS)
    ends = NOW + timedelta(seconds=SETTINGS.token_seconds)

    verified.check_time((ends + timedelta(seconds=59)).timestamp())
    verified.check_time((NOW - timedelta(seconds=59)).timestamp())
    with pytest.raises(Problem, match="token_expired"):
        verified.check_time((ends + timedelta(seconds=61)).timestamp())
    with pytest.raises(Problem, match="token_invalid"):
        verified.check_time((NOW - timedelta(seconds=61)).timestamp())


def test_a_stored_key_opens_with_the_installation_s_secret_alone() -> None:
    stored = keys.make("ES256", secret_key=SECRET, now=NOW, used_from=NOW)

    with pytest.raises(keys.WrongSecretKey):
        keys.opened(stored, secret_key=SECRET + "!")
    assert b"PRIVATE" not in stored.private_key
    assert '"d"' not in stored.public_jwk


@pytest.mark.parametrize(
    ("scope", "scopes", "allowed"),
    [
        ("ehr:read", {"ehr:read"}, True),
        ("ehr:read", {"ehr:write"}, True),
        ("ehr:write", {"ehr:read"}, False),
        ("arc:read", {"ehr:write"}, False),
    ],
)
def test_to_write_includes_to_read_and_not_the_reverse(scope: str, scopes: set[str], allowed: bool) -> None:
    assert held(scope, frozenset(scopes)) is allowed
    assert Principal(new(), "c", "p", frozenset(scopes)).may("dispensing:read", scope) is allowed


def test_rates_roll_by_second_and_by_minute_and_a_refused_call_does_not_count() -> None:
    rate = Rate()

    def call(at: float) -> str | None:
        try:
            rate.admit(at, per_minute=3, per_second=2)
        except Problem as problem:
            return problem.headers["Retry-After"]
        return None

    assert [call(0.0), call(0.5), call(0.6), call(1.01)] == [None, None, "1", None]
    assert [call(2.0), call(59.9), call(60.01), call(60.02)] == ["58", "1", None, "1"]


def test_settings_have_defaults_by_country_and_refuse_what_they_do_not_know() -> None:
    spain = provider_settings.read({"country": "ES", "safety_policy": "advise"})
    guatemala = provider_settings.read({})

    assert (spain.allowed_versions, spain.currency, spain.doctor_registration_check) == (
        frozenset({"v2"}),
        "EUR",
        "registry",
    )
    assert (spain.policy.safety_policy, guatemala.policy.safety_policy) == ("advise", "block")
    assert guatemala.end_of_day(NOW, days=30) == datetime(2026, 7, 26, 5, 59, 59, tzinfo=UTC)
    for name, value in (
        ("safety_policy", "none"),
        ("time_zone", "Mars/Base"),
        ("currency", "gtq"),
        ("max_medications", "31"),
        ("diagnosis_required", "yes"),
        ("allowed_versions", "v3"),
        ("colour", "red"),
    ):
        with pytest.raises(WrongSetting):
            provider_settings.check(name, value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Cefaléia  tensional", ["cefaleia", "tensional"]),
        ("N02BE01/500 mg", ["n02be01", "500", "mg"]),
        ("straße' | !(x):*", ["strasse", "x"]),
        ("--", []),
    ],
)
def test_words_are_compared_without_case_accents_and_punctuation(text: str, words: list[str]) -> None:
    assert search.words(text) == words
