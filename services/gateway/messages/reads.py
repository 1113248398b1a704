"""Full reads as bytes, remembered while they are the newest: clients read the same again and again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

from contracts.values import Prescription
from services.gateway.messages import prescriptions
from services.gateway.messages.answers import to_json

REMEMBERED_MAX: Final = 1_000

_Key: TypeAlias = tuple[UUID, UUID]


@dataclass(frozen=True)
class _Rendered:
    stored: Prescription
    body: bytes


class Reads:
    """What was rendered lately. Whether it is still the newest is asked of the view at every read."""

    def __init__(self) -> None:
        self._rendered: OrderedDict[_Key, _Rendered] = OrderedDict()

    def held(self, tenant_id: UUID, prescription_id: UUID) -> Prescription | None:
        """The state that was rendered last."""
        found = self._rendered.get((tenant_id, prescription_id))
        return None if found is None else found.stored

    def body(self, stored: Prescription, shown: Prescription) -> bytes:
        """The body of a read; `shown` is what the clock has made of what is stored."""
        if shown is not stored:
            return to_json(prescriptions.read(shown))
        key = (stored.tenant_id, stored.prescription_id)
        found = self._rendered.get(key)
        if found is None or found.stored is not stored:
            found = self._rendered[key] = _Rendered(stored, to_json(prescriptions.read(stored)))
        self._rendered.move_to_end(key)
        if len(self._rendered) > REMEMBERED_MAX:
            self._rendered.popitem(last=False)
        return found.body
