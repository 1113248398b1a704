"""A short pharmacy system over HTTP: look behind a code, claim it, hand everything over.

    python examples/pharmacy.py RX-2026-9182407133560285

reads the address and a client's credentials from the environment, as `make run` writes them to `.run/env`:
RECEPTA_URL, RECEPTA_PHARMACY_CLIENT. Run again with the same code, it says what has become of it.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import Any

import httpx


class Refused(Exception):
    """Recepta said no; `code` is for programs, the text for people."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem["message"])
        self.code = problem["code"]


class Pharmacy:
    """A pharmacy's access to Recepta; a token lasts an hour."""

    def __init__(self, url: str, credentials: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)
        client_id, _, secret = credentials.partition(":")
        form = {"grant_type": "client_credentials"}
        token = self._body(self.http.post("/v1/oauth/token", data=form, auth=(client_id, secret)))
        self.http.headers["authorization"] = f"Bearer {token['access_token']}"

    def behind(self, code: str) -> dict[str, Any]:
        """What the code stands for, without claiming it."""
        return self._body(self.http.get(f"/dispensing/v1/codes/{code}"))

    def claim(self, code: str) -> dict[str, Any]:
        """From now on nobody else can dispense it, until it is completed, cancelled, or timed out."""
        return self._body(self.http.post("/dispensing/v1/dispensations", json={"code": code}))

    def hand_over(self, dispensation_id: str) -> dict[str, Any]:
        """Everything that was claimed; said twice with the same receipt, it counts once."""
        receipt = {
            "amount": 0,
            "document_number": f"F-{dispensation_id}",
            "document_date": datetime.now(UTC).isoformat(),
        }
        path = f"/dispensing/v1/dispensations/{dispensation_id}/complete"
        return self._body(self.http.post(path, json=receipt))

    @staticmethod
    def _body(answer: httpx.Response) -> dict[str, Any]:
        if answer.is_error:
            raise Refused(answer.json())
        return dict(answer.json())


def main(url: str, credentials: str, code: str) -> int:
    """0 when the patient has it all; 1 when Recepta refused, with its reason."""
    try:
        pharmacy = Pharmacy(url, credentials)
        for product in pharmacy.behind(code)["products"]:
            print(product["remaining_quantity"], product["product_code"], product["product_name"])
        claimed = pharmacy.claim(code)
        print("claimed", claimed["dispensation_id"])
        print(pharmacy.hand_over(claimed["dispensation_id"])["prescription_status"])
    except Refused as refused:
        print(refused.code, refused)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ["RECEPTA_URL"], os.environ["RECEPTA_PHARMACY_CLIENT"], sys.argv[1]))
