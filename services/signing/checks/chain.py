"""Whether a seal certificate leads to an anchor, by real signature checks on every link (RFC 5280)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError


class Untrusted(Exception):
    """No path leads from the certificate to an anchor, or it is not a certificate that may seal."""


def trust(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], at: datetime) -> None:
    """Raises Untrusted unless the leaf could seal at that moment and leads to one of the anchors."""
    leaf, *between = chain
    if not _may_seal(leaf):
        raise Untrusted("the certificate is not one that seals")
    policy = (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .time(at.astimezone(UTC).replace(tzinfo=None))
        # The default asks for a server's or client's name in the leaf, which no seal certificate has.
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
        )
        .build_client_verifier()
    )
    try:
        policy.verify(leaf, between)
    except VerificationError as error:
        raise Untrusted("no path to an anchor at that time") from error


def _may_seal(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    try:
        authority = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    return (usage.content_commitment or usage.digital_signature) and not authority
