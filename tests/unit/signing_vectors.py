"""The golden vectors of rx-sign/1: invented prescriptions, fixed salts, the example key that RFC 7515 prints.

`python -m tests.unit.signing_vectors` writes them again, under the same certificates.
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from services.signing.checks.bundle import FORMAT
from services.signing.domain import b64url, jws
from services.signing.domain.canonical import digest
from services.signing.domain.content import (
    Content,
    Diagnosis,
    DiagnosisEntry,
    Document,
    Guardian,
    Item,
    Patient,
    Prescriber,
)
from services.signing.domain.rx_sign import RX_SIGN_1
from services.signing.domain.seal import Sealable, Unsigned, prepare, salts_of

FILE: Final = Path(__file__).parent / "vectors" / "rx_sign_1.json"
SPAIN: Final = Path(__file__).parent / "vectors" / "es_rx_hash_1.json"
SEALED_AT: Final = datetime(2026, 6, 25, 16, 0, 1, tzinfo=UTC)
EXAMPLE_KEY: Final = {  # RFC 7515, appendix A.3: published, so it protects nothing.
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
}

ISSUED: Final = Content(
    document=Document(
        prescription_id="019eff82-7400-74a6-b57f-7c843a69c3b1",
        prescription_code="RX-2026-9182407133560285",
        version=1,
        issued_at="2026-06-25T16:00:00Z",
        prescription_date="2026-06-25",
        valid_until="2026-07-26T05:59:59Z",
        item_count=2,
        patient_data_consent=True,
    ),
    patient=Patient(
        given_names="Ana",
        first_surname="López",
        birth_date="1990-04-11",
        id_type="CC",
        id_number="1000000001",
    ),
    prescriber=Prescriber(
        given_names="Marta",
        first_surname="Ruiz",
        second_surname="Soler",
        id_type="DPI",
        id_number="1000200030101",
        license_number="MP-12345",
        licensing_body="Colegio de Médicos de Ejemplo",
        specialty="Medicina general",
        email="marta.ruiz@clinica-norte.example",
        phone="+50255550000",
        facility_name="Clínica Norte",
        country="GT",
    ),
    items=(
        Item(
            item_id="019eff82-7400-74a6-b57f-7c843a69c3b2",
            item_no=1,
            description="Paracetamol 500 mg tablets",
            active_ingredients=("paracetamol",),
            strength="500 mg",
            form="tablet",
            route="oral",
            units="30",
            unit="tablet",
            posology="1 tablet every 8h",
            treatment_days=10,
        ),
        Item(
            item_id="019eff82-7400-74a6-b57f-7c843a69c3b3",
            item_no=2,
            description="Warfarin 5 mg tablets",
            active_ingredients=("warfarin",),
            strength="5 mg",
            form="tablet",
            route="oral",
            units="28",
            unit="tablet",
            posology="Half a tablet at night",
            dose_amount="0.5",
            dose_unit="tablet",
            frequency="once a day",
            substitution_allowed=False,
        ),
    ),
    diagnosis=Diagnosis(entries=(DiagnosisEntry(system="ICD-10", code="R51", text="Headache"),)),
)

WRITTEN_BY_HAND: Final = Content(
    document=Document(
        prescription_id="7B1F0C9E-2D34-4A6B-8C1D-5E6F7A8B9C0D",
        prescription_code=" rx-2026-0000000000000002 ",
        version=1,
        issued_at="2026-06-30T23:30:00Z",
        prescription_date="2026-06-30",
        valid_until=None,
        item_count=1,
    ),
    patient=Patient(
        given_names=" I\u0301n\u0303igo  Müller 😀",
        birth_date="2019-12-31",
        guardian=Guardian(given_names="Zoë", id_type="CPF", id_number="123.456.789-09"),
    ),
    prescriber=Prescriber(
        given_names="João d'Ávila", license_number="CRM-SP 123.456", licensing_body="CRM-SP"
    ),
    items=(
        Item(
            item_id="2F6D8A10-4B7C-4E21-9C3D-8E7F6A5B4C3D",
            item_no=1,
            description='Pomada "da vovó" \\ 30 g',
            units="0021.50",
            posology="500mg\n8/8h\tpor 7 dias\n\n« com água »",
        ),
    ),
)

STEP_BY_STEP: Final = Content(
    document=Document(
        prescription_id="7b1f0c9e-2d34-4a6b-8c1d-5e6f7a8b9c0d",
        prescription_code="RX-2026-0000000000000010",
        version=2,
        issued_at="2026-06-25T15:02:26Z",
        prescription_date="2026-06-25",
        valid_until="2026-07-25T23:59:00Z",
        item_count=3,
    ),
    patient=Patient(given_names="Joana Prado de Exemplo", birth_date="1958-02-03"),
    prescriber=Prescriber(
        given_names="João d'Ávila",
        license_number="123456",
        licensing_body="CRM-SP",
        facility_name="Clínica Exemplo",
        country="BR",
    ),
    items=(
        Item(
            item_id="11a7c6d2-9f0b-4c55-8f3e-6a1b2c3d4e01",
            item_no=1,
            description="Marevan",
            active_ingredients=("VARFARINA SODICA",),
            strength="5 MG",
            units="30",
            unit="comprimidos",
            posology="5mg, oral, 24/24h, 30 dias, Tomar 1 comprimido\na noite.",
            treatment_days=30,
        ),
        Item(
            item_id="11a7c6d2-9f0b-4c55-8f3e-6a1b2c3d4e02",
            item_no=2,
            description="Amoxicilina + clavulanato",
            active_ingredients=("AMOXICILINA", "CLAVULANATO DE POTASSIO"),
            posology="875mg + 125mg, oral, 12/12h",
        ),
        Item(
            item_id="11a7c6d2-9f0b-4c55-8f3e-6a1b2c3d4e03",
            item_no=3,
            description="Xarope da vovó",
            posology="1 colher,\tse necessário",
        ),
    ),
)


def salts(first: int, count: int) -> tuple[str, ...]:
    return salts_of(b"".join(bytes([number]) * 16 for number in range(first, first + count)))


def sealable(content: Content, first_salt: int = 1) -> Sealable:
    return prepare(content, RX_SIGN_1, salts(first_salt, len(content.groups())))


class ExampleSigner:
    """The example key with deterministic signatures (RFC 6979), so that golden bytes stay the same."""

    alg: Final = "ES256"

    def __init__(self, chain: Sequence[bytes]) -> None:
        self.chain = chain
        self._key = ec.derive_private_key(
            int.from_bytes(b64url.decode(EXAMPLE_KEY["d"]), "big"), ec.SECP256R1()
        )

    async def sign(self, data: bytes) -> bytes:
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self._key.sign(data, algorithm))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def chain() -> list[bytes]:
    return [base64.b64decode(stored()["certificates"]["leaf_der"])]


async def bundle(content: Content, *, first_salt: int = 1) -> dict[str, Any]:
    """A sealed prescription as the verifier takes it."""
    prepared, signer = sealable(content, first_salt), ExampleSigner(chain())
    protected = jws.header(
        alg=signer.alg, cty=RX_SIGN_1.cty, iat=int(SEALED_AT.timestamp()), chain=signer.chain
    )
    unsigned = Unsigned(protected, prepared.payload)
    seal = unsigned.signed(await signer.sign(unsigned.signing_input))
    disclosures = [one.as_json() for one in prepared.disclosures]
    return {"format": FORMAT, "seal": seal.as_json(), "disclosures": disclosures}


async def vector(name: str, content: Content, first_salt: int) -> dict[str, Any]:
    prepared = sealable(content, first_salt)
    return {
        "name": name,
        "input": content.groups(),
        "groups": [
            {
                **one.as_json(),
                "jcs": one.opened(RX_SIGN_1.name).decode(),
                "digest": one.digest(RX_SIGN_1.name),
            }
            for one in prepared.disclosures
        ],
        "payload_jcs": prepared.payload.decode(),
        "payload_sha256": digest(prepared.payload),
        "bundle": await bundle(content, first_salt=first_salt),
    }


def root() -> x509.Certificate:
    return x509.load_pem_x509_certificate(stored()["certificates"]["root_pem"].encode())


async def build() -> dict[str, Any]:
    return {
        "about": "Test vectors of the profile rx-sign/1. Invented people and products. The key is the public "
        "example of RFC 7515 A.3. Signatures are deterministic (RFC 6979); nobody need reproduce them.",
        "certificates": stored()["certificates"],
        "sealed_at": SEALED_AT.isoformat(),
        "prescriptions": [
            await vector("issued", ISSUED, 1),
            await vector("written by hand", WRITTEN_BY_HAND, 101),
            await vector("step by step", STEP_BY_STEP, 151),
        ],
    }


def text(vectors: dict[str, Any]) -> str:
    return json.dumps(vectors, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(asyncio.run(build())), encoding="utf-8")
