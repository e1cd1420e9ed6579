"""Detached CMS (PKCS #7) signatures: really verified, with the messageDigest attribute. No opinion on whose key is whose."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import structs

from fulldress.adapters import x509 as certs
from fulldress.adapters.signerinfo import HASHES, attributes, is_signer, verifies
from fulldress.adapters.timestamp import stamp
from fulldress.model.signed import SignatureState, SignedBy

_SIGNING_USES = ("1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.4", "2.5.29.37.0")
"""Code signing, e-mail protection, any."""
_MAIL_TYPES = (
    "application/pkcs7-signature",
    "application/x-pkcs7-signature",
    "application/pkcs7-mime",
    "application/x-pkcs7-mime",
)
MOST_SIGNERS = 64
"""In one signature: each is a reading of all the bytes that it signs."""
MAX_TEXT = 1 << 20
"""Bytes of a text that may have been signed with its line ends as in a mail."""


class X509:
    """The X.509 and CMS half of ``trust``'s means."""

    def certificates(self, data: bytes) -> tuple[bytes, ...]:
        """The certificates of a PEM or DER file, each as DER; () when there is none."""
        return tuple(_der(c) for c in certs.certificates(data))

    def describe(self, certificate: bytes, pool: Sequence[bytes], roots: Sequence[str], now: datetime) -> SignedBy:
        """One certificate (DER): its strength, and its chain over ``pool`` (DER) to the vendor's ``roots`` (PEM)."""
        return certs.describe(_load(certificate), [_load(c) for c in pool], roots, now)

    def detached(
        self,
        signature: bytes,
        data: Path,
        pool: Sequence[bytes],
        roots: Sequence[str],
        now: datetime,
        stampers: Sequence[str] = (),
    ) -> list[SignedBy]:
        """Judge every signer of a CMS signature over the file ``data``.

        ``stampers``: fingerprints of time-stamping authorities whose word on the time of signing counts.
        """
        try:
            signed = _signed_data(signature)
            if len(signed["signer_infos"]) > MOST_SIGNERS:
                raise ValueError(f"it names {len(signed['signer_infos'])} signers")
            known = [*_embedded(signed), *(_load(c) for c in pool)]
            signers = [_judge(info, signed, data, known, _Given(roots, now, stampers)) for info in signed["signer_infos"]]
        except (ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm) as error:
            return [SignedBy(format="cms", state="unreadable", reason=f"it is no CMS signature: {error}")]
        return signers or [SignedBy(format="cms", state="unreadable", reason="it names no signer")]


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@lru_cache(512)  # a pool of some hundred is gone through for each of them
def _load(der: bytes) -> x509.Certificate:
    with certs.no_word_of_serials():
        return x509.load_der_x509_certificate(der)


def _signed_data(data: bytes) -> Any:
    # tsp tells cms the names of time stamps, which cms must know before it is asked for the name of anything
    from asn1crypto import cms, pem, tsp  # noqa: F401, PLC0415 - loaded when needed: most packages hold no CMS

    data = _out_of_mail(data)
    if pem.detect(data):
        data = pem.unarmor(data)[2]
    content = cms.ContentInfo.load(data, strict=True)
    if content["content_type"].native != "signed_data":
        raise ValueError(f"its content type is {content['content_type'].native}")
    return content["content"]


def _out_of_mail(data: bytes) -> bytes:
    """The signature inside an S/MIME message, or base64 without its PEM lines; anything else as it is."""
    if b"mime-version:" in data[:2000].lower():
        from email import message_from_bytes, policy  # noqa: PLC0415 - loaded when needed: hardly any signature is a mail

        parts = [p for p in message_from_bytes(data, policy=policy.default).walk() if p.get_content_type() in _MAIL_TYPES]
        payload = parts[0].get_payload(decode=True) if parts else None
        return payload if isinstance(payload, bytes) else data
    if data[:2] == b"MI":
        try:
            return base64.b64decode(b"".join(data.split()), validate=True)
        except (binascii.Error, ValueError):
            return data
    return data


def _embedded(signed: Any) -> list[x509.Certificate]:
    found = [c.chosen.dump() for c in signed["certificates"] or () if c.name == "certificate"]
    return [c for der in found if (c := certs.sound(_load, der)) is not None]


