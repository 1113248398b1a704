"""The installation's own certificate authority, from which seal certificates come in development."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import NameOID

from services.signing.signer import files

FILE: Final = "installation-ca.p12"
ANCHOR: Final = Path("anchors", "installation-ca.pem")
LIFE: Final = timedelta(days=20 * 365)
LEAF_LIFE: Final = timedelta(days=10 * 365)
_BACKDATED: Final = timedelta(hours=1)  # The clocks of two machines may differ when the first seal is made.


class Unfit(Exception):
    """A key cannot be used: it does not open, does not match its certificate, or its time is over."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The root key and its certificate, the anchor of the installation's seals."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def of(cls, directory: Path, password: bytes, now: datetime) -> Self:
        """The authority of this directory, made now unless another process was first, with its anchor."""
        path = directory / FILE
        if not path.exists():
            files.write_once(path, cls._new(now)._sealed(password), mode=files.PRIVATE)
        if not files.is_private(path):
            raise Unfit(f"{FILE} may be read by others than its owner")
        try:
            key, certificate, _ = pkcs12.load_key_and_certificates(path.read_bytes(), password)
        except ValueError as error:
            raise Unfit(f"{FILE} does not open with the password given") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate is None:
            raise Unfit(f"{FILE} holds no key of an authority")
        (directory / ANCHOR).parent.mkdir(mode=0o755, exist_ok=True)
        files.write_once(directory / ANCHOR, certificate.public_bytes(Encoding.PEM), mode=files.PUBLIC)
        return cls(key, certificate)

    def issue(self, key: ec.EllipticCurvePublicKey, tenant_id: UUID, now: datetime) -> x509.Certificate:
        """A seal certificate for one provider."""
        subject = _name(
            (NameOID.ORGANIZATION_IDENTIFIER, str(tenant_id)), (NameOID.COMMON_NAME, "Provider seal")
        )
        return (
            _certificate(subject, self.certificate.subject, key, now, LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(content_commitment=True), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )

    @classmethod
    def _new(cls, now: datetime) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name((NameOID.COMMON_NAME, "Recepta installation CA, development"))
        certificate = (
            _certificate(name, name, key.public_key(), now, LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(key_cert_sign=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def _sealed(self, password: bytes) -> bytes:
        return pkcs12.serialize_key_and_certificates(
            b"installation-ca", self.key, self.certificate, None, BestAvailableEncryption(password)
        )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def _usage(*, content_commitment: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=content_commitment,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )
