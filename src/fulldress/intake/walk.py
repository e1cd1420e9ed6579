"""Walks a package from the outside in and puts every member into a pack. Runs nothing, extracts nothing.

This is the code that hostile bytes meet; it runs inside the sandbox (see ``child``) and touches only the pack given.
"""

from __future__ import annotations

import functools
import itertools
import posixpath
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, cast

from msgspec.structs import replace

from fulldress.errors import NothingToDo, PackageRefused
from fulldress.formats import arview, compressed, cpio, rpm, selfextract, sniff, tarview, zipend, zipview
from fulldress.formats.members import Member, checked, legible, safe_name, shown
from fulldress.formats.refusal import refusal
from fulldress.intake.budgets import Budgets
from fulldress.intake.meter import Meter, Spent, Tick
from fulldress.intake.shares import Share, Shares, Tally, together
from fulldress.model.package import LIMIT, Covered, Entry, EntryKind, NotInspected, PackageLock, Remark
from fulldress.store.blobs import CHUNK
from fulldress.store.pack import Pack, Piece, Region

Give = Callable[[Entry], None]
Look = Callable[[str, Region], None]


def walk(
    pack: Pack,
    name: str,
    budgets: Budgets,
    give: Give,
    tick: Tick = lambda _: None,
    shares: Shares | None = None,
    look: Look = lambda _sha256, _region: None,
) -> tuple[PackageLock, Share]:
    """Take a package apart into ``pack``. ``tick`` is told of bytes read.

    ``give`` takes every entry as it comes (a container after its members): with many, they need not be held in memory here.
    ``look`` is shown every content that is no container, by digest, as long as it may still be in memory.
    ``shares``: several readers share the work, and this is one of them. The lock's entries and SHA-256 are the caller's to
    fill in; the share is what this reader used of the limits, and did, of the whole.

    Raises PackageRefused (any slug of ``formats.refusal``) or NothingToDo for a package without members.
    """
    walker = _Walker(pack, budgets, tick, give, shares, look)
    lock = walker.package(name)
    tally = Tally(members=walker.count, written=walker.meter.written, vain=walker.meter.vain)
    return lock, Share(tally=tally, parts=shares.parts if shares else {})