class _Given(NamedTuple):
    """What a signature is judged by."""

    roots: Sequence[str]
    now: datetime
    stampers: Sequence[str]


def _judge(info: Any, signed: Any, data: Path, known: list[x509.Certificate], given: _Given) -> SignedBy:
    certificate = next((c for c in known if is_signer(info["sid"], c)), None)
    if certificate is None:
        return SignedBy(format="cms", state="keyless", reason="the signer's certificate is not in the package")
    facts, stamped = _in_time(info, certificate, known, given)
    state, reason = _state(info, signed, data, certificate)
    weak = facts.state == "weak"
    return SignedBy(
        format="cms",
        state="weak" if state == "intact" and weak else state,
        fingerprint=facts.fingerprint,
        signer=facts.signer,
        issuer=facts.issuer,
        created=stamped or _signing_time(info),
        reason="; ".join(r for r in (reason, facts.reason) if r),
        rooted=facts.rooted,
    )


def _in_time(info: Any, certificate: x509.Certificate, known: list[x509.Certificate], given: _Given) -> tuple[SignedBy, str]:
    """The certificate as it is now, or where that has ended as it was when a pinned authority stamped the signature."""
    facts = certs.describe(certificate, known, given.roots, given.now)
    ended = given.now > certificate.not_valid_after_utc
    if not (ended or (not facts.rooted and info["unsigned_attrs"])):
        return facts, ""
    stamped = stamp(info, known, given.stampers, given.now)
    then = certs.describe(certificate, known, given.roots, stamped.when) if stamped.when else facts
    if stamped.when and then.state == "intact" and (facts.state == "weak" or then.rooted):
        return _with(then, stamped.reason), _utc(stamped.when)
    return (_with(facts, stamped.reason) if ended else facts), ""


def _with(facts: SignedBy, reason: str) -> SignedBy:
    return structs.replace(facts, reason="; ".join(r for r in (facts.reason, reason) if r))


def _utc(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _signing_time(info: Any) -> str:
    values = attributes(info).get("signing_time")
    when = values[0].native if values is not None and len(values) else None
    return _utc(when) if isinstance(when, datetime) else ""


def _state(info: Any, signed: Any, data: Path, certificate: x509.Certificate) -> tuple[SignatureState, str]:
    algorithm = info["digest_algorithm"]["algorithm"].native
    if algorithm not in HASHES or algorithm == "sha1":
        return "weak", f"it is made with {algorithm}, which can be forged or is unknown"
    if isinstance(certificate.public_key(), dsa.DSAPublicKey):
        return "weak", "it is made with a DSA key, which can be forged"
    if not _for_signing(certificate):
        return "weak", "its certificate is not meant for signing code"
    named_ones = attributes(info)
    digest = _file_digest(data, algorithm)
    as_mail = b""
    if named_ones:
        named = named_ones.get("message_digest")
        kind = named_ones.get("content_type")
        if named is None or len(named) != 1:
            return "altered", "it was made for other bytes than these"
        if named[0].native != digest:
            as_mail = _with_mail_ends(data)
            if not as_mail or named[0].native != hashlib.new(algorithm, as_mail).digest():
                return "altered", "it was made for other bytes than these"
        if kind is None or kind[0].native != signed["encap_content_info"]["content_type"].native:
            return "altered", "its content type attribute does not match"
        message = info["signed_attrs"].untag().dump(force=True)
    else:
        message = data.read_bytes()
    if not verifies(info, certificate, message, HASHES[algorithm]()):
        return "altered", "its signature value does not fit its certificate"
    return "intact", "it was signed as a text, in which any line end counts as CRLF" if as_mail else ""


def _with_mail_ends(data: Path) -> bytes:
    """A text as S/MIME signs it unless told that it is binary: every line ends in CRLF. ``b""`` for what is no text."""
    content = data.read_bytes() if data.stat().st_size <= MAX_TEXT else b"\0"
    return b"" if b"\0" in content else re.sub(rb"\r?\n", b"\r\n", content)


def _file_digest(data: Path, algorithm: str) -> bytes:
    with data.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).digest()


def _for_signing(certificate: x509.Certificate) -> bool:
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return any(use.dotted_string in _SIGNING_USES for use in uses)
