"""OpenPGP packets, looked into: which bytes a signature was made over, and what a key is made of. Pure; proves nothing.

Every signature carries the first two bytes of the digest that it signs. They tell "made over other bytes" from "made over
these bytes by a key that does not count", which a library that only says no does not; whoever forges can choose them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fulldress.formats.late import late

_HASHES = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224", 12: "sha3_256", 14: "sha3_512"}
BINARY, TEXT = 0x00, 0x01
BACK_SIGNATURE, NOTATION = 32, 20
_LINE_END = late(rb"(?<!\r)\r*\n")
_ON_CURVES = (18, 19, 22)
_CURVES = {
    "2a8648ce3d030107": "NIST P-256",
    "2b81040022": "NIST P-384",
    "2b81040023": "NIST P-521",
    "2b06010401da470f01": "Ed25519",
    "2b060104019755010501": "Curve25519",
}
_OTHER_CURVES = {
    "2b8104000a": "secp256k1",
    "2b2403030208010107": "brainpoolP256r1",
    "2b240303020801010b": "brainpoolP384r1",
    "2b240303020801010d": "brainpoolP512r1",
}


class Made(NamedTuple):
    """A signature packet of version 4 or 6."""

    kind: int
    hash: str
    """As ``hashlib`` names it; ``""`` for one that is not known here."""
    salt: bytes
    trailer: bytes
    """What is hashed behind the bytes that are signed."""
    start: bytes
    """The first two bytes of the digest."""
    notations: tuple[str, ...]
    """Names of notations that must be understood."""
    back: bool
    """It holds a signature of the subkey over the primary key: the subkey agrees that it belongs there."""


def signature(body: bytes) -> Made | None:
    """The body of a signature packet taken apart; None for other versions, and for what is none."""
    if len(body) < 10 or body[0] not in (4, 6):
        return None
    wide = 4 if body[0] == 6 else 2
    hashed_end = 4 + wide + int.from_bytes(body[4 : 4 + wide])
    loose_at = hashed_end + wide
    loose_end = loose_at + int.from_bytes(body[hashed_end:loose_at])
    start, rest = body[loose_end : loose_end + 2], body[loose_end + 2 :]
    if len(start) < 2:
        return None
    hashed, loose = tuple(_parts(body[4 + wide : hashed_end])), tuple(_parts(body[loose_at:loose_end]))
    return Made(
        kind=body[1],
        hash=_HASHES.get(body[3], ""),
        salt=rest[1 : 1 + rest[0]] if body[0] == 6 and rest else b"",
        trailer=body[:hashed_end] + bytes([body[0], 0xFF]) + hashed_end.to_bytes(4),
        start=start,
        notations=tuple(_notation(data) for kind, critical, data in hashed if kind == NOTATION and critical),
        back=any(kind == BACK_SIGNATURE for kind, _, _ in (*hashed, *loose)),
    )


def _parts(area: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """Subpackets: type, whether it must be understood, content."""
    at = 0
    while at < len(area):
        first = area[at]
        if first < 192:
            size, at = first, at + 1
        elif first < 255:
            size, at = ((first - 192) << 8) + int.from_bytes(area[at + 1 : at + 2]) + 192, at + 2
        else:
            size, at = int.from_bytes(area[at + 1 : at + 5]), at + 5
        if size == 0 or at + size > len(area):
            return
        yield area[at] & 0x7F, bool(area[at] & 0x80), area[at + 1 : at + size]
        at += size


def _notation(data: bytes) -> str:
    return data[8 : 8 + int.from_bytes(data[4:6])].decode(errors="replace")


def made_over(made: Made, chunks: Iterable[bytes]) -> bool:
    """Whether the digest of these bytes begins as the signature says. A text is taken with CR LF at its line ends."""
    if not made.hash or made.kind not in (BINARY, TEXT):
        return False
    digest = hashlib.new(made.hash, made.salt)
    for chunk in _network(chunks) if made.kind == TEXT else chunks:
        digest.update(chunk)
    digest.update(made.trailer)
    return digest.digest()[:2] == made.start


def _network(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Line ends as gpg takes them: CR LF, without further CRs before it, and without any at the end of the last line."""
    last = b""
    for chunk in chunks:
        whole = last + chunk
        kept = whole.rstrip(b"\r")
        last = whole[len(kept) :]
        yield _LINE_END.sub(b"\r\n", kept)


def curve(body: bytes) -> tuple[str, bool]:
    """The curve of a public key (version 4), and whether it is one of the common ones; ``""`` for a key without."""
    if len(body) < 8 or body[0] != 4 or body[5] not in _ON_CURVES:
        return "", True
    oid = body[7 : 7 + body[6]].hex()
    return _CURVES.get(oid) or _OTHER_CURVES.get(oid) or f"curve {oid}", oid in _CURVES
