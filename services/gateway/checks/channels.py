"""By which ways somebody may be written to."""

from __future__ import annotations

from typing import Final

from services.gateway.checks.fields import Form

EMAIL: Final = "EMAIL"
ALL: Final = (EMAIL, "SMS")


def read(form: Form) -> str:
    """The channel that a body asks for; that there is none but mail is noted."""
    channel = form.word("channel", ALL, required=True)
    if channel not in (None, EMAIL):
        form.fail("channel", "channel_not_configured", "This installation sends no SMS.")
    return channel or EMAIL
