"""Fetched batches whose header names no library of ours would write."""

import struct
from collections.abc import Sequence

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

from shared.header_names import _Tolerant

NONE, GZIP = 0, 1
Headers = Sequence[tuple[str, bytes | None]]


def batch(*headers: Headers, compression: int = NONE) -> bytes:
    """A batch in which each `zz` is spelt in bytes that are no UTF-8."""
    builder = BatchBuilder(1 << 20, compression)
    for number, one in enumerate(headers):
        builder.append(timestamp=1, key=b"k", value=b"v%d" % number, headers=one)
    made = bytearray(builder._build())
    if compression == NONE:
        made = made.replace(b"zz", b"\xff\xfe")
        made[17:21] = struct.pack(">I", calc_crc32c(bytes(made[21:])))
    return bytes(made)


def read(fetched: bytes) -> list[tuple[bytes, Headers]]:
    records = _Tolerant(fetched)
    found = []
    while records.has_next():
        found += [(one.value, list(one.headers)) for one in records.next_batch()]
    return found


def test_good_names_are_read_as_ever() -> None:
    assert read(batch([("á", b"1"), ("n", None)])) == [(b"v0", [("á", b"1"), ("n", None)])]


def test_a_bad_name_is_masked_and_all_else_is_as_it_was() -> None:
    fetched = batch([("a", b"1")], [("zz", b"2"), ("b", None)], [("c", b"3")])

    assert read(fetched) == [
        (b"v0", [("a", b"1")]),
        (b"v1", [("??", b"2"), ("b", None)]),
        (b"v2", [("c", b"3")]),
    ]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_bad_one_of_several_batches_is_found(place: int) -> None:
    batches = [batch([("a", b"1")]) for _ in range(3)]
    batches[place] = batch([("zz", b"1")])

    names = [headers[0][0] for _, headers in read(b"".join(batches))]

    assert names == ["??" if number == place else "a" for number in range(3)]


def test_a_compressed_batch_is_read() -> None:
    assert read(batch([("a", b"1")], compression=GZIP)) == [(b"v0", [("a", b"1")])]
