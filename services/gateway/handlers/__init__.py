"""What the gateway does when it is told something."""

from shared.messaging import Handlers

handlers = Handlers("gateway")

# Each registers its functions with the handlers above.
from services.gateway.handlers import catalogue, keys, outcomes, reports  # noqa: E402

__all__ = ["catalogue", "handlers", "keys", "outcomes", "reports"]
