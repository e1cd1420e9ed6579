"""OpenPGP signatures, checked by Sequoia. Reads bytes and answers; holds no opinion on whose key is whose.

Sequoia says only "no valid signatures"; this file finds out why: altered bytes, a key that is not at hand, a revoked key, a
weak hash. Each of several signatures in one file is judged by itself.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pysequoia
from msgspec import structs
from pysequoia.packet import HashAlgorithm, PacketPile, SignatureType, Tag

from fulldress.formats import pgpsignature
from fulldress.model.signed import SignatureState, SignedBy

os.environ.setdefault("RUST_LIB_BACKTRACE", "0")
"""What is no key is an answer here, and happens often: with RUST_BACKTRACE set, each would cost 100 ms for a trace that
nobody reads. (Rust looks when it fails for the first time.)"""

_WEAK = (HashAlgorithm.MD5, HashAlgorithm.SHA1, HashAlgorithm.RipeMD)
_REVOCATIONS = (SignatureType.KeyRevocation, SignatureType.SubkeyRevocation)
_CLEAR = re.compile(
    rb"-----BEGIN PGP SIGNED MESSAGE-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n(.*?)\r?\n(-----BEGIN PGP SIGNATURE-----.*)", re.DOTALL
)
MOST_SIGNATURES = 64
"""In one file: each is a reading of all the bytes that it signs."""
MOST_OWNERS = 4
"""Certificates that are tried for one signature: several may name its key as a subkey of theirs, rightly or not."""
_ALTERED = "it does not match these bytes: they were changed, or it was made for others"
_BETTER: tuple[SignatureState, ...] = ("intact", "weak", "keyless", "altered")
_FAILURES = (RuntimeError, ValueError, TypeError, OSError)
"""What the binding raises on bytes that it cannot use."""


class _Key(NamedTuple):
    """A certificate. The library raises on every question about one whose key is too weak: those are asked once, here."""

    cert: Any
    ids: frozenset[str]
    """Fingerprints and key ids of the primary key and of all subkeys, lower-case."""
    packets: tuple[Any, ...]
    names: tuple[str, ...]
    revoked: bool
    expires: datetime | None
    rejected: str
    """Why nothing that it signed can count; ``""`` for a key that may be used."""


class OpenPgp:
    """The OpenPGP half of ``trust``'s means."""

    def certificates(self, data: bytes) -> tuple[str, ...]:
        """Fingerprints of the public keys in a file; () when it holds none."""
        try:
            return tuple(dict.fromkeys(cert.fingerprint for cert in pysequoia.Cert.split_bytes(data)))
        except _FAILURES:
            return ()

    def describe(self, data: bytes) -> dict[str, str]:
        """Facts about the public keys in a file, by lower-case fingerprint: algorithm, dates, names."""
        return {key.cert.fingerprint.lower(): _facts(key) for key in _keys((data,))}

    def detached(self, signature: bytes, data: Path, keys: Sequence[bytes], now: datetime) -> list[SignedBy]:
        """Judge every signature in ``signature`` over the file ``data``; ``keys`` are the contents of key files."""
        signatures = _signatures(signature)
        if not signatures:
            return [SignedBy(format="openpgp", state="unreadable", reason="it is no OpenPGP signature")]
        if len(signatures) > MOST_SIGNATURES:
            return [SignedBy(format="openpgp", state="unreadable", reason=f"it holds {len(signatures)} signatures")]
        known, made = _keys(tuple(keys)), _packets(signature)
        over = functools.partial(_chunks, data)
        return [
            _judge(s, known, now, functools.partial(_verify_file, data, s), functools.partial(_made_over, packet, over))
            for s, packet in zip(signatures, made, strict=True)
        ]

    def inline(self, message: bytes, keys: Sequence[bytes], now: datetime) -> tuple[bytes, list[SignedBy]]:
        """The signed text of a clear-signed message, and its signatures judged."""
        alone = message.count(b"-----BEGIN PGP SIGNED MESSAGE-----") == 1
        match = _CLEAR.fullmatch(message.strip()) if alone else None
        signatures = _signatures(match.group(2)) if match else []
        if not match or not signatures or len(signatures) > MOST_SIGNATURES:
            return b"", [SignedBy(format="openpgp", state="unreadable", reason="it is no clear-signed message")]
        known, made = _keys(tuple(keys)), _packets(match.group(2))
        plain = re.sub(rb"(?m)^- ", b"", match.group(1))
        text = b"\r\n".join(line.rstrip(b" \t\r") for line in plain.split(b"\n"))
        found = [
            _judge(
                s,
                known,
                now,
                lambda store: pysequoia.verify(bytes=message, store=store),
                functools.partial(_made_over, packet, lambda: iter((text,))),
            )
            for s, packet in zip(signatures, made, strict=True)
        ]
        return plain + b"\n", found


