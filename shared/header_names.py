"""Header names that are not UTF-8: aiokafka stops a partition at one, we read it, its bad bytes masked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy
from aiokafka.record.util import decode_varint

MASK: Final = ord("?")


def tolerate() -> None:
    """Have all consumers of this process read such records."""
    fetcher.MemoryRecords = _Tolerant


class _Tolerant:
    """What was fetched of one partition, batch by batch."""

    def __init__(self, fetched: bytes) -> None:
        self._fetched = fetched
        self._records = MemoryRecords(fetched)
        self._read = 0

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def size_in_bytes(self) -> int:
        return int(self._records.size_in_bytes())

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        self._read += 1
        return None if batch is None else _Batch(batch, self._fetched, self._read)


class _Batch:
    """A batch that is read as ever, and once more, in Python, when that fails over a name."""

    def __init__(self, batch: Any, fetched: bytes, number: int) -> None:
        self._batch = batch
        self._fetched = fetched
        self._number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(_masked(self._fetched, self._number))

    def __next__(self) -> Any:
        # Of a control batch aiokafka takes the one record there is.
        return next(self._batch)


def _masked(fetched: bytes, number: int) -> list[Any]:
    again = _MemoryRecordsPy(fetched)
    for _ in range(number - 1):
        again.next_batch()
    batch = again.next_batch()
    assert isinstance(batch, _DefaultRecordBatchPy)
    batch._maybe_uncompress()
    position = batch._pos
    for _ in range(batch._num_records):
        position = _mask_record(batch._buffer, position)
    return list(batch)


def _mask_record(buffer: bytearray, position: int) -> int:
    """Mask the bad names of the record that begins here; gives where the next one begins."""
    length, position = decode_varint(buffer, position)
    end = int(position + length)
    position += 1  # its attributes
    for _ in range(2):  # the deltas of time and offset
        _, position = decode_varint(buffer, position)
    for _ in range(2):  # key and value
        position = _skip(buffer, position)
    count, position = decode_varint(buffer, position)
    for _ in range(count):
        size, position = decode_varint(buffer, position)
        _mask(buffer, position, position + size)
        position = _skip(buffer, position + size)
    return end


def _skip(buffer: bytearray, position: int) -> int:
    size, position = decode_varint(buffer, position)
    return int(position + max(size, 0))


def _mask(buffer: bytearray, start: int, end: int) -> None:
    try:
        buffer[start:end].decode("utf-8")
    except UnicodeDecodeError:
        buffer[start:end] = bytes(byte if byte < 0x80 else MASK for byte in buffer[start:end])
