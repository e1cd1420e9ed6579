"""Archives written canonically: the same members always give the same bytes. Pure over a writable stream.

ZIP (and JAR), TAR, and the compressed forms; ``ar`` is in ``arview``. Members come in any order and are sorted here.
"""

from __future__ import annotations

import bz2
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO, Protocol, cast

import zstandard

from fulldress.formats.members import Member

CHUNK = 1 << 20
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_NOBODY = 65534
_MANIFEST = ("META-INF", "META-INF/MANIFEST.MF")


def write_zip(members: Iterable[Member], out: BinaryIO) -> None:
    """A ZIP with deflated members; a JAR's manifest comes first, as its readers want it."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for member in sorted(members, key=_zip_order):
            info = _zip_info(member)
            if member.kind == "symlink":
                archive.writestr(info, member.link)
            elif member.kind == "directory":
                archive.writestr(info, b"")
            else:
                with archive.open(info, "w", force_zip64=member.size >= 1 << 31) as target:
                    for piece in member.chunks():
                        target.write(piece)


def _zip_order(member: Member) -> tuple[int, str]:
    return (_MANIFEST.index(member.name) if member.name in _MANIFEST else len(_MANIFEST), member.name)


def _zip_info(member: Member) -> zipfile.ZipInfo:
    folder = member.kind == "directory"
    info = zipfile.ZipInfo(member.name + "/" * folder, _zip_date(member.modified))
    kinds = {"directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}
    info.create_system = 3
    info.external_attr = (kinds.get(member.kind, stat.S_IFREG) | member.mode) << 16 | (0x10 if folder else 0)
    info.compress_type = zipfile.ZIP_STORED if folder else zipfile.ZIP_DEFLATED
    return info


def _zip_date(modified: str) -> tuple[int, int, int, int, int, int]:
    when = _time(modified)
    if when is None or not 1980 <= when.year < 2108:
        return _FIRST_DATE
    return (when.year, when.month, when.day, when.hour, when.minute, when.second)


def _time(modified: str) -> datetime | None:
    try:
        return datetime.fromisoformat(modified) if modified else None
    except ValueError:
        return None


def write_tar(members: Iterable[Member], out: BinaryIO, *, prefix: str = "") -> None:
    """A GNU tar; ``prefix`` (``./`` in a .deb) stands before every name, with a folder of its own at the top."""
    ordered = sorted(members, key=lambda m: (m.kind == "hardlink", m.name))
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        if prefix:
            newest = max((m.modified for m in ordered), default="")
            top = Member(name="", kind="directory", mode=0o755, owner="root:root", modified=newest)
            archive.addfile(_tar_info(top, prefix))
        for member in ordered:
            info = _tar_info(member, prefix)
            archive.addfile(info, _Chunks(member.chunks()) if member.kind == "file" else None)  # type: ignore[arg-type]


def _tar_info(member: Member, prefix: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(prefix + member.name)
    kinds = {"directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}
    info.type = kinds.get(member.kind, tarfile.REGTYPE)
    info.size = member.size if member.kind == "file" else 0
    info.mode = member.mode
    info.linkname = prefix + member.link if member.kind == "hardlink" else member.link
    user, _, group = (member.owner or "root:root").partition(":")
    info.uname, info.uid = _owner(user)
    info.gname, info.gid = _owner(group)
    when = _time(member.modified)
    info.mtime = int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()) if when else 0
    return info


def _owner(name: str) -> tuple[str, int]:
    """Name and number; a name that is not known here falls to nobody, never to root, where it does not exist either."""
    if name.isascii() and name.isdigit():
        return "", int(name)
    return name, 0 if name == "root" else _NOBODY


class _Chunks:
    """Pieces behind the ``read`` that tarfile wants."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        out, self._rest = self._rest[:size], self._rest[size:]
        return out


class _Packer(Protocol):
    """The part of the standard library's compressors that is used here."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def _packer(kind: str) -> _Packer:
    makers: dict[str, Callable[[], object]] = {
        "gz": lambda: zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS),
        "xz": lambda: lzma.LZMACompressor(lzma.FORMAT_XZ, preset=6),
        "bz2": bz2.BZ2Compressor,
        "zst": lambda: zstandard.ZstdCompressor(level=6).compressobj(),
    }
    return cast(_Packer, makers[kind]())


def compress(stream: BinaryIO, kind: str) -> Iterator[bytes]:
    """The whole stream as gz, xz, bz2 or zst, without a time or a name inside."""
    packer = _packer(kind)
    stream.seek(0)
    while piece := stream.read(CHUNK):
        yield packer.compress(piece)
    yield packer.flush()
