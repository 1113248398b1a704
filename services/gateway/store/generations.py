"""The two generations of the views: the one that reads see, and the one that a rebuild fills beside it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Generation: TypeAlias = Literal["public", "rebuilt"]
"""A schema: both have the same tables."""

SHOWN: Final = "public"
REBUILT: Final = "rebuilt"
LEAVING: Final = "leaving"
"""A schema that has tables only within the transaction that swaps the two."""

VIEWS: Final = (
    *("prescription_view", "dispensation_view", "prescription_history", "consultation_view", "template_view"),
)
"""In the order in which whoever writes them locks them."""
