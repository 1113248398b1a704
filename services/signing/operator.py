"""What people do with seals at a terminal: take one out of the store, verify one from its file."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn
from uuid import UUID

import asyncpg
from cryptography import x509

from services.signing import store
from services.signing.checks.bundle import FORMAT, Judgement, Verdict, judge
from services.signing.domain.canonical import Json
from services.signing.domain.rx_sign import RX_SIGN_1
from services.signing.settings import Settings
from shared import clock
from shared.errors import NotFound

EXIT: Final = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.UNDECIDED: 2}
UNUSABLE: Final = 3


USAGE: Final = """usage: python -m services.signing [serve]
       python -m services.signing dead-letters {list, show, replay, discard} …
       python -m services.signing export TENANT PRESCRIPTION
       python -m services.signing verify FILE --anchors DIR [--json]"""


def command(words: Sequence[str]) -> int:
    """`verify …` or `export …`; gives the exit code."""
    match words:
        case ["verify", *arguments]:
            return verify(arguments)
        case ["export", *arguments]:
            return export(arguments)
        case ["-h" | "--help"]:
            print(USAGE)
            return 0
        case _:
            print(USAGE, file=sys.stderr)
            return UNUSABLE


def verify(arguments: Sequence[str]) -> int:
    """Gives 0 when all is as it was sealed, 1 when not, 2 when nobody can say, 3 for unusable input."""
    parser = _Parser(
        prog="python -m services.signing verify",
        description="Verify a sealed prescription from its bundle, and name the groups that were altered. "
        "Nothing is fetched from a network.",
        epilog="Exit codes: 0 passed, 1 failed, 2 indeterminate, 3 usage or unreadable input.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the bundle, as `export` writes it")
    parser.add_argument(
        "--anchors",
        type=Path,
        required=True,
        metavar="DIR",
        help="directory of trusted root certificates (*.pem)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    asked = parser.parse_args(arguments)
    try:
        judgement = judge(_read(asked.file), _anchors(asked.anchors), clock.now())
    except (OSError, ValueError) as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return UNUSABLE
    print(json.dumps(_as_json(judgement), indent=2) if asked.json else _as_text(judgement))
    return EXIT[judgement.verdict]


def export(arguments: Sequence[str]) -> int:
    """Write the bundle of a sealed prescription, salts and personal data in it, for `verify` to read."""
    parser = _Parser(
        prog="python -m services.signing export",
        description="Write a sealed prescription as a bundle to the standard output. It holds personal data.",
    )
    parser.add_argument("tenant", type=UUID, metavar="TENANT", help="id of the provider")
    parser.add_argument(
        "prescription", type=UUID, metavar="PRESCRIPTION", help="id of the prescription (a UUID)"
    )
    asked = parser.parse_args(arguments)
    url = Settings.from_environment("SIGNING").database_url
    try:
        print(
            json.dumps(
                asyncio.run(_bundle(url, asked.tenant, asked.prescription)), ensure_ascii=False, indent=2
            )
        )
    except (NotFound, OSError, asyncpg.PostgresError) as error:
        print(f"cannot export: {error}", file=sys.stderr)
        return UNUSABLE
    return 0


async def _bundle(url: str, tenant_id: UUID, prescription_id: UUID) -> dict[str, Json]:
    conn = await asyncpg.connect(url)
    try:
        seal, disclosed = await store.newest(conn, tenant_id, prescription_id)
    finally:
        await conn.close()
    return {"format": FORMAT, "seal": seal.jws.as_json(), "disclosures": json.loads(disclosed)}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would exit with 2, which here says that a seal could not be decided about.
        self.print_usage(sys.stderr)
        self.exit(UNUSABLE, f"{self.prog}: {message}\n")


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(RX_SIGN_1.limits.bundle + 1)


def _anchors(directory: Path) -> list[x509.Certificate]:
    found = [
        certificate
        for file in sorted(directory.glob("*.pem"))
        for certificate in x509.load_pem_x509_certificates(file.read_bytes())
    ]
    if not found:
        raise ValueError(f"no certificate (*.pem) in {directory}")
    return found


def _as_json(judgement: Judgement) -> dict[str, Json]:
    return {
        "result": judgement.verdict,
        "code": judgement.code,
        "findings": [
            {"step": one.step, "code": one.code, "group": one.group, "detail": one.detail}
            for one in judgement.findings
        ],
        "profile": judgement.profile,
        "prescription_id": judgement.prescription_id,
        "sealed_at": _second(judgement.sealed_at),
        "time_trusted": False,
        "status_checked": False,
        "signer": judgement.signer,
        "key_id": judgement.key_id,
        "disclosed": list(judgement.disclosed),
        "withheld": list(judgement.withheld),
    }


def _as_text(judgement: Judgement) -> str:
    lines = [judgement.verdict.value]
    if judgement.prescription_id is not None:
        lines += [
            f"prescription  {judgement.prescription_id}",
            f"sealed        {_second(judgement.sealed_at)} (the sealer's clock)",
            f"by            {judgement.signer}",
            f"key           {judgement.key_id}",
            f"unaltered     {', '.join(_unaltered(judgement)) or 'nothing'}",
            f"withheld      {', '.join(judgement.withheld) or 'nothing'}",
        ]
    for one in judgement.findings:
        lines.append(f"{one.code}{f'({one.group})' if one.group else ''}  step {one.step}: {one.detail}")
    return "\n".join(lines)


def _unaltered(judgement: Judgement) -> list[str]:
    suspect = {one.group for one in judgement.findings}
    return [name for name in judgement.disclosed if name not in suspect]


def _second(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
