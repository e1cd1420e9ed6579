"""Builds changed archives anew, from the inside out, and gives the adapted package a digest of its own.

Canonical: the same entries always give the same bytes. Archives without a change keep the vendor's very bytes. The checksum
list inside a .deb (``md5sums``) follows its files. The vendor's package itself is never touched.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, cast

import msgspec
from msgspec.structs import replace

from fulldress.adapt import lists
from fulldress.adapt.tree import changed_places, container_of
from fulldress.errors import UsageError
from fulldress.formats import arview, cpio
from fulldress.formats.archivewrite import compress, write_tar, write_zip
from fulldress.formats.members import NOT_UTF8, Member, escape, exact
from fulldress.model.package import SEALED, Entry, PackageLock
from fulldress.store.blobs import CHUNK, BlobStore
from fulldress.store.codec import digest

CONTROL = "DEBIAN/"
DEB_VERSION = b"2.0\n"


def repacked(original: PackageLock, edited: PackageLock, blobs: BlobStore) -> PackageLock:
    """The edited lock with every changed archive rebuilt and a digest over its entries as ``sha256``.

    The digest of a package that was not changed is computed the same way, so it differs from the vendor's file's.
    """
    entries = {e.place: e for e in edited.entries}
    touched: set[str] = set()
    for place in changed_places(original, edited):
        while place := container_of(place):
            touched.add(place)
    for place in sorted((p for p in touched if p in entries), key=lambda p: (-p.count("!/"), p)):
        _rebuild(place, entries, blobs)
    listed = tuple(sorted(entries.values(), key=lambda e: e.place))
    top = [e for e in listed if not container_of(e.place)]
    return msgspec.structs.replace(
        edited,
        entries=listed,
        sha256=digest(listed),
        size=sum(e.size for e in top if e.kind != "directory"),
        bytes_inspected=edited.bytes_inspected + _file_bytes(listed) - _file_bytes(original.entries),
        # A row of the ledger says of one file how its bytes are spent: of what was built anew, nobody has measured it.
        ledger=tuple(c for c in edited.ledger if c.place and c.place not in touched and c.place in entries),
        remarks=tuple(
            r for r in edited.remarks if r.what == NOT_UTF8 or (r.place and r.place not in touched and r.place in entries)
        ),
    )


def _file_bytes(entries: Iterable[Entry]) -> int:
    return sum(e.size for e in entries if e.kind == "file")


def whole_package(lock: PackageLock, blobs: BlobStore) -> str:
    """The package itself as one file, written canonically into the store in its own format; returns its SHA-256.

    Raises UsageError for a package that was no archive.
    """
    members = [_member(e, e.place, blobs) for e in lock.entries if not container_of(e.place)]
    if lock.format not in ("zip", "deb") and not lock.format.startswith(("tar", "cpio")):
        raise UsageError(
            f"a package of the format {lock.format!r} is not written as one file",
            why="it came as something else than an archive of files",
            fix="take the adapted files from the store by their digests in 04-adaptations/adapted.lock.json",
        )
    return _written(lock.format, members, blobs)[0]


def _rebuild(place: str, entries: dict[str, Entry], blobs: BlobStore) -> None:
    container = entries[place]
    prefix = f"{place}!/"
    if container.format == "deb":
        _follow_md5sums(prefix, entries, blobs)
    if container.format == "zip":
        lists.drop_signatures(place, entries)
        lists.follow_record(place, entries, blobs)
    inside = [
        _member(e, e.place.removeprefix(prefix), blobs)
        for e in entries.values()
        if e.place.startswith(prefix) and container_of(e.place) == place
    ]
    sha256, size = _written(container.format, inside, blobs)
    entries[place] = msgspec.structs.replace(container, sha256=sha256, size=size)


def _member(entry: Entry, name: str, blobs: BlobStore) -> Member:
    return Member(
        name=exact(name) if entry.escaped else name,
        kind="file" if entry.kind == "container" else entry.kind,
        size=entry.size,
        mode=entry.mode,
        owner=entry.owner,
        modified=entry.modified,
        link=exact(entry.link) if entry.escaped else entry.link,
        chunks=lambda: blobs.chunks(entry.sha256),
    )


def _written(format_: str, members: list[Member], blobs: BlobStore) -> tuple[str, int]:
    if format_ == "deb":
        return _deb(members, blobs)
    if format_ == "zip":
        return _through(blobs, lambda out: write_zip(members, out), "")
    if format_.startswith("tar"):
        return _through(blobs, lambda out: write_tar(members, out), format_.partition(".")[2])
    if format_.startswith("cpio"):
        return _through(blobs, lambda out: out.writelines(cpio.write(members)), format_.partition(".")[2])
    if format_ in SEALED:
        raise ValueError(f"{format_} is never rewritten")  # adapt takes no cure inside one
    return _through(blobs, lambda out: out.writelines(p for m in members for p in m.chunks()), format_)


def _through(blobs: BlobStore, write: Callable[[BinaryIO], None], packed: str) -> tuple[str, int]:
    """Write into a temporary file of the store, then keep it as a blob (compressed when ``packed`` says how)."""
    with tempfile.TemporaryFile(dir=blobs.root) as plain:
        out = cast(BinaryIO, plain)
        write(out)
        return blobs.put_chunks(compress(out, packed) if packed else _pieces(out))


def _deb(members: list[Member], blobs: BlobStore) -> tuple[str, int]:
    control = [replace(m, name=m.name.removeprefix(CONTROL)) for m in members if m.name.startswith(CONTROL)]
    data = [m for m in members if m.name != CONTROL.rstrip("/") and not m.name.startswith(CONTROL)]
    with _tar_gz(control, blobs) as first, _tar_gz(data, blobs) as second:
        parts = [("debian-binary", len(DEB_VERSION), iter([DEB_VERSION]))]
        for name, stream in (("control.tar.gz", first), ("data.tar.gz", second)):
            parts.append((name, stream.seek(0, 2), _pieces(stream)))
        return blobs.put_chunks(arview.write(parts))


def _tar_gz(members: list[Member], blobs: BlobStore) -> BinaryIO:
    packed = cast(BinaryIO, tempfile.TemporaryFile(dir=blobs.root))  # noqa: SIM115 - the caller closes it
    with tempfile.TemporaryFile(dir=blobs.root) as plain:
        out = cast(BinaryIO, plain)
        write_tar(members, out, prefix="./")
        packed.writelines(compress(out, "gz"))
    return packed


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    return iter(lambda: stream.read(CHUNK), b"")


# ---- what follows from a change inside a .deb


def _follow_md5sums(prefix: str, entries: dict[str, Entry], blobs: BlobStore) -> None:
    """Correct the lines of files that changed, drop those of files that are gone; new files are added."""
    place = f"{prefix}{CONTROL}md5sums"
    if place not in entries:
        return
    old = blobs.read(entries[place].sha256).decode("utf-8", "surrogateescape")
    new = "".join(_md5_lines(old, prefix, entries, blobs)).encode("utf-8", "surrogateescape")
    entries[place] = msgspec.structs.replace(entries[place], sha256=blobs.put(new), size=len(new))


def _md5_lines(old: str, prefix: str, entries: dict[str, Entry], blobs: BlobStore) -> Iterator[str]:
    listed = set()
    for line in old.splitlines():
        name = line.partition("  ")[2]
        listed.add(escape(name))
        if sha256 := _content(prefix, escape(name), entries):
            yield f"{_md5(sha256, blobs)}  {name}\n"
    for entry in sorted(entries.values(), key=lambda e: e.place):
        name = entry.place.removeprefix(prefix)
        ours = entry.place.startswith(prefix) and "!/" not in name and not name.startswith((CONTROL, "etc/"))
        if ours and entry.sha256 and name not in listed:
            yield f"{_md5(entry.sha256, blobs)}  {exact(name) if entry.escaped else name}\n"


def _content(prefix: str, name: str, entries: dict[str, Entry]) -> str:
    """Digest of a file, or of the file that a hard link names."""
    entry = entries.get(prefix + name)
    if entry is not None and entry.kind == "hardlink":
        entry = entries.get(prefix + entry.link)
    return entry.sha256 if entry is not None else ""


def _md5(sha256: str, blobs: BlobStore) -> str:
    hasher = hashlib.md5(usedforsecurity=False)
    for piece in blobs.chunks(sha256):
        hasher.update(piece)
    return hasher.hexdigest()