def _verify_file(data: Path, signature: Any, store: Any) -> Any:
    return pysequoia.verify(file=str(data), store=store, signature=signature)


def _packets(data: bytes) -> list[Any]:
    return [p for p in PacketPile.from_bytes(data) if p.tag == Tag.Signature]


def _signatures(data: bytes) -> list[Any]:
    try:
        return [pysequoia.Sig.from_bytes(bytes(p)) for p in _packets(data)]
    except _FAILURES:
        return []


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            yield chunk


def _made_over(packet: Any, chunks: Callable[[], Iterable[bytes]]) -> pgpsignature.Made | None:
    """The signature taken apart, when it was made over these bytes."""
    made = pgpsignature.signature(bytes(packet.body))
    return made if made is not None and pgpsignature.made_over(made, chunks()) else None


@functools.lru_cache(8)  # a package may hold hundreds of keys, and each of hundreds of signatures asks for all of them
def _keys(files: tuple[bytes, ...]) -> list[_Key]:
    found: dict[str, Any] = {}
    for data in files:
        try:
            for cert in pysequoia.Cert.split_bytes(data):
                found[cert.fingerprint] = _merged(found.get(cert.fingerprint), cert)
        except _FAILURES:
            continue
    return [key for cert in found.values() if (key := _readable(cert)) is not None]


def _readable(cert: Any) -> _Key | None:
    try:
        return _key(cert)
    except _FAILURES:
        return None


def _merged(known: Any, cert: Any) -> Any:
    """All that is known of one key: a copy without its revocation takes back nothing of what another copy says."""
    return cert if known is None else known.merge(cert)


def _field(of: Any, name: str) -> Any:
    """A field of a packet; None for what this library has no name for, on which it raises."""
    try:
        return getattr(of, name)
    except _FAILURES:
        return None


def _key(cert: Any) -> _Key:
    packets = tuple(PacketPile.from_bytes(bytes(cert)))
    keys = [p for p in packets if _field(p, "tag") in (Tag.PublicKey, Tag.PublicSubkey)]
    ids = set().union(*map(_ids, keys))
    try:
        names, rejected = tuple(str(u) for u in cert.user_ids), ""
        return _Key(cert, frozenset(ids), packets, names, cert.is_revoked, cert.expiration, rejected)
    except _FAILURES as error:
        return _Key(cert, frozenset(ids), packets, (), _revoked_by_packets(packets), None, _cause(error))


def _revoked_by_packets(packets: Sequence[Any]) -> bool:
    return any(_field(p, "signature_type") == SignatureType.KeyRevocation for p in packets)


def _cause(error: BaseException) -> str:
    """The reason at the end of the library's chain of reasons, without its backtrace."""
    text = str(error).partition("Stack backtrace")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip() and line.strip() != "Caused by:"]
    return lines[-1][:200] if lines else type(error).__name__


def _facts(key: _Key) -> str:
    primary = next((p for p in key.packets if _field(p, "tag") == Tag.PublicKey), None)
    parts = [str(_field(primary, "key_algorithm") or "a key of unknown kind").rpartition(".")[2]]
    if made := _field(primary, "key_created"):
        parts.append(f"made {made.astimezone(UTC):%Y-%m-%d}")
    if key.rejected:
        return ", ".join([*parts, f"TOO WEAK: {key.rejected}"])
    parts.append(f"valid until {key.expires.astimezone(UTC):%Y-%m-%d}" if key.expires else "without an end")
    parts += ["REVOKED"] if key.revoked else []
    return ", ".join([*parts, *key.names[:3]])


Verify = Callable[[Any], Any]
Over = Callable[[], pgpsignature.Made | None]
"""The signature taken apart, when it was made over the bytes in question. Reads them."""


def _judge(signature: Any, keys: list[_Key], now: datetime, verify: Verify, over: Over) -> SignedBy:
    try:
        return _judged(signature, keys, now, verify, over)
    except _FAILURES as error:
        return SignedBy(format="openpgp", state="unreadable", reason=f"it cannot be read: {_cause(error)}")


def _judged(signature: Any, keys: list[_Key], now: datetime, verify: Verify, over: Over) -> SignedBy:
    issuer = (signature.issuer_fingerprint or signature.issuer_key_id or "").lower()
    owners = [k for k in keys if issuer in k.ids][:MOST_OWNERS]
    if not owners:
        reason = f"the key {issuer or '(unnamed)'} that would check it is not at hand"
        return _answer(signature, "keyless", issuer, reason=reason)
    answers: list[SignedBy] = []
    for key in owners:  # anybody can name another's key as a subkey of his own: whose it is, is said by what verifies
        answers.append(_by(signature, key, issuer, now, verify, over))
        if answers[-1].state == "intact":
            break
    return min(answers, key=lambda answer: _BETTER.index(answer.state))


