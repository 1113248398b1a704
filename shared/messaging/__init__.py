"""From records to handlers: which function handles what, and how a batch is delivered."""

from shared.messaging.delivery import ON_ERROR, Delivery, Fate, Place
from shared.messaging.handlers import Handlers

__all__ = ["ON_ERROR", "Delivery", "Fate", "Handlers", "Place"]
