"""RFC 3161 time stamps over CMS signatures: when a signature was there already, by a time-stamping authority on record.

A stamp counts only when its authority (its root or its certificate) is pinned in the vendor record. It moves the moment at
which a certificate is judged; what is forged, revoked by the vendor's word or weak in itself stays so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from fulldress.adapters import x509 as certs
from fulldress.adapters.signerinfo import HASHES, attributes, is_signer, verifies

_STRONG = ("sha224", "sha256", "sha384", "sha512")


class Stamp(NamedTuple):
    """What the stamp of a signature says."""

    when: datetime | None
    """None when it does not count."""
    reason: str
    """Who says so; or why it does not count, and what to do."""


class _Refused(Exception):
    """This stamp does not count."""


def stamp(info: Any, known: Sequence[x509.Certificate], pinned: Sequence[str], now: datetime) -> Stamp:
    """The time stamp of one signer (asn1crypto's ``SignerInfo``). ``pinned``: SHA-256 of authorities on record, hex."""
    tokens = [a["values"] for a in info["unsigned_attrs"] or () if a["type"].native == "signature_time_stamp_token"]
    if not tokens or not len(tokens[0]):
        return Stamp(None, "it has no time stamp that would tell when it was made: ask for a release signed anew")
    try:
        return _judged(tokens[0][0], info["signature"].native, known, pinned, now)
    except _Refused as refused:
        return Stamp(None, f"its time stamp does not count: {refused}")
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        return Stamp(None, f"its time stamp cannot be read: {error}")


def _judged(token: Any, stamped: bytes, known: Sequence[x509.Certificate], pinned: Sequence[str], now: datetime) -> Stamp:
    from asn1crypto import tsp  # noqa: PLC0415 - loaded when needed: most packages hold no time stamp

    signed = token["content"]
    inside = signed["encap_content_info"]
    if token["content_type"].native != "signed_data" or inside["content_type"].native != "tst_info":
        raise _Refused("it is no time-stamp token")
    content = bytes(inside["content"])
    told = tsp.TSTInfo.load(content, strict=True)
    if len(signed["signer_infos"]) != 1:
        raise _Refused("it has not one signer")
    signer = signed["signer_infos"][0]
    pool = [*(x509.load_der_x509_certificate(c.chosen.dump()) for c in signed["certificates"] or ()), *known]
    authority = next((c for c in pool if is_signer(signer["sid"], c)), None)
    if authority is None:
        raise _Refused("the certificate of who made it is not there")
    _signed(signer, content, authority)
    imprint = told["message_imprint"]
    if _digest(imprint["hash_algorithm"]["algorithm"].native, stamped) != imprint["hashed_message"].native:
        raise _Refused("it was made for another signature")
    when: datetime = told["gen_time"].native
    if when > now:
        raise _Refused("it is from the future")
    _trusted(authority, pool, pinned, (when, now))
    return Stamp(when, f"judged as of {when:%Y-%m-%d %H:%M} UTC, which {certs.name(authority.subject)!r} stamped")


def _signed(signer: Any, content: bytes, authority: x509.Certificate) -> None:
    """Raises unless the authority signed this content, as RFC 3161 and RFC 5816 want it."""
    algorithm, named = signer["digest_algorithm"]["algorithm"].native, attributes(signer)
    digests = named.get("message_digest")
    if digests is None or digests[0].native != _digest(algorithm, content):
        raise _Refused("it was changed")
    kind = named.get("content_type")
    if kind is None or kind[0].native != "tst_info":
        raise _Refused("its content type attribute does not match")
    if not _names(named, authority):
        raise _Refused("it does not name the certificate that signed it")
    if not verifies(signer, authority, signer["signed_attrs"].untag().dump(force=True), HASHES[algorithm]()):
        raise _Refused("its signature does not fit its certificate")


def _names(named: dict[str, Any], authority: x509.Certificate) -> bool:
    der = authority.public_bytes(Encoding.DER)
    if "signing_certificate_v2" in named:
        first = named["signing_certificate_v2"][0]["certs"][0]
        return bool(first["cert_hash"].native == _digest(first["hash_algorithm"]["algorithm"].native, der))
    if "signing_certificate" in named:
        first = named["signing_certificate"][0]["certs"][0]
        return bool(first["cert_hash"].native == hashlib.sha1(der, usedforsecurity=False).digest())
    return False


def _digest(algorithm: str, data: bytes) -> bytes:
    if algorithm not in _STRONG:
        raise _Refused(f"it is made with {algorithm}, which can be forged or is unknown")
    return hashlib.new(algorithm, data).digest()


def _trusted(
    authority: x509.Certificate, pool: Sequence[x509.Certificate], pinned: Sequence[str], times: Sequence[datetime]
) -> None:
    """Raises unless the authority may stamp, was valid then and is now, and it or its root is on record."""
    try:
        uses = authority.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, ValueError):
        raise _Refused("its certificate is not for time stamping alone") from None
    if not uses.critical or list(uses.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise _Refused("its certificate is not for time stamping alone")
    anchors = [c.public_bytes(Encoding.PEM).decode() for c in pool if certs.fingerprint(c) in pinned]
    for moment in times:
        if weak := certs.weakness(authority, moment):
            raise _Refused(f"of its certificate: {weak}")
        if not certs.build_chain(authority, pool, anchors, moment).rooted:
            raise _Refused(
                f"{certs.name(authority.subject)!r} (certificate {certs.fingerprint(authority)}) is not on record; when you "
                'know this authority from elsewhere, pin it or its root in vendor.toml with kind = "tsa"'
            )
