"""The package's X.509 certificates, parsed once for each context. Pure; who is trusted is not decided here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from fulldress.formats.late import late
from fulldress.model.package import Entry
from fulldress.scan.reading import memo
from fulldress.scan.rule import Context

SUFFIXES = (".pem", ".crt", ".cer", ".cert", ".chain")
DER_SUFFIXES = (".der", ".cer", ".crt", ".cert")
MAX_DER = 32 << 10
MAX_BYTES = 256 << 10
"""Larger files are trust-store bundles, not certificates of this package."""

_BLOCK = late(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class Found(NamedTuple):
    """A certificate in a file of the package."""

    entry: Entry
    line: int
    certificate: x509.Certificate


def certificates(context: Context) -> list[Found]:
    """Every certificate of the package, in PEM or alone in DER (then without a line)."""
    return memo(context, "certificates", lambda: list(_certificates(context)))


def _certificates(context: Context) -> Iterator[Found]:
    for entry, text in context.texts(*SUFFIXES):
        if entry.size <= MAX_BYTES:
            for block in _BLOCK.finditer(text):
                for certificate in load(block.group()):
                    yield Found(entry, text.count("\n", 0, block.start()) + 1, certificate)
    for entry in context.ending(*DER_SUFFIXES):
        if entry.kind == "file" and entry.size <= MAX_DER and (alone := _der(context, entry)) is not None:
            yield Found(entry, 0, alone)


def _der(context: Context, entry: Entry) -> x509.Certificate | None:
    data = context.read(entry)
    if data[:2] not in (b"\x30\x82", b"\x30\x81"):
        return None
    try:
        certificate = x509.load_der_x509_certificate(data)
        _ = (certificate.subject, certificate.issuer)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return certificate


def load(text: str) -> list[x509.Certificate]:
    """The certificates of a PEM text; damaged ones are left out."""
    found = []
    for block in _BLOCK.finditer(text):
        try:
            certificate = x509.load_pem_x509_certificate(block.group().encode("ascii", "replace"))
            # Names are decoded late: a certificate that cannot say who it is helps nobody here.
            _ = (certificate.subject, certificate.issuer)
        except (ValueError, UnsupportedAlgorithm):
            continue
        found.append(certificate)
    return found


def name(certificate: x509.Certificate) -> str:
    """Whom it is for: the common name, else the whole subject."""
    return _common(certificate.subject)


def issuer(certificate: x509.Certificate) -> str:
    """Who issued it."""
    return _common(certificate.issuer)


def _common(subject: x509.Name) -> str:
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else subject.rfc4514_string()


def self_signed(certificate: x509.Certificate) -> bool:
    """True when it issued itself: a root, or a leaf that nobody vouches for."""
    return certificate.subject == certificate.issuer


def is_ca(certificate: x509.Certificate) -> bool:
    """True when it may issue certificates."""
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the DER form, lower-case hex."""
    return certificate.fingerprint(SHA256()).hex()


def issued_by(certificate: x509.Certificate, candidates: Iterable[x509.Certificate]) -> x509.Certificate | None:
    """The candidate that really signed the certificate."""
    for candidate in candidates:
        if candidate.subject != certificate.issuer:
            continue
        try:
            certificate.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return candidate
    return None
