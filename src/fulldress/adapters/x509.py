"""X.509 certificates: reading them, and building a chain to the vendor's recorded roots. The system's roots do not count.

Every CA of the wider world can sign a name that looks like the vendor's; only roots recorded beforehand say anything.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.utils import CryptographyDeprecationWarning

from fulldress.model.signed import SignedBy

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
MAX_CHAIN = 8
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


class Chain(NamedTuple):
    """How far a chain could be built."""

    rooted: bool
    reason: str
    """Why it is not, in plain words."""
    links: tuple[x509.Certificate, ...]


def certificates(data: bytes) -> list[x509.Certificate]:
    """All certificates of a PEM file or the one of a DER file; [] when there is none."""
    found = [c for block in _PEM.findall(data) if (c := sound(x509.load_pem_x509_certificate, block)) is not None]
    if not found and data[:2] in (b"\x30\x82", b"\x30\x81"):
        found = [c for c in (sound(x509.load_der_x509_certificate, data),) if c is not None]
    return found


@contextmanager
def no_word_of_serials() -> Iterator[None]:
    """Without the library's warnings of odd serial numbers, which say nothing about the key."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


def sound(load: Callable[[bytes], x509.Certificate], data: bytes) -> x509.Certificate | None:
    """The certificate; None for one that cannot be read. The library reads it late: what everybody asks is asked here."""
    try:
        with no_word_of_serials():
            found = load(data)
            _ = found.subject, found.issuer, found.not_valid_before_utc, found.not_valid_after_utc, found.serial_number
    except _UNREADABLE:
        return None
    return found


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, lower-case hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def describe(
    certificate: x509.Certificate, pool: Iterable[x509.Certificate], roots: Sequence[str], now: datetime
) -> SignedBy:
    """One certificate by itself: its chain and its strength. ``intact`` means strong and valid now."""
    chain = build_chain(certificate, pool, roots, now)
    weak = weakness(certificate, now)
    return SignedBy(
        format="x509",
        state="weak" if weak else "intact",
        fingerprint=fingerprint(certificate),
        signer=name(certificate.subject),
        issuer=name(certificate.issuer),
        created=certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        reason="; ".join(r for r in (weak, chain.reason) if r),
        rooted=chain.rooted,
    )


def name(of: x509.Name) -> str:
    """A distinguished name for people: the common name where there is one."""
    common = of.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else of.rfc4514_string()


def weakness(certificate: x509.Certificate, now: datetime) -> str:
    """Why this certificate may not be relied on now; ``""`` when nothing speaks against it."""
    try:
        key = certificate.public_key()
    except _UNREADABLE as error:
        return f"its key cannot be checked: {str(error)[:120]}"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        return f"its RSA key has only {key.key_size} bits"
    if isinstance(key, dsa.DSAPublicKey) or (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size < 224):
        return "its kind of key can be forged"
    algorithm = _hash_name(certificate)
    if algorithm in ("md5", "sha1"):
        return f"it is signed with {algorithm.upper()}, which can be forged"
    if now < certificate.not_valid_before_utc:
        return f"it is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if now > certificate.not_valid_after_utc:
        return f"it expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    return ""


def _hash_name(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return algorithm.name if algorithm else ""


def build_chain(
    certificate: x509.Certificate, pool: Iterable[x509.Certificate], roots: Sequence[str], now: datetime
) -> Chain:
    """Climb from a certificate to one of ``roots`` (PEM texts) over certificates of ``pool``; every link is verified."""
    trusted = [c for text in roots for c in certificates(text.encode())]
    ends = {fingerprint(c) for c in trusted}
    known = [*trusted, *pool]
    links = [certificate]
    while len(links) <= MAX_CHAIN:
        current = links[-1]
        if fingerprint(current) in ends:
            return Chain(True, "", tuple(links))
        if current.subject == current.issuer:
            return Chain(
                False,
                f"its chain ends at {name(current.subject)!r}, which is no root recorded for this vendor",
                tuple(links),
            )
        above = next((c for c in known if c not in links and _issued(current, c, now)), None)
        if above is None:
            missing = name(current.issuer)
            reason = (
                f"the certificate of its issuer {missing!r} is missing (no intermediate in the package, no recorded root)"
            )
            return Chain(False, reason, tuple(links))
        links.append(above)
    return Chain(False, f"its chain is longer than {MAX_CHAIN} certificates", tuple(links))


def _issued(lower: x509.Certificate, upper: x509.Certificate, now: datetime) -> bool:
    if upper.subject != lower.issuer or weakness(upper, now) or not _may_issue(upper):
        return False
    try:
        lower.verify_directly_issued_by(upper)
    except (InvalidSignature, *_UNREADABLE):
        return False
    return True


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True
    except _UNREADABLE:
        return False
