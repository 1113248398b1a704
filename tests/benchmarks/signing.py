"""What the hash, the seal and its verification cost on one core, beside the rfc8785 package."""

import asyncio
import json
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec

from services.signing.checks.bundle import judge
from services.signing.domain import jws
from services.signing.domain.canonical import digest
from services.signing.domain.rx_sign import RX_SIGN_1
from services.signing.domain.seal import Disclosure, Sealable, Unsigned, payload, prepare, salts_of
from services.signing.signer.pkcs12 import Pkcs12Signer
from tests.unit.signing_vectors import ISSUED, bundle, chain, root

ROUNDS: Final = 2_000
ITEMS: Final = 5
NOW: Final = datetime(2026, 7, 1, tzinfo=UTC)
FIVE: Final = replace(
    ISSUED,
    document=replace(ISSUED.document, item_count=ITEMS),
    items=tuple(replace(ISSUED.items[0], item_no=number) for number in range(1, ITEMS + 1)),
)


def measure() -> dict[str, Any]:
    """Milliseconds of one operation, median and 99th percentile; the bar for the hash is 1 ms."""
    prepared, signer = _prepared(), Pkcs12Signer(ec.generate_private_key(ec.SECP256R1()), chain())
    header = jws.header(alg=signer.alg, cty=RX_SIGN_1.cty, iat=int(NOW.timestamp()), chain=signer.chain)
    data = Unsigned(header, prepared.payload).signing_input
    groups = prepared.disclosures
    with asyncio.Runner() as runner:
        file, anchors = json.dumps(runner.run(bundle(FIVE))).encode(), [root()]
        loop = runner.get_loop()
        return {
            "normal forms, digests and payload of 5 items": _milliseconds(_prepared),
            "digests and payload of 5 items": _milliseconds(lambda: payload(RX_SIGN_1, _unwritten(groups))),
            "baseline: the same with rfc8785": _milliseconds(lambda: _baseline(groups)),
            "sign (ES256)": _milliseconds(lambda: loop.run_until_complete(signer.sign(data))),
            "verify a bundle offline": _milliseconds(lambda: judge(file, anchors, NOW), rounds=ROUNDS // 4),
        }


def _prepared() -> Sealable:
    return prepare(FIVE, RX_SIGN_1, salts_of(secrets.token_bytes(16 * (ITEMS + 4))))


def _unwritten(groups: Sequence[Disclosure]) -> list[Disclosure]:
    return [Disclosure(one.name, one.salt, one.data) for one in groups]


def _baseline(groups: Sequence[Disclosure]) -> bytes:
    digests = [
        {"name": one.name, "digest": digest(rfc8785.dumps({"profile": RX_SIGN_1.name, **one.as_json()}))}
        for one in groups
    ]
    return rfc8785.dumps({"profile": RX_SIGN_1.name, "groups": digests})


def _milliseconds(operation: Callable[[], object], *, rounds: int = ROUNDS) -> dict[str, float]:
    for _ in range(rounds // 10):
        operation()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter_ns()
        operation()
        taken.append((time.perf_counter_ns() - started) / 1e6)
    taken.sort()
    return {"p50_ms": round(taken[rounds // 2], 4), "p99_ms": round(taken[math.ceil(rounds * 0.99) - 1], 4)}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