def _by(signature: Any, key: _Key, issuer: str, now: datetime, verify: Verify, over: Over) -> SignedBy:
    """The answer when the signature is taken for one of this certificate."""
    state, reason = _state(signature, key, issuer, now, verify, over)
    signer = "" if state == "keyless" else key.names[0] if key.names else "(a key without a name)"
    answer = _answer(signature, state, key.cert.fingerprint, signer=signer, reason=reason)
    made_by = _signing_key(verify, key.cert) if state == "intact" else ""
    return answer if made_by == key.cert.fingerprint.lower() else structs.replace(answer, subkey=made_by)


def _state(signature: Any, key: _Key, issuer: str, now: datetime, verify: Verify, over: Over) -> tuple[SignatureState, str]:
    created: datetime | None = signature.created
    if signature.hash_algorithm in _WEAK:
        return "weak", f"it is made with {str(signature.hash_algorithm).rpartition('.')[2]}, which can be forged"
    if created and created > now:
        return "weak", "it claims to be made in the future"
    if signature.expiration and signature.expiration <= now:
        return "weak", "the signature has expired"
    if why := _unusable(key, issuer):
        return "keyless", why
    if key.rejected:
        return "weak", f"its key cannot be relied on: {key.rejected}"
    if not _verifies(verify, key.cert):
        if any(_field(p, "signature_type") in _REVOCATIONS for p in key.packets) and _verifies(verify, _unrevoked(key)):
            return "weak", "its key was revoked"
        if key.expires and created and key.expires <= created:
            return "weak", "its key had expired when it was made"
        made = over()
        return ("weak", _refused(made, key, issuer, created)) if made is not None else ("altered", _ALTERED)
    if key.revoked:
        return "weak", "its key was revoked"
    if key.expires and key.expires <= now:
        return "intact", "its key has expired since"
    return "intact", ""


def _unusable(key: _Key, issuer: str) -> str:
    """Why the key at hand cannot check anything; ``""`` when it can, or is refused for a reason of its own."""
    for packet in key.packets:
        if _field(packet, "tag") in (Tag.PublicKey, Tag.PublicSubkey) and issuer in _ids(packet):
            name, common = pgpsignature.curve(bytes(packet.body))
            if not common:
                return f"its key is one on {name}, which cannot be checked here: have gpg --verify check it elsewhere"
    if key.rejected and not any(_field(p, "tag") == Tag.Signature for p in key.packets):
        return "its key is at hand without what binds a name and a use to it: take it down anew, with gpg --armor --export"
    return ""


def _refused(made: pgpsignature.Made, key: _Key, issuer: str, created: datetime | None) -> str:
    """Why a signature does not count that was made over the very bytes."""
    at = next((n for n, p in enumerate(key.packets) if _field(p, "key_created") and issuer in _ids(p)), 0)
    if created and created < key.packets[at].key_created:
        return "it claims to be older than its key"
    if made.notations:
        return f"it demands that {', '.join(made.notations)[:100]} be understood, which nobody here does"
    if _field(key.packets[at], "tag") == Tag.PublicSubkey and not _agrees(key.packets[at + 1 :]):
        return "the subkey that made it does not agree to belong to this key (no back signature): anybody could claim it"
    if made.kind == pgpsignature.TEXT:
        return "it signs a text, and programs read the line ends of these bytes differently: ask for one over the bytes"
    return "it was made over these bytes, but its key did not count then: it had expired, or is not meant for signing"


def _agrees(behind: Sequence[Any]) -> bool:
    """Whether one of the signatures that follow a subkey holds the subkey's own."""
    for packet in behind:
        if _field(packet, "tag") != Tag.Signature:
            return False
        made = pgpsignature.signature(bytes(packet.body))
        if made is not None and made.back:
            return True
    return False


def _ids(packet: Any) -> set[str]:
    return {str(i).lower() for i in (_field(packet, "fingerprint"), _field(packet, "key_id")) if i}


def _verifies(verify: Verify, cert: Any) -> bool:
    return cert is not None and bool(_signing_key(verify, cert))


def _signing_key(verify: Verify, cert: Any) -> str:
    """Fingerprint of the key of this certificate that verifies the signature; ``""`` when none does."""
    try:
        valid = verify(lambda _ids: [cert]).valid_sigs
    except _FAILURES:
        return ""
    return next((str(v.signing_key).lower() for v in valid if v.certificate == cert.fingerprint), "")


def _unrevoked(key: _Key) -> Any:
    """The certificate without its revocations: to tell a revoked key's signature from a forged one."""
    try:
        return pysequoia.Cert.from_packets([p for p in key.packets if _field(p, "signature_type") not in _REVOCATIONS])
    except _FAILURES:
        return None


def _answer(signature: Any, state: SignatureState, fingerprint: str, *, signer: str = "", reason: str = "") -> SignedBy:
    created = signature.created
    return SignedBy(
        format="openpgp",
        state=state,
        fingerprint=fingerprint,
        signer=signer,
        created=created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if created else "",
        reason=reason,
    )
