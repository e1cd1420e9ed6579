"""Walks a package from the outside in and puts every member into a content store. Runs nothing, extracts nothing.

This is the code that hostile bytes meet; it runs inside the sandbox (see ``child``) and touches only the store given.
"""

from __future__ import annotations

import functools
import posixpath
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, cast

from fulldress.errors import NothingToDo, PackageRefused
from fulldress.formats import arview, compressed, cpio, rpm, sniff, tarview, zipview
from fulldress.formats.members import Member, checked, safe_name, shown
from fulldress.formats.refusal import refusal
from fulldress.formats.window import window
from fulldress.intake.budgets import Budgets
from fulldress.model.package import Entry, EntryKind, NotInspected, PackageLock
from fulldress.store.blobs import CHUNK, BlobStore
from fulldress.store.codec import disk_full_or

Tick = Callable[[int], None]


def walk(stream: BinaryIO, name: str, blobs: BlobStore, budgets: Budgets, tick: Tick = lambda _: None) -> PackageLock:
    """Take a package apart into ``blobs``. ``tick`` is told of bytes written.

    Raises PackageRefused (any slug of ``formats.refusal``) or NothingToDo for a package without members.
    """
    return _Walker(blobs, budgets, tick).package(stream, name)


class _Walker:
    def __init__(self, blobs: BlobStore, budgets: Budgets, tick: Tick) -> None:
        self.blobs, self.budgets, self.tick = blobs, budgets, tick
        self.entries: list[Entry] = []
        self.not_inspected: list[NotInspected] = []
        self.inspected = 0
        self.written = 0
        self.package_size = 0
        self.inside: list[str] = []
        """The archives that are open now, outermost first: where a refusal happened."""

    def package(self, stream: BinaryIO, name: str) -> PackageLock:
        # The copy comes first: what is walked, verified and kept are the same bytes, whatever happens to the file.
        sha256, self.package_size = self.blobs.put_chunks(_pieces(stream))
        try:
            with self.blobs.open(sha256) as copy:
                kind = self._kind(copy)
                format_ = self._open(copy, kind, "", name, self.package_size)
        except PackageRefused as error:
            where = f" (in {shown(self.inside[-1])})" if self.inside and self.inside[-1] else ""
            raise PackageRefused(error.what + where, why=error.why, fix=error.fix, slug=error.slug) from None
        if not any(e.kind != "directory" for e in self.entries):
            raise NothingToDo("the package holds no files", why="there is nothing to install", fix="check the download")
        return PackageLock(
            name=name,
            sha256=sha256,
            size=self.package_size,
            format=format_,
            entries=tuple(sorted(self.entries, key=lambda e: e.place)),
            bytes_inspected=self.inspected,
            not_inspected=tuple(self.not_inspected),
        )

    def _kind(self, stream: BinaryIO) -> str:
        """The package's own format; what is nothing known is read as a ZIP, whose reader says what is wrong with it."""
        stream.seek(0)
        head = stream.read(sniff.HEAD)
        if not head:
            raise NothingToDo("the package is an empty file", why="there is nothing to look at", fix="check the download")
        if other := sniff.closed(head):
            raise refusal("not-a-zip", f"the package is a {other}, which is not opened")
        return sniff.container(head) or ("sfx" if self.budgets.stub_bytes else "zip")

    def _open(self, stream: BinaryIO, kind: str, place: str, name: str, size: int) -> str:
        """Walk one archive; its members go under ``place!/``. Returns its format (``tar.gz`` for a packed tar)."""
        if len(self.inside) >= self.budgets.depth:
            raise refusal("archive-bomb", f"archives within archives, deeper than {self.budgets.depth}: {shown(place)}")
        self.inside.append(place)
        prefix = f"{place}!/" if place else ""
        if kind == "deb":
            self._members(checked(self._deb(stream), system_root=True, posix=True), prefix)
        elif kind == "rpm":
            self._members(checked(self._rpm(stream), system_root=True, posix=True), prefix)
        elif kind in ("zip", "sfx"):
            kind = self._zip(stream, kind, place, prefix)
        elif kind in _PLAIN:
            self._members(checked(_PLAIN[kind](stream), posix=True), prefix)
        else:
            kind = self._compressed(stream, kind, prefix, name, size)
        self.inside.pop()
        return kind

    def _zip(self, stream: BinaryIO, kind: str, place: str, prefix: str) -> str:
        """A ZIP; ``sfx`` with the program before it that was allowed, ``apk`` with Android's signing block."""
        aside: list[NotInspected] = []

        def apart(what: str, size: int) -> None:
            aside.append(NotInspected(place=place, size=size, reason=f"{what}: named, not opened"))

        stub = self.budgets.stub_bytes if kind == "sfx" else 0
        self._members(checked(zipview.members(stream, stub=stub, apart=apart)), prefix)
        self.not_inspected.extend(aside)
        return "apk" if aside else kind

    def _rpm(self, stream: BinaryIO) -> Iterator[Member]:
        """Facts, scripts and the signed header under ``RPM/``, then the payload."""
        package = rpm.read(stream)
        yield from rpm.metadata(package)
        payload = window(stream, package.payload, package.size)
        if not package.packed:
            yield from rpm.files(package, payload)
        elif package.size:
            with self._unpacked(payload, package.packed, package.size) as tree:
                yield from rpm.files(package, tree)

    def _compressed(self, stream: BinaryIO, kind: str, prefix: str, name: str, size: int) -> str:
        with self._unpacked(stream, kind, size) as inner:
            head = _head(inner)
            if (plain := sniff.container(head)) in _PLAIN:
                alpine = kind == "gz" and sniff.is_alpine(head)
                self._members(checked(_PLAIN[plain](inner), system_root=alpine, posix=True), prefix)
                return "apk" if alpine else f"{plain}.{kind}"
            member = Member(name=_stem(name, kind), kind="file", size=inner.seek(0, 2), chunks=lambda: _pieces(inner))
            self._members(checked([member]), prefix)
            return kind

    def _unpacked(self, stream: BinaryIO, kind: str, size: int) -> BinaryIO:
        """A nameless temporary file in the store's own folder with the content of a compressed stream."""
        target = cast(BinaryIO, tempfile.TemporaryFile(dir=self.blobs.root))  # noqa: SIM115 - the caller closes it
        try:
            for piece in self._metered(compressed.decompressed(stream, kind), size, f"a {kind} stream"):
                target.write(piece)
            target.flush()
        except OSError as error:
            raise disk_full_or(error, self.blobs.root) from error
        target.seek(0)
        return target

    def _deb(self, stream: BinaryIO) -> Iterator[Member]:
        """Control files under ``DEBIAN/``, then the data tree."""
        parts = arview.parts(stream)
        names = [p.name for p in parts]
        if len(set(names)) != len(names):
            raise refusal("duplicate-name", "the .deb holds two parts of one name")
        if b"".join(arview.chunks(stream, parts[0]))[:2] != b"2." or [n.partition(".")[0] for n in names[1:3]] != [
            "control",
            "data",
        ]:
            raise refusal("archive-damaged", "the .deb is not made of debian-binary, control and data")
        for part in parts[1:]:
            inner = window(stream, part.offset, part.size)
            if part.name.startswith(("control.tar", "data.tar")):
                yield from self._deb_tree(inner, part, "DEBIAN/" if part.name.startswith("control") else "")
            else:
                read = functools.partial(arview.chunks, stream, part)
                yield Member(name=part.name, kind="file", size=part.size, chunks=read)

    def _deb_tree(self, inner: BinaryIO, part: arview.Part, prefix: str) -> Iterator[Member]:
        kind = sniff.container(_head(inner))
        if kind == "tar":
            yield from _under(prefix, tarview.members(inner))
            return
        if kind not in compressed.MAGIC:
            raise refusal("unknown-method", f"the part {shown(part.name)!r} of the .deb is packed in an unknown way")
        with self._unpacked(inner, kind, part.size) as tree:
            yield from _under(prefix, tarview.members(tree))

    def _members(self, members: Iterable[Member], prefix: str) -> None:
        for member in members:
            if len(self.entries) >= self.budgets.entries:
                raise refusal("archive-bomb", f"more than {self.budgets.entries} members")
            place = prefix + member.name
            if member.attributes:
                self.not_inspected.append(
                    NotInspected(place=place, size=0, reason=f"extended attributes: {member.attributes}")
                )
            if member.kind == "file":
                self._file(member, place)
            else:
                self.entries.append(_entry(member, place, kind=member.kind))

    def _file(self, member: Member, place: str) -> None:
        if member.size > self.budgets.entry_bytes:
            raise refusal("archive-bomb", f"{shown(place)!r} alone has {member.size} bytes")
        sha256, size = self.blobs.put_chunks(self._metered(member.chunks(), member.packed, shown(place)))
        with self.blobs.open(sha256) as content:
            head = _head(content)
            kind = sniff.container(head)
            closed = "" if kind else sniff.closed(head)
            if not kind and not closed and zipview.hangs_behind(content):
                kind = "sfx" if self.budgets.stub_bytes else ""
                closed = "" if kind else "ZIP archive hangs behind other content (self-extracting, or two files in one)"
            if not kind:
                self.entries.append(_entry(member, place, kind="file", size=size, sha256=sha256))
                self._account(place, size, closed)
                return
            at = len(self.entries)
            format_ = self._open(content, kind, place, posixpath.basename(member.name), size)
            self.entries.insert(at, _entry(member, place, kind="container", size=size, sha256=sha256, format=format_))

    def _account(self, place: str, size: int, closed: str) -> None:
        if closed:
            reason = f"{closed}: not opened, only its bytes as they are were searched"
            self.not_inspected.append(NotInspected(place=place, size=size, reason=reason))
        else:
            self.inspected += size

    def _metered(self, pieces: Iterable[bytes], packed: int, what: str) -> Iterator[bytes]:
        """The pieces, counted against every budget before they are written."""
        budgets, size = self.budgets, 0
        for piece in pieces:
            size += len(piece)
            self.written += len(piece)
            if size > budgets.entry_bytes or self.written > budgets.total_bytes:
                raise refusal("archive-bomb", f"{what} brings the unpacked size to {self.written} bytes and more")
            if size > budgets.ratio_floor and packed and size > budgets.ratio * packed:
                raise refusal("archive-bomb", f"{what} grows more than {budgets.ratio} times")
            if self.written > budgets.ratio_floor and self.written > budgets.ratio * self.package_size:
                raise refusal("archive-bomb", f"the package grows more than {budgets.ratio} times (at {what})")
            self.tick(len(piece))
            yield piece


_PLAIN: dict[str, Callable[[BinaryIO], Iterator[Member]]] = {"tar": tarview.members, "cpio": cpio.members}


def _entry(member: Member, place: str, *, kind: EntryKind, size: int = 0, sha256: str = "", format: str = "") -> Entry:
    return Entry(
        place=place,
        kind=kind,
        size=size,
        sha256=sha256,
        mode=member.mode,
        owner=member.owner,
        modified=member.modified,
        link=member.link,
        format=format,
    )


def _under(prefix: str, members: Iterable[Member]) -> Iterator[Member]:
    """The members of one tree of a .deb; names are judged before the prefix could hide what they are."""
    for member in members:
        name = safe_name(member.name, posix=True)
        if name:
            link = prefix + safe_name(member.link, posix=True) if member.kind == "hardlink" else member.link
            yield member._replace(name=prefix + name, link=link)


def _stem(name: str, kind: str) -> str:
    stem = name.removesuffix(f".{kind}").removesuffix(".zst")
    return stem if stem and stem != name else "content"


def _head(stream: BinaryIO) -> bytes:
    stream.seek(0)
    head = stream.read(sniff.HEAD)
    stream.seek(0)
    return head


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    return iter(lambda: stream.read(CHUNK), b"")
