"""minisign and signify: Ed25519 signatures with a comment, detached beside what they sign.

A key is known by the SHA-256 of its 32 bytes; the key id of eight bytes inside the formats is only a hint.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fulldress.adapters.sigview import Offered, View, without
from fulldress.formats import fingerprints
from fulldress.formats.members import shown
from fulldress.model.signed import SignatureState, SignedBy

COMMENT, TRUSTED = b"untrusted comment:", b"trusted comment:"
MINISIGN, SIGNIFY = (".minisig",), (".sig",)
_SIGNATURE = 74
_ED, _HASHED = b"Ed", b"ED"
MAX_WHOLE = 1 << 30
"""Files that are signed without hashing are read whole; larger ones use the hashed form."""


class Key(NamedTuple):
    """A public key, and where it was found."""

    id: bytes
    raw: bytes
    name: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key, in hex."""
        return hashlib.sha256(self.raw).hexdigest()


def public_key(text: str | bytes, name: str = "") -> Key | None:
    """A public key in either format: a file with a comment line, or its base64 alone."""
    found = fingerprints.ed25519(text.encode() if isinstance(text, str) else text)
    return Key(found.id, found.raw, found.comment or name) if found else None


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def is_embedded(data: bytes) -> bool:
    """True for what ``signify -S -e`` writes: comment, signature, and the text that it signs behind them."""
    lines = data.split(b"\n", 2)
    signed = len(lines) == 3 and data.startswith(COMMENT) and len(_decoded(lines[1].strip())) == _SIGNATURE
    return signed and bool(lines[2].strip()) and not lines[2].startswith(TRUSTED)


def message(data: bytes) -> bytes:
    """The text that an embedded signature signs."""
    return data.split(b"\n", 2)[2]


def embedded(place: str, data: bytes, view: View) -> Offered:
    """An embedded signature judged; it covers the file that it stands in."""
    signature = b"\n".join(data.split(b"\n", 2)[:2])
    return Offered(place, place, judge(signature, message(data), list(_keys(view))))


class Minisign:
    """Both formats; they differ in what stands behind the signature line."""

    def look(self, view: View) -> Iterator[Offered]:
        """Every ``.minisig``, and every ``.sig`` that begins with a comment, over the file of that name."""
        keys = list(_keys(view))
        for place, data in view.small.items():
            if is_embedded(data):
                yield embedded(place, data, view)
            elif target := _target(place, data):
                entry = view.files.get(target)
                facts = _lost(data, target) if entry is None else judge(data, view.path(entry), keys)
                yield Offered(place, target, facts)
        for name, data in view.beside.items():
            if _target(name, data) and not is_embedded(data):
                yield Offered(name, "", judge(data, view.path(view.package), keys))


def is_signature(place: str, data: bytes) -> bool:
    """True for a signature of either format (and not of OpenPGP, which shares the suffix ``.sig``)."""
    return bool(_target(place, data))


def _target(place: str, data: bytes) -> str:
    if not data.startswith(COMMENT):
        return ""
    return without(place, (*MINISIGN, *SIGNIFY))


def _keys(view: View) -> Iterator[Key]:
    for pin in view.pins:
        if pin.kind in ("minisign", "signify") and (key := public_key(pin.fingerprint, pin.note or "recorded key")):
            yield key
    for place, data in view.small.items():
        if data.startswith(COMMENT) and (key := public_key(data, place)):
            yield key


def _format(data: bytes) -> Literal["minisign", "signify"]:
    lines = data.split(b"\n", 2)
    hashed = len(lines) > 1 and _decoded(lines[1].strip())[:2] == _HASHED  # signify knows no such form
    return "minisign" if b"\ntrusted comment:" in data or hashed else "signify"


def _lost(data: bytes, target: str) -> SignedBy:
    return SignedBy(
        format=_format(data), state="unreadable", reason=f"what it signs ({shown(target)}) is not in the package"
    )


def judge(signature: bytes, data: Path | bytes, keys: list[Key]) -> SignedBy:
    """One signature over one file, or over a text."""
    kind = _format(signature)
    lines = signature.splitlines()
    body = _decoded(lines[1].strip()) if len(lines) > 1 else b""
    if len(body) != _SIGNATURE or body[:2] not in ((_ED, _HASHED) if kind == "minisign" else (_ED,)):
        return SignedBy(format=kind, state="unreadable", reason=f"it is no {kind} signature")
    same = [k for k in keys if k.id == body[2:10]]
    if not same:
        reason = f"the key {body[2:10][::-1].hex()} that would check it is not at hand"
        return SignedBy(format=kind, state="keyless", fingerprint=body[2:10].hex(), reason=reason)
    found = [(key, _state(kind, signature, body, data, key)) for key in same]
    key, (state, reason) = next((f for f in found if f[1][0] == "intact"), found[0])
    return SignedBy(
        format=kind, state=state, fingerprint=key.fingerprint, signer=key.name, created=_created(signature), reason=reason
    )


def _state(kind: str, signature: bytes, body: bytes, data: Path | bytes, key: Key) -> tuple[SignatureState, str]:
    import minisign  # noqa: PLC0415 - loaded when needed: few packages are signed so

    if isinstance(data, Path) and body[:2] == _ED and data.stat().st_size > MAX_WHOLE:
        return "unreadable", "a file of this size is signed in the hashed form"
    try:
        if kind == "minisign" and isinstance(data, Path):
            line = base64.b64encode(_ED + key.id + key.raw)
            minisign.PublicKey.from_base64(line).verify_file(data, minisign.Signature.from_bytes(signature))
        else:
            text = data.read_bytes() if isinstance(data, Path) else data
            Ed25519PublicKey.from_public_bytes(key.raw).verify(body[10:], text)
    except minisign.ParseError as error:
        return "unreadable", f"it is no minisign signature: {error}"
    except (minisign.VerifyError, InvalidSignature):
        if kind == "minisign" and _fits_alone(body, data, key):
            return (
                "altered",
                "its trusted comment was changed, or taken from another signature; the bytes are those that it signs",
            )
        return "altered", "it does not match these bytes: they were changed, or it was made for others"
    return "intact", ""


def _fits_alone(body: bytes, data: Path | bytes, key: Key) -> bool:
    """Whether the signature of the bytes holds, whatever is said about its comment."""
    with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as stream:
        signed = stream.read() if body[:2] == _ED else hashlib.file_digest(stream, "blake2b").digest()
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(body[10:], signed)
    except InvalidSignature:
        return False
    return True


def _created(signature: bytes) -> str:
    """minisign writes ``timestamp:SECONDS`` into the comment that it signs."""
    for line in signature.splitlines():
        if line.startswith(TRUSTED) and b"timestamp:" in line:
            digits = line.partition(b"timestamp:")[2].split()[0] if line.partition(b"timestamp:")[2].split() else b""
            if digits.isdigit() and len(digits) < 12:
                return datetime.fromtimestamp(int(digits), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return ""
