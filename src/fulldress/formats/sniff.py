"""What a file is, by its first bytes. Pure."""

from __future__ import annotations

from fulldress.formats import compressed, cpio, rpm, tarview
from fulldress.formats.arview import MAGIC as AR

HEAD = 1024
"""Bytes that :func:`container` needs."""

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK", b"PK00PK")
_BEGINNINGS = (*_ZIP, AR, rpm.MAGIC, *cpio.MAGICS, *compressed.MAGIC.values())
_CLOSED: tuple[tuple[bytes, str], ...] = (
    (b"7z\xbc\xaf\x27\x1c", "7z archive (7z x opens it)"),
    (b"Rar!\x1a\x07", "RAR archive (unrar x opens it)"),
    (b"MSCF\0\0\0\0", "CAB archive (cabextract opens it)"),
    (b"ISc(", "InstallShield cabinet (unshield opens it)"),
    (b"\xc7\x71", "old binary cpio archive"),
    (b"ADB.", "Alpine package of version 3"),
    (b"ADBd", "Alpine package of version 3"),
    (b"hsqs", "squashfs image (unsquashfs opens it)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "OLE compound file (MSI, old Office; msiextract or msiexec /a opens an MSI)"),
    (b"xar!", "XAR archive"),
    (b"\x04\x22\x4d\x18", "lz4 stream (lz4 -d opens it)"),
    (b"LZIP", "lzip stream"),
    (b"\x1f\x9d", "compress (.Z) stream (gzip -d opens it)"),
)
_CLOSED_BEGINNINGS = tuple(magic for magic, _ in _CLOSED)


def container(head: bytes) -> str:
    """``zip``, ``tar``, ``cpio``, ``gz``, ``xz``, ``bz2``, ``zst``, ``deb``, ``rpm``; ``""`` for what is not opened."""
    if not head.startswith(_BEGINNINGS):  # nearly everything that is none of these ends here
        return "tar" if tarview.is_header(head) else ""
    if head.startswith(_ZIP):
        return "zip"
    if head.startswith(AR + b"debian-binary"):
        return "deb"
    if head.startswith(rpm.MAGIC):
        return "rpm"
    if cpio.is_header(head):
        return "cpio"
    if head.startswith(compressed.MAGIC["bz2"]) and head[4:10] not in (b"1AY&SY", b"\x17rE8P\x90"):
        return ""
    for kind, magic in compressed.MAGIC.items():
        if head.startswith(magic):
            return kind
    return "tar" if tarview.is_header(head) else ""


def is_alpine(head: bytes) -> bool:
    """True for the beginning of the tar inside an Alpine package."""
    return head.startswith((b".SIGN.RSA", b".PKGINFO\0"))


def closed(head: bytes) -> str:
    """The name of a container that this product knows but does not open; ``""`` otherwise."""
    if not head.startswith(_CLOSED_BEGINNINGS):
        return ""
    return next(name for magic, name in _CLOSED if head.startswith(magic))
