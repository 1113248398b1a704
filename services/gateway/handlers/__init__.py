"""What the gateway does when it is told something."""

from shared.messaging import Handlers

handlers = Handlers("gateway")

# Each registers its functions with the handlers above; the last says how its dialect answers commands.
from services.gateway.handlers import catalogue, keys, outcomes, reports  # noqa: E402
from services.gateway.messages.delphos import answers  # noqa: E402

__all__ = ["answers", "catalogue", "handlers", "keys", "outcomes", "reports"]
