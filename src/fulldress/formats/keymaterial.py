"""Private keys in DER and keystores: recognised by their ASN.1, tried with the passwords that everybody knows. Pure.

The DER reader takes just enough of ASN.1 to tell a key from a certificate or from noise; it decodes no key.
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

ARMOUR = b"-----BEGIN "
"""What every key, certificate, list or signature in text form begins with."""
KNOWN = ("changeit", "changeme", "", "password", "secret", "123456", "admin", "test", "keystore", "tomcat", "jboss", "java")
"""Passwords that are in manuals: whoever has the store tries these first."""
_RSA = bytes.fromhex("2a864886f70d010101")
_ALGORITHMS = {
    _RSA: "RSA",
    bytes.fromhex("2a8648ce3d0201"): "EC",
    bytes.fromhex("2b6570"): "Ed25519",
    bytes.fromhex("2b656e"): "X25519",
    bytes.fromhex("2b6571"): "Ed448",
    bytes.fromhex("2a8648ce380401"): "DSA",
    bytes.fromhex("2a864886f70d01010a"): "RSA-PSS",
}
_PBE = (bytes.fromhex("2a864886f70d01050d"), bytes.fromhex("2a864886f70d010c01"), bytes.fromhex("2a864886f70d010503"))


class Element(NamedTuple):
    """One ASN.1 element."""

    tag: int
    body: bytes
    end: int
    """Offset behind it."""


def element(data: bytes, at: int = 0) -> Element | None:
    """The element at an offset, or None when there is none that fits into the data."""
    if at + 2 > len(data):
        return None
    tag, length, head = data[at], data[at + 1], 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or at + 2 + count > len(data):
            return None
        length, head = int.from_bytes(data[at + 2 : at + 2 + count], "big"), 2 + count
    end = at + head + length
    return Element(tag, data[at + head : end], end) if end <= len(data) else None


def children(body: bytes, most: int = 12) -> list[Element]:
    """The elements inside another; empty when they do not fill it exactly."""
    found: list[Element] = []
    at = 0
    while at < len(body) and len(found) < most:
        one = element(body, at)
        if one is None:
            return []
        found.append(one)
        at = one.end
    return found if at == len(body) else []


def der_key(data: bytes) -> str:
    """What private key this is (``RSA private key (PKCS#1)``), or ``""``. ``encrypted`` stands in front where it is."""
    top = element(data)
    if top is None or top.tag != 0x30 or len(data) - top.end > 2:
        return ""
    parts = children(top.body)
    tags = [p.tag for p in parts]
    if len(parts) == 9 and tags == [2] * 9 and len(parts[1].body) >= 64 and parts[0].body in (b"\0", b"\1"):
        return "RSA private key (PKCS#1)"
    if len(parts) >= 3 and tags[:3] == [2, 0x30, 4] and parts[0].body in (b"\0", b"\1"):
        algorithm = children(parts[1].body)
        return (
            f"{_ALGORITHMS.get(algorithm[0].body, 'other')} private key (PKCS#8)"
            if algorithm and algorithm[0].tag == 6
            else ""
        )
    if len(parts) in (3, 4) and tags[:2] == [2, 4] and tags[2] in (0xA0, 0xA1) and parts[0].body == b"\1":
        return "EC private key (SEC1)"
    if len(parts) == 6 and tags == [2] * 6 and parts[0].body == b"\0" and len(parts[1].body) >= 64:
        return "DSA private key"
    if len(parts) == 2 and tags == [0x30, 4]:
        algorithm = children(parts[0].body)
        if algorithm and algorithm[0].tag == 6 and algorithm[0].body.startswith(_PBE):
            return "encrypted private key (PKCS#8)"
    return ""


class Keystore(NamedTuple):
    """A Java keystore (JKS or JCEKS): what is in it."""

    private: int
    trusted: int
    secret: int
    digest_at: int


JKS, JCEKS = 0xFEEDFEED, 0xCECECECE


def java_keystore(data: bytes) -> Keystore | None:
    """Read a JKS or JCEKS store's entries; None when it is none or damaged."""
    try:
        magic, version, count = struct.unpack_from(">III", data)
        if magic not in (JKS, JCEKS) or version not in (1, 2) or count > 10_000:
            return None
        return _entries(data, version, count)
    except (struct.error, IndexError):
        return None


def _entries(data: bytes, version: int, count: int) -> Keystore | None:
    at, kinds = 12, {1: 0, 2: 0, 3: 0}
    for _ in range(count):
        (kind,) = struct.unpack_from(">I", data, at)
        if kind not in kinds:
            return None
        kinds[kind] += 1
        if kind == 3:  # a sealed Java object whose length is not recorded: what follows cannot be walked
            return Keystore(kinds[1], kinds[2], kinds[3], len(data) - 20)
        at = _skip(data, at + 4, 2) + 8  # alias, date
        chain = 1
        if kind == 1:
            at = _skip(data, at, 4)
            (chain,) = struct.unpack_from(">I", data, at)
            at += 4
        for _ in range(min(chain, 100)):
            at = _skip(data, at, 2) if version == 2 else at
            at = _skip(data, at, 4)
    return Keystore(kinds[1], kinds[2], kinds[3], at) if at + 20 <= len(data) else None


def _skip(data: bytes, at: int, width: int) -> int:
    length = int.from_bytes(data[at : at + width], "big")
    if at + width + length > len(data):
        raise IndexError(at)
    return at + width + length


def java_password(data: bytes, store: Keystore, known: tuple[str, ...] = KNOWN) -> str | None:
    """The first of the passwords that the store's own integrity digest confirms; None when none does."""
    body, digest = data[: store.digest_at], data[store.digest_at : store.digest_at + 20]
    for password in known:
        mixed = password.encode("utf-16-be") + b"Mighty Aphrodite" + body
        if hashlib.sha1(mixed, usedforsecurity=False).digest() == digest:
            return password
    return None


def bouncy_keystore(data: bytes) -> Keystore | None:
    """The entries of a BKS store (Bouncy Castle's), which stand in clear around sealed keys; None for what is none."""
    if len(data) < 12 or data[:3] != b"\0\0\0" or data[3] not in (1, 2):
        return None
    try:
        at = 8 + int.from_bytes(data[4:8], "big") + 4  # version, salt, iterations
        counts = [0, 0, 0]
        while (kind := data[at]) != 0:
            at = _skip(data, at + 1, 2) + 8  # alias, date
            (chain,) = struct.unpack_from(">I", data, at)
            at += 4
            for _ in range(chain):
                at = _skip(data, _skip(data, at, 2), 4)  # type, certificate
            if kind not in (1, 2, 3, 4):
                return None
            counts[_BOUNCY[kind]] += 1
            at = (
                _skip(data, _skip(data, at, 2), 4)
                if kind == 1
                else _bouncy_key(data, at)
                if kind == 2
                else _skip(data, at, 4)
            )
    except (IndexError, ValueError, struct.error):
        return None
    return Keystore(counts[0], counts[1], counts[2], at) if len(data) - at - 1 == _SEAL else None


_SEAL = 20
"""Bytes of the digest at the end."""
_BOUNCY = {1: 1, 2: 0, 3: 2, 4: 0}
"""Kind of an entry -> trusted, private or secret; a sealed entry may be either key."""


def _bouncy_key(data: bytes, at: int) -> int:
    at = _skip(data, _skip(data, at + 1, 2), 2)  # type, format, algorithm
    return _skip(data, at, 4)
