"""What CMS signatures and time-stamp tokens have in common: one ``SignerInfo``, its certificate, its mathematics. No I/O."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


def is_signer(sid: Any, certificate: x509.Certificate) -> bool:
    """True when a signer identifier names this certificate."""
    if sid.name == "issuer_and_serial_number":
        same_issuer: bool = sid.chosen["issuer"].dump() == certificate.issuer.public_bytes()
        return same_issuer and sid.chosen["serial_number"].native == certificate.serial_number
    try:
        key = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, ValueError):
        return False
    return bool(sid.chosen.native == key)


def attributes(info: Any) -> dict[str, Any]:
    """The signed attributes: name -> values."""
    return {a["type"].native: a["values"] for a in info["signed_attrs"] or ()}


def verifies(info: Any, certificate: x509.Certificate, message: bytes, algorithm: hashes.HashAlgorithm) -> bool:
    """True when the signature value is the certificate's over the message."""
    key, signature = certificate.public_key(), info["signature"].native
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, _padding(info, algorithm), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, message)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _padding(info: Any, algorithm: hashes.HashAlgorithm) -> padding.AsymmetricPadding:
    if info["signature_algorithm"]["algorithm"].native == "rsassa_pss":
        return padding.PSS(mgf=padding.MGF1(algorithm), salt_length=padding.PSS.AUTO)
    return padding.PKCS1v15()
