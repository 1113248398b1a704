"""Strict reading, canonical writing: the same bytes as everyone else's, or none."""

import json
import struct
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.signing.domain import b64url
from services.signing.domain.canonical import canonical
from services.signing.domain.faults import Malformed
from services.signing.domain.parsing import parse
from tests.unit.signing_vectors import SPAIN

VECTORS: dict[str, Any] = json.loads(SPAIN.read_text(encoding="utf-8"))
ASCII_KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ASCII_KEYS, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("vector", VECTORS["jcs"], ids=lambda vector: vector["note"])
def test_the_library_beside_us_writes_the_published_vectors(vector: dict[str, Any]) -> None:
    assert rfc8785.dumps(vector["input"]).hex() == vector["output_utf8_hex"]


@pytest.mark.parametrize("vector", VECTORS["jcs_numbers"]["values"], ids=lambda vector: vector["output"])
def test_the_library_beside_us_writes_numbers_as_ecmascript_does(vector: dict[str, Any]) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(vector["ieee754_hex"]))

    assert rfc8785.dumps(number).decode() == vector["output"]


@pytest.mark.parametrize("vector", VECTORS["jcs"][1:], ids=lambda vector: vector["note"])
def test_published_vectors_with_ascii_keys_come_out_to_the_byte(vector: dict[str, Any]) -> None:
    assert canonical(vector["input"]).hex() == vector["output_utf8_hex"]


@given(VALUES)
def test_the_fast_path_writes_what_the_library_writes(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(
    st.lists(st.dictionaries(ASCII_KEYS, st.none() | st.booleans() | st.text() | st.integers(0, 2**53 - 1)))
)
def test_what_was_written_canonically_reads_back(value: Any) -> None:
    assert parse(canonical(value), bytes_max=1_000_000) == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'[{"b":{"a":1,"a":2}}]',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1.0",
        b"1e2",
        b"9007199254740992",
        b"-9007199254740992",
        b"-0",
        b"1" * 5000,
        rb'"\ud800"',
        rb'{"\udfff":1}',
        b'\xef\xbb\xbf{"a":1}',
        b"\xff",
        b'"\xed\xa0\x80"',
        b"[" * 9 + b"]" * 9,
        b"[" * 100_000,
        b'{"a":1} {"a":1}',
        b"'a'",
        b'"\n"',
        b"",
        b"01",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_what_two_readers_could_understand_differently_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse(text, bytes_max=200_000)


def test_the_largest_integer_and_the_deepest_nesting_that_are_allowed_are_read() -> None:
    assert parse(b"[" * 8 + b"9007199254740991" + b"]" * 8, bytes_max=100) == [[[[[[[[2**53 - 1]]]]]]]]


def test_a_text_over_the_limit_is_not_even_looked_at() -> None:
    with pytest.raises(Malformed, match="longer than 10 bytes"):
        parse(b"[1,2,3,4,5]", bytes_max=10)


@given(st.binary(max_size=64))
def test_base64url_reads_back_and_has_one_spelling(data: bytes) -> None:
    assert b64url.decode(b64url.encode(data)) == data


@pytest.mark.parametrize("text", ["QQ==", "QR", "A", "QUI\n", "Q Q", "Qé", "QU+/", "QUJDRA=", "AAAAAAAAAAB="])
def test_any_other_spelling_of_base64url_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        b64url.decode(text)
