"""What the gateway does when it is told something."""

from shared.messaging import Handlers

handlers = Handlers("gateway")

# Each registers its functions with the handlers above; the last say how their dialect answers commands.
from services.gateway.handlers import catalogue, consultations, keys, outcomes, reports  # noqa: E402
from services.gateway.messages.delphos import answers, record_answers  # noqa: E402

__all__ = [
    "answers",
    "catalogue",
    "consultations",
    "handlers",
    "keys",
    "outcomes",
    "record_answers",
    "reports",
]