class _Walker:
    def __init__(self, pack: Pack, budgets: Budgets, tick: Tick, give: Give, shares: Shares | None, look: Look) -> None:
        self.shares, self.look = shares, look
        self.pack, self.budgets, self.give = pack, budgets, give
        self.meter = Meter(budgets, tick)
        self.count = 0
        self.holds_files = shares is not None and not shares.first  # one reader speaks for the whole archive
        self.not_inspected: list[NotInspected] = []
        self.ledger: list[Covered] = []
        self.remarks: dict[tuple[str, str], Remark] = {}
        self.inspected = 0
        self.inside: list[str] = []
        """The archives that are open now, outermost first: where a refusal happened."""

    def package(self, name: str) -> PackageLock:
        stream = self.pack.whole()
        self.meter.package_size = stream.size
        try:
            format_ = self._open(stream, self._kind(stream), "", name)
        except Spent as spent:
            raise refusal("archive-bomb", str(spent)) from None
        except PackageRefused as error:
            where = f" (in {shown(self.inside[-1])})" if self.inside and self.inside[-1] else ""
            raise PackageRefused(
                f"{shown(name)}: {error.what}{where}", why=error.why, fix=error.fix, slug=error.slug
            ) from None
        if not self.holds_files:
            raise NothingToDo("the package holds no files", why="there is nothing to install", fix="check the download")
        self.pack.flush()
        return PackageLock(
            name=name,
            sha256="",
            size=stream.size,
            format=format_,
            entries=(),
            bytes_inspected=self.inspected,
            not_inspected=tuple(self.not_inspected),
            ledger=tuple(sorted(self.ledger, key=lambda c: c.place)),
            remarks=tuple(self.remarks[key] for key in sorted(self.remarks)),
        )

    def _kind(self, stream: Region) -> str:
        """The package's own format; what is nothing known is read as a ZIP, whose reader says what is wrong with it."""
        head = stream.read(sniff.HEAD)
        if not head:
            raise NothingToDo("the package is an empty file", why="there is nothing to look at", fix="check the download")
        if other := sniff.closed(head):
            raise refusal("not-a-zip", f"the package is a {other}, which is not opened")
        if known := sniff.container(head):
            return known
        if selfextract.layout(as_file(stream), stream.size):
            return selfextract.KIND
        tail = stream.part(max(0, stream.size - zipend.NEAR), min(stream.size, zipend.NEAR)).read()
        if self.budgets.stub_bytes or zipend.hangs_behind(tail):
            return "sfx" if self.budgets.stub_bytes else "zip"
        if said := selfextract.closed(head, as_file(stream), stream.size):
            raise refusal("not-a-zip", f"the package is a program or an image that is not opened: {said}")
        if selfextract.unknown(head, tail):
            raise refusal("not-a-zip", f"the package is {selfextract.UNKNOWN}")
        return "zip"

    def _open(self, stream: Region, kind: str, place: str, name: str) -> str:
        """Walk one archive; its members go under ``place!/``. Returns its format (``tar.gz`` for a packed tar)."""
        if len(self.inside) >= self.budgets.depth:
            limit = f"archives within archives, deeper than {self.budgets.depth}"
            raise Spent(f"{limit}: {shown(place)}", limit)
        self.inside.append(place)
        if kind == "deb":
            self._members(self._checked(self._deb(stream, place), system_root=True, posix=True), stream, place)
        elif kind == "rpm":
            self._members(self._checked(self._rpm(stream, place), system_root=True, posix=True), stream, place)
        elif kind in ("zip", "sfx"):
            kind = self._zip(stream, kind, place)
        elif kind in _PLAIN:
            self._archive(self._checked(_PLAIN[kind](as_file(stream)), posix=True), stream, place, kind)
        else:
            kind = self._compressed(stream, kind, place, name)
        self.inside.pop()
        return kind

    def _zip(self, stream: Region, kind: str, place: str) -> str:
        """A ZIP; ``sfx`` with the program before it that was allowed, ``apk`` with Android's signing block."""
        aside: list[NotInspected] = []

        def apart(what: str, size: int) -> None:
            aside.append(NotInspected(place=place, size=size, reason=f"{what}: named, not opened"))

        stub = self.budgets.stub_bytes if kind == "sfx" else 0
        shares = None if place else self.shares
        mine = shares.chooser(stream.size, self.not_inspected) if shares else None
        speaks = shares is None or shares.first
        found = zipview.members(as_file(stream), stub=stub, apart=apart, mine=mine, others=speaks)
        content = self._members(self._checked(found), stream, place)
        if shares:
            shares.finish(self.not_inspected)
        kind = "apk" if aside else kind
        if speaks:
            self._covered(place, kind, stream.size, content)
            self.not_inspected.extend(aside)
        return kind

    def _rpm(self, stream: Region, place: str) -> Iterator[Member]:
        """Facts, scripts and the signed header under ``RPM/``, then the payload."""
        package = rpm.read(as_file(stream))
        self._covered(place, "rpm", stream.size, package.size)
        yield from rpm.metadata(package)
        tree = stream.part(package.payload, package.size)
        if package.packed and package.size:
            tree = self._unpacked(tree, package.packed, place)
        content = 0
        for member in rpm.files(package, as_file(tree)) if package.size else ():
            content += member.packed
            yield replace(member, base=tree)
        self._covered(place, "cpio", tree.size, content)

    def _checked(self, members: Iterable[Member], *, system_root: bool = False, posix: bool = False) -> Iterator[Member]:
        """The members with names that are safe, and text."""
        return checked(map(legible, members) if posix else members, system_root=system_root, posix=posix)

    def _archive(self, members: Iterable[Member], stream: Region, place: str, kind: str) -> None:
        """The members, and the archive's row in the ledger."""
        self._covered(place, kind, stream.size, self._members(members, stream, place))

    def _covered(self, place: str, kind: str, size: int, content: int) -> None:
        self.ledger.append(Covered(place=place, format=kind, size=size, structure=size - content, content=content))

    def _compressed(self, stream: Region, kind: str, place: str, name: str) -> str:
        inner = self._unpacked(stream, kind, place)
        head = inner.read(sniff.HEAD)
        if (plain := sniff.container(head)) in _PLAIN:
            alpine = kind == "gz" and sniff.is_alpine(head)
            found = self._checked(_PLAIN[plain](as_file(inner)), system_root=alpine, posix=True)
            self._archive(found, inner, place, plain)
            return "apk" if alpine else f"{plain}.{kind}"
        # The stream has one member, which lies unpacked already.
        member = legible(Member(name=_stem(name, kind), kind="file", size=inner.size, chunks=lambda: _pieces(inner), at=0))
        self._members([replace(member, name=safe_name(member.name, posix=True))], inner, place)
        return kind

    def _unpacked(self, stream: Region, kind: str, place: str) -> Region:
        """The content of a compressed stream, laid beside the objects: members of a tar in it are not copied again."""
        self._covered(place, kind, stream.size, stream.size)
        if kind == "gz" and stream.is_held and stream.size <= compressed.CHUNK:
            stream.seek(0)  # its head was looked at already
            content = compressed.small_gzip(stream.read())
            if content is not None:
                self.meter.count(len(content), len(content), stream.size, "a gz stream")
                return self.pack.spool_piece(content)
        pieces = compressed.decompressed(as_file(stream), kind)
        return self.pack.spool(self.meter.counted(pieces, stream.size, f"a {kind} stream"))

    def _deb(self, stream: Region, place: str) -> Iterator[Member]:
        """Control files under ``DEBIAN/``, then the data tree."""
        file = as_file(stream)
        parts = arview.parts(file)
        names = [p.name for p in parts]
        if len(set(names)) != len(names):
            raise refusal("duplicate-name", "the .deb holds two parts of one name")
        if b"".join(arview.chunks(file, parts[0]))[:2] != b"2." or [n.partition(".")[0] for n in names[1:3]] != [
            "control",
            "data",
        ]:
            raise refusal("archive-damaged", "the .deb is not made of debian-binary, control and data")
        self._covered(place, "deb", stream.size, sum(p.size for p in parts[1:]))
        for part in parts[1:]:
            inner = stream.part(part.offset, part.size)
            if part.name.startswith(("control.tar", "data.tar")):
                yield from self._deb_tree(inner, part, place, "DEBIAN/" if part.name.startswith("control") else "")
            else:
                read = functools.partial(arview.chunks, file, part)
                yield Member(name=part.name, kind="file", size=part.size, chunks=read)

    def _deb_tree(self, inner: Region, part: arview.Part, place: str, prefix: str) -> Iterator[Member]:
        kind = sniff.container(inner.read(sniff.HEAD))
        if kind != "tar" and kind not in compressed.MAGIC:
            raise refusal("unknown-method", f"the part {shown(part.name)!r} of the .deb is packed in an unknown way")
        tree = inner if kind == "tar" else self._unpacked(inner, kind, place)
        content = 0
        for member in _under(prefix, tarview.members(as_file(tree))):
            content += member.packed
            # Where it lies is known by its tree, not by the .deb that the others are read from.
            yield replace(member, base=tree)
        self._covered(place, "tar", tree.size, content)

    def _members(self, members: Iterable[Member], stream: Region, place: str) -> int:
        """Keep the members; returns how many of the archive's bytes are theirs."""
        prefix, content = f"{place}!/" if place else "", 0
        for member in members:
            if member.elsewhere:
                content += member.packed
                self.holds_files = self.holds_files or member.kind != "directory"
                continue
            if member.remark:
                self._remark(member, place)
            if not member.name:
                continue
            self.count += 1
            if self.count > self.budgets.entries:
                reason = f"more than {self.budgets.entries} members"
                self._passed_over(Spent(reason, f"{reason}; the rest of the archive was not looked at"), place or ".", 0)
                return stream.size
            self.holds_files = self.holds_files or member.kind != "directory"
            content += member.packed
            inside = prefix + member.name
            if member.attributes:
                self.not_inspected.append(
                    NotInspected(place=inside, size=0, reason=f"extended attributes: {member.attributes}")
                )
            if member.kind == "file":
                self._file(member, inside, stream)
            else:
                self.give(_entry(member, inside, kind=member.kind))
        return content

    def _remark(self, member: Member, place: str) -> None:
        """Remarks are counted: an archive may have one for each of its members."""
        if not (member.name or place or self.shares is None or self.shares.first):
            return  # one reader speaks for the whole archive
        example = f"{place}!/{member.name}" if place and member.name else member.name
        remark = Remark(place=place, what=member.remark, example=example)
        key = place, member.remark
        self.remarks[key] = together(self.remarks[key], remark) if key in self.remarks else remark

    def _file(self, member: Member, place: str, stream: Region) -> None:
        before = self.meter.written
        try:
            sha256, size, head = self._put(member, place, stream)
        except Spent as spent:
            self._passed_over(spent, place, member.size)
            self.meter.waste(before, member.size)
            self.give(_entry(member, place, kind="file", size=member.size))
            return
        kind, closed = self._sort(sha256, size, head)
        if not kind:
            self.look(sha256, self.pack.region(sha256, head if len(head) == size else None))
            self.give(_entry(member, place, kind="file", size=size, sha256=sha256))
            self._account(place, size, closed)
            return
        depth, format_, before = len(self.inside), kind, self.meter.written
        try:
            stream = self.pack.region(sha256, head if len(head) == size else None)
            format_ = self._open(stream, kind, place, posixpath.basename(member.name))
        except Spent as spent:
            self._passed_over(spent, place, size)
        except PackageRefused as error:
            if not self.budgets.lenient or error.slug not in CLOSED:
                raise
            self.not_inspected.append(NotInspected(place=place, size=size, reason=f"{CLOSED[error.slug]}: not opened"))
        if len(self.inside) > depth:
            self.meter.waste(before)
            del self.inside[depth:]
        self.give(_entry(member, place, kind="container", size=size, sha256=sha256, format=format_))

    def _passed_over(self, spent: Spent, place: str, size: int) -> None:
        """List what is over a budget, or refuse the package for it."""
        if not self.budgets.lenient:
            raise refusal("archive-bomb", str(spent)) from None
        self.not_inspected.append(NotInspected(place=place, size=size, reason=f"{LIMIT}: {spent.limit}"))

    def _put(self, member: Member, place: str, stream: Region) -> tuple[str, int, bytes]:
        """Keep the content; returns digest, size and the first bytes: at least what ``sniff`` needs, or all."""
        self.meter.admit(member.size, place)
        where = None
        if member.at is not None:
            base = member.base if isinstance(member.base, Region) else stream
            where = Piece(base.source, base.offset + member.at, member.size)
        pieces = member.chunks()
        data = next(pieces, b"")
        self.meter.count(len(data), len(data), member.packed, place)
        more = next(pieces, None)
        if more is None:  # as nearly every member is
            return self.pack.put_piece(data, where), len(data), data
        rest = self.meter.counted(itertools.chain((more,), pieces), member.packed, place, len(data))
        chunks = itertools.chain((data,), rest)
        sha256, size = self.pack.put_chunks(chunks, where)
        if len(data) < sniff.HEAD:
            data = self.pack.region(sha256).read(sniff.HEAD)
        return sha256, size, data

    def _sort(self, sha256: str, size: int, head: bytes) -> tuple[str, str]:
        """The kind of container to open, or why it is not opened; both empty for a plain file."""
        if kind := sniff.container(head):
            return kind, ""
        if closed := sniff.closed(head):
            return "", closed
        whole = self.pack.region(sha256, head if size == len(head) else None)
        if size == len(head):
            tail = head[-zipend.NEAR :]
        else:
            tail = whole.part(max(0, size - zipend.NEAR), min(size, zipend.NEAR)).read()
        if head.startswith(b"#!") and b"\0" in tail and selfextract.layout(as_file(whole), size):
            return selfextract.KIND, ""
        if not zipend.hangs_behind(tail):
            return "", selfextract.closed(head, as_file(whole), size)
        return ("sfx", "") if self.budgets.stub_bytes else ("", _BEHIND)

    def _account(self, place: str, size: int, closed: str) -> None:
        if closed:
            reason = f"{closed}: not opened, only its bytes as they are were searched"
            self.not_inspected.append(NotInspected(place=place, size=size, reason=reason))
        else:
            self.inspected += size


