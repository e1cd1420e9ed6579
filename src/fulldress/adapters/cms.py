"""Detached CMS (PKCS #7) signatures: really verified, with the messageDigest attribute. No opinion on whose key is whose."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import structs

from fulldress.adapters import x509 as certs
from fulldress.adapters.signerinfo import HASHES, attributes, is_signer, verifies
from fulldress.adapters.timestamp import stamp
from fulldress.model.signed import SignatureState, SignedBy

_SIGNING_USES = ("1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.4", "2.5.29.37.0")
"""Code signing, e-mail protection, any."""


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
            known = [*_embedded(signed), *(_load(c) for c in pool)]
            signers = [_judge(info, signed, data, known, _Given(roots, now, stampers)) for info in signed["signer_infos"]]
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            return [SignedBy(format="cms", state="unreadable", reason=f"it is no CMS signature: {error}")]
        return signers or [SignedBy(format="cms", state="unreadable", reason="it names no signer")]


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@lru_cache(512)  # a pool of some hundred is gone through for each of them
def _load(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def _signed_data(data: bytes) -> Any:
    from asn1crypto import cms, pem  # noqa: PLC0415 - loaded when needed: most packages hold no CMS

    if pem.detect(data):
        data = pem.unarmor(data)[2]
    content = cms.ContentInfo.load(data, strict=True)
    if content["content_type"].native != "signed_data":
        raise ValueError(f"its content type is {content['content_type'].native}")
    return content["content"]


def _embedded(signed: Any) -> list[x509.Certificate]:
    return [_load(c.chosen.dump()) for c in signed["certificates"] or () if c.name == "certificate"]


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
    if named_ones:
        named = named_ones.get("message_digest")
        kind = named_ones.get("content_type")
        if named is None or len(named) != 1 or named[0].native != digest:
            return "altered", "it was made for other bytes than these"
        if kind is None or kind[0].native != signed["encap_content_info"]["content_type"].native:
            return "altered", "its content type attribute does not match"
        message = info["signed_attrs"].untag().dump(force=True)
    else:
        message = data.read_bytes()
    if not verifies(info, certificate, message, HASHES[algorithm]()):
        return "altered", "its signature value does not fit its certificate"
    return "intact", ""


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
