"""What credentials may allow: the scopes of access tokens, and the permissions of API keys."""

from __future__ import annotations

from typing import Final

SCOPES: Final = (
    *("ehr:read", "ehr:write", "arc:read", "arc:write"),
    *("dispensing:read", "dispensing:write", "webhooks:read", "webhooks:write"),
)

READ: Final = "prescriptions:read"
WRITE: Final = "prescriptions:write"
SIGN: Final = "prescriptions:sign"
DISPENSE: Final = "dispensing:write"
CATALOGUE: Final = "catalog:read"
ADMIN: Final = "admin"
PERMISSIONS: Final = (READ, WRITE, SIGN, DISPENSE, CATALOGUE, ADMIN)
