"""Domain to contract: state and history once more, for views that are rebuilt."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from contracts import values
from contracts.rebuilding import StateAnnounced
from services.prescription.domain.consultation import Consultation
from services.prescription.domain.history import Entry
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.template import Template
from services.prescription.messages import entries, records, state

HISTORY_BYTES_MAX: Final = 512 * 1024
"""Of the entries in one record, unless a single one is longer; far below what an outbox row may have."""


def prescription(rebuild_id: UUID, one: Prescription, told: Sequence[Entry]) -> Iterator[StateAnnounced]:
    """The state with the first of its history, then what did not fit beside it."""
    whole: values.Prescription | None = state.whole(one)
    for piece in _pieces(told):
        yield StateAnnounced(
            rebuild_id=rebuild_id,
            tenant_id=one.tenant_id,
            record_id=one.id,
            prescription=whole,
            history=tuple(piece),
        )
        whole = None


def _pieces(told: Sequence[Entry]) -> Iterator[list[values.HistoryEntry]]:
    piece: list[values.HistoryEntry] = []
    size = 0
    for entry in map(entries.entry, told):
        length = len(entry.model_dump_json())
        if piece and size + length > HISTORY_BYTES_MAX:
            yield piece
            piece, size = [], 0
        piece.append(entry)
        size += length
    yield piece


def consultation(rebuild_id: UUID, one: Consultation) -> StateAnnounced:
    return StateAnnounced(
        rebuild_id=rebuild_id,
        tenant_id=one.tenant_id,
        record_id=one.id,
        consultation=records.whole_consultation(one),
    )


def template(rebuild_id: UUID, one: Template) -> StateAnnounced:
    return StateAnnounced(
        rebuild_id=rebuild_id, tenant_id=one.tenant_id, record_id=one.id, template=records.whole_template(one)
    )