CLOSED = {"encrypted": "encrypted archive", "unknown-method": "archive packed by a method that is not read"}
"""Why an archive within the package cannot be opened, where the package is only looked at."""

_PLAIN: dict[str, Callable[[BinaryIO], Iterator[Member]]] = {
    "tar": tarview.members,
    "cpio": cpio.members,
    selfextract.KIND: selfextract.members,
}


_BEHIND = "ZIP archive hangs behind other content (self-extracting, or two files in one)"


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
        escaped=member.escaped,
    )


def _under(prefix: str, members: Iterable[Member]) -> Iterator[Member]:
    """The members of one tree of a .deb; names are judged before the prefix could hide what they are."""
    for member in map(legible, members):
        name = safe_name(member.name, posix=True)
        if not name and member.remark:
            yield member
        elif name:
            link = prefix + safe_name(member.link, posix=True) if member.kind == "hardlink" else member.link
            yield replace(member, name=prefix + name, link=link)


def _stem(name: str, kind: str) -> str:
    stem = name.removesuffix(f".{kind}").removesuffix(".zst")
    return stem if stem not in ("", ".", name) else "content"


def _pieces(stream: Region) -> Iterator[bytes]:
    stream.seek(0)
    return iter(lambda: stream.read(CHUNK), b"")


def as_file(stream: Region) -> BinaryIO:
    """A region for readers that want a file: it has what they use (read, seek, tell)."""
    return cast(BinaryIO, stream)
