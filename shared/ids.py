"""Ids that sort by the time they were made, so that tables grow at their end."""

from __future__ import annotations

from uuid import UUID

import uuid_utils


def new() -> UUID:
    """A UUIDv7."""
    return UUID(int=uuid_utils.uuid7().int)
