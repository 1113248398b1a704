"""What is refused before anybody looks at the content: paths, types, sizes, JSON, tokens (1.1, 1.6)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.problems import entries, refusal, word

PATIENTS = "/ehr/v1/patients"
RX = "/ehr/v1/prescriptions"


@pytest.fixture
async def send(http, whole):
    """A body of raw bytes to the patients, as JSON unless said otherwise."""
    token = await whole.token()

    async def send(content, method="POST", path=PATIENTS, **headers):
        sent = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await http.request(method, path, content=content, headers=sent)

    return send


async def test_paths_and_methods_that_are_not_served(send):
    cases = {
        ("GET", "/ehr/v1/nothing"): "404 operation_not_offered",
        ("GET", "/v3/anything"): "404 operation_not_offered",
        ("POST", "/v1/sponsors"): "404 operation_not_offered",
        ("GET", "/arc/v1/authorizations"): "404 operation_not_offered",
        ("DELETE", PATIENTS): "405 method_not_allowed",
        ("PATCH", RX): "405 method_not_allowed",
        ("PUT", "/v1/oauth/token"): "405 method_not_allowed",
        ("POST", "/arc/v1/products"): "405 method_not_allowed",
    }

    answers = await asyncio.gather(*(send(b"", method, path) for method, path in cases))

    for (method, path), answer in zip(cases, answers, strict=True):
        assert word(answer) == cases[method, path], (method, path)
        if answer.status_code == 405:
            assert method not in answer.headers["allow"].split(", ")
            assert answer.headers["allow"]
    assert set(answers[4].headers["allow"].split(", ")) >= {"GET", "POST"}


async def test_the_transport_is_checked_before_the_token(http):
    large = b" " * (256 * 1024 + 1)
    answers = {
        "405": await http.delete(PATIENTS),
        "406": await http.get(PATIENTS, headers={"accept": "text/html"}),
        "413": await http.post(PATIENTS, content=large, headers={"content-type": "application/json"}),
        "415": await http.post(PATIENTS, content=b"{}", headers={"content-type": "text/plain"}),
        "401": await http.post(PATIENTS, content=b"{", headers={"content-type": "application/json"}),
    }

    assert {number: word(answer) for number, answer in answers.items()} == {
        "405": "405 method_not_allowed",
        "406": "406 not_acceptable",
        "413": "413 payload_too_large",
        "415": "415 unsupported_media_type",
        "401": "401 token_missing",
    }


async def test_media_types_that_are_understood(send):
    bodies = {
        "application/json": 422,
        "application/json; charset=utf-8": 422,
        "APPLICATION/JSON": 422,
        "application/xml": 415,
        "multipart/form-data; boundary=x": 415,
    }
    accepts = {
        "*/*": 422,
        "application/json": 422,
        "application/*": 422,
        "application/problem+json": 422,
        "text/html, */*;q=0.1": 422,
        "text/html": 406,
        "application/json;q=0": 406,
    }

    got = {kind: (await send(b"{}", content_type=kind)).status_code for kind in bodies}
    accepted = {kind: (await send(b"{}", accept=kind)).status_code for kind in accepts}

    assert got == bodies
    assert accepted == accepts


async def test_what_is_no_json(send):
    deep = b"[" * 100_000
    unreadable = {
        "empty object cut": b"{",
        "no json": b"patient",
        "two values": b"{} {}",
        "comment": b"{} // hello",
        "trailing comma": b'{"first_name": "Ana",}',
        "single quotes": b"{'first_name': 'Ana'}",
        "NaN": b'{"area_code": NaN}',
        "Infinity": b'{"area_code": -Infinity}',
        "not utf-8": b'{"first_name": "\xff\xfe"}',
        "utf-16": '{"first_name": "Ana"}'.encode("utf-16"),
        "overlong": b'{"first_name": "\xc0\xaf"}',
        "duplicate": b'{"first_name": "Ana", "first_name": "Eva"}',
        "duplicate deep": b'{"guardian": {"first_name": "Ana", "first_name": "Ana"}}',
        "duplicate escaped": b'{"first_name": "Ana", "first\\u005fname": "Eva"}',
        "lone surrogate": b'{"first_name": "\\ud800"}',
        "lone surrogate key": b'{"\\udc00": 1}',
        "surrogates reversed": b'{"first_name": "\\udc00\\ud800"}',
        "raw control": b'{"first_name": "A\x00na"}',
        "raw tab": b'{"first_name": "A\tna"}',
        "deep": deep,
        "deep closed": deep[:60_000] + b"]" * 60_000,
        "deep objects": b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
        "leading zero": b'{"area_code": 0123}',
    }

    answers = await asyncio.gather(*(send(content) for content in unreadable.values()))

    assert {name: word(answer) for name, answer in zip(unreadable, answers, strict=True)} == dict.fromkeys(
        unreadable, "400 malformed_json"
    )


async def test_numbers_of_any_length_are_read_and_refused_as_content(send):
    numbers = {
        "9" * 5_000: "invalid_format",
        "-" + "9" * 5_000: "invalid_format",
        "0." + "0" * 5_000 + "1": "invalid_format",
        "1e99999999999999999999": "invalid_format",
        "1e-99999999999999999999": "invalid_format",
        "9" * 30: "out_of_range",
        "1e5000": "wrong_type",
        "1E+400000000": "wrong_type",
        "1.5": "wrong_type",
        "1.0": "wrong_type",
    }
    answers = await asyncio.gather(*(send(b'{"area_code": %s}' % number.encode()) for number in numbers))

    for number, answer in zip(numbers, answers, strict=True):
        assert word(answer) == "422 validation_failed", number[:9]
        assert f"area_code: {numbers[number]}" in entries(answer), number[:9]


async def test_a_body_that_is_no_object(send):
    for content in (b"[]", b'"text"', b"7", b"true", b"null"):
        answer = await send(content)
        assert word(answer) == "422 validation_failed", content
        assert entries(answer) == [": wrong_type"] or content == b"null", content


async def test_a_post_without_a_body_is_an_empty_object(http, whole):
    headers = {"authorization": f"Bearer {await whole.token()}"}
    without = await http.post(PATIENTS, headers=headers)
    empty = await http.post(PATIENTS, json={}, headers=headers)

    assert word(without) == "422 validation_failed"
    assert entries(without) == entries(empty)


async def test_a_quarter_of_a_mebibyte_and_no_byte_more(send):
    at_most = b"{" + b" " * (256 * 1024 - 2) + b"}"

    async def in_pieces(size):
        for _ in range(size // 1024):
            yield b" " * 1024

    assert word(await send(at_most)) == "422 validation_failed"
    assert word(await send(at_most + b" ")) == "413 payload_too_large"
    assert word(await send(b" " * 9 * 2**20)) == "413 payload_too_large"
    assert word(await send(in_pieces(300 * 1024))) == "413 payload_too_large"


def signed(header, claims, sign):
    def part(content):
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    signing_input = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signing_input}.{part(sign(signing_input.encode()))}"


def es256(key):
    def sign(content):
        r, s = decode_dss_signature(key.sign(content, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


async def test_forged_tokens_are_no_tokens(http, whole, platform):
    token = await whole.token()
    header, claims, signature = token.split(".")
    claims_read = json.loads(base64.urlsafe_b64decode(claims + "=="))
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    keys = (await http.get("/.well-known/jwks.json")).json()["keys"]
    jwk = next(key for key in keys if key["kid"] == kid)
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=="), "big") for name in "xy")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    mine = ec.generate_private_key(ec.SECP256R1())
    my_jwk = jwk | {
        "x": base64.urlsafe_b64encode(mine.public_key().public_numbers().x.to_bytes(32, "big")).decode()
    }

    def hs(secret):
        return lambda content: hmac.digest(secret, content, hashlib.sha256)

    widened = signed({}, claims_read | {"scope": "arc:write"}, lambda _: b"").split(".")[1]
    forged = {
        "none": signed({"alg": "none", "typ": "JWT", "kid": kid}, claims_read, lambda _: b""),
        "None": signed({"alg": "nOnE", "kid": kid}, claims_read, lambda _: b""),
        "HS256 with the public PEM": signed({"alg": "HS256", "kid": kid}, claims_read, hs(pem)),
        "HS256 with the public DER": signed({"alg": "HS256", "kid": kid}, claims_read, hs(der)),
        "HS256 with the JWK": signed({"alg": "HS256", "kid": kid}, claims_read, hs(json.dumps(jwk).encode())),
        "HS256 with nothing": signed({"alg": "HS256", "kid": kid}, claims_read, hs(b"")),
        "my key, its kid": signed({"alg": "ES256", "kid": kid}, claims_read, es256(mine)),
        "my key within": signed({"alg": "ES256", "jwk": my_jwk}, claims_read, es256(mine)),
        "my key elsewhere": signed(
            {"alg": "ES256", "jku": "http://127.0.0.1:1/", "kid": "mine"}, claims_read, es256(mine)
        ),
        "kid is a path": signed({"alg": "HS256", "kid": "../../../../dev/null"}, claims_read, hs(b"")),
        "kid is SQL": signed({"alg": "ES256", "kid": "' OR '1'='1"}, claims_read, es256(mine)),
        "kid is a number": signed({"alg": "ES256", "kid": 1}, claims_read, es256(mine)),
        "header is no object": signed(["ES256"], claims_read, es256(mine)),
        "zero signature": f"{header}.{claims}." + base64.urlsafe_b64encode(bytes(64)).decode().rstrip("="),
        "cut": token[:-8],
        "other claims": f"{header}.{widened}.{signature}",
        "one part": "e30",
        "five parts": token + ".e30.e30",
        "critical": signed({"alg": "ES256", "kid": kid, "crit": ["exp"]}, claims_read, es256(mine)),
        "an API key": platform.credentials["RECEPTA_API_KEY"],
        "long": "e30." + "A" * 7_000 + ".e30",
        "not ASCII": "t\u00f6ken",
    }
    expired = claims_read | {"exp": int(time.time()) - 3_600, "iat": int(time.time()) - 7_200}
    forged["expired and forged"] = signed({"alg": "ES256", "kid": kid}, expired, es256(mine))

    answers = {
        name: await http.get(RX, headers={"authorization": f"Bearer {one}".encode()})
        for name, one in forged.items()
    }

    assert {name: word(answer) for name, answer in answers.items()} == dict.fromkeys(
        forged, "401 token_invalid"
    )
    for answer in answers.values():
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_other_ways_to_send_a_token(http, whole, platform):
    token = await whole.token()
    answers = {
        "lower case": await http.get(RX, headers={"authorization": f"bearer {token}"}),
        "basic": await http.get(RX, headers={"authorization": "Basic YTpi"}),
        "query": await http.get(f"{RX}?access_token={token}"),
        "with a key": await http.get(
            "/v1/requests?idempotency_key=a",
            headers={
                "authorization": f"Bearer {token}",
                "x-api-key": platform.credentials["RECEPTA_API_KEY"],
            },
        ),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "lower case": 200,
        "basic": 401,
        "query": 401,
        "with a key": 401,
    }
    assert word(answers["with a key"]) == "401 token_invalid"


async def spoken(platform, *sent: bytes) -> bytes:
    """What comes back over a bare connection, until it is closed or silent."""
    address = urlsplit(platform.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        for one in sent:
            writer.write(one)
            await writer.drain()
        try:
            return await asyncio.wait_for(reader.read(65_536), 5)
        except TimeoutError:
            return b"silence"
    except ConnectionError:
        return b"closed"
    finally:
        writer.close()


async def test_broken_http_is_answered_or_closed_and_the_next_caller_is_served(platform, http):
    head = b"POST /ehr/v1/patients HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    broken = {
        "content-length is a word": (head + b"content-length: many\r\n\r\n{}", b"400"),
        "content-length below zero": (head + b"content-length: -1\r\n\r\n{}", b"400"),
        "two content-lengths": (head + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", b"400"),
        "length and chunks": (
            head + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            b"400",
        ),
        "bad chunk": (head + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n", b"400"),
        "no HTTP": (b"hello\r\n\r\n", b"400"),
        "NUL in a header": (head + b"x-nul: a\x00b\r\n\r\n", b"400"),
        "a huge header": (head + b"x-long: " + b"a" * 2**20 + b"\r\n\r\n", b"4"),
        "chunks": (head + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"401"),
    }
    for name, (sent, status) in broken.items():
        answer = await spoken(platform, sent)
        line = answer.partition(b"\r\n")[0]
        assert line.startswith(b"HTTP/1.1 " + status) or (status != b"401" and answer in (b"", b"closed")), (
            name,
            line,
        )
    assert (await http.get("/health/live")).status_code == 200


async def test_injected_headers_and_statements_are_only_text(http, whole):
    statements = [
        "'; DROP TABLE patient; --",
        '" OR 1=1 --',
        "${jndi:ldap://127.0.0.1/a}",
        "{{7*7}}",
        "%00",
        "\\x00",
    ]
    for text in statements:
        created = await whole.post(
            PATIENTS,
            {
                "first_name": text,
                "last_name": text,
                "document_type": "OTHER",
                "document_number": text,
                "date_of_birth": "1990-04-11",
            },
        )
        assert created.status_code in (201, 409), text
        found = await http.get(
            PATIENTS,
            params={"document_number": text},
            headers={"authorization": f"Bearer {await whole.token()}"},
        )
        assert [one["first_name"] for one in found.json()["data"]] == [text]
    answer = await whole.get("/ehr/v1/patients/pat_%0d%0aset-cookie:%20a=b")
    assert word(answer) == "404 resource_not_found"
    assert "set-cookie" not in answer.headers
    answer = await whole.get(RX, X_Request_ID="evil\tid")
    assert answer.headers["x-request-id"].startswith("req_")


async def test_headers_that_cannot_be_read(whole):
    for name, value in {
        "Idempotency_Key": "",
        "idempotency_key": "a" * 256,
        "Idempotency-Key": "a b\u00e9",
    }.items():
        headers = {name: value.encode() if not value.isascii() else value}
        answer = await whole.call("POST", PATIENTS, {}, **headers)
        assert word(answer) == "400 invalid_header", name
        assert [entry.split(": ")[0] for entry in entries(answer)] == ["header.Idempotency-Key"]
    assert refusal(answer)["retryable"] is False
