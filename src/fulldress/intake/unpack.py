"""Takes a vendor's package apart into the content store, by a confined child, and believes none of its words.

The child may write only into one file without a name; every object that its report names is hashed again here before it
is kept or read. A refused package leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

import msgspec

from fulldress import errors
from fulldress.adapters import sandbox
from fulldress.errors import FulldressError, NothingToDo, PackageRefused, UsageError
from fulldress.formats.members import safe_name, shown
from fulldress.formats.refusal import refusal
from fulldress.intake.budgets import Budgets
from fulldress.intake.child import Report, Request
from fulldress.intake.walk import walk
from fulldress.model.package import Entry, PackageLock
from fulldress.ports import Progress
from fulldress.store.blobs import CHUNK, BlobStore
from fulldress.store.pack import PACK, PACKAGE, Pack, Piece

MAX_REPORT = 256 << 20
"""Bytes of one line of the child's report."""
MAX_COMPLAINT = 2000
_URL_SLASHES = re.compile(":/+")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")
_PLAIN = re.compile(r"(?:(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_@+=,.~#%&() -]{1,200}(?:!?/(?!\Z)|\Z)){1,60}")
"""Places that need no closer look: short, plain letters, no dots alone, no empty part."""
_DIGEST = re.compile("[0-9a-f]{64}")


def unpack(
    package: Path,
    blobs: BlobStore,
    *,
    budgets: Budgets | None = None,
    sandboxed: bool = True,
    progress: Progress | None = None,
) -> PackageLock:
    """Everything inside the package, nested archives too, as a lock whose contents lie in ``blobs``.

    Raises UsageError (no such file, a directory, a URL), NothingToDo (empty), PackageRefused (hostile or damaged),
    CapabilityMissing ``sandbox-missing`` (pass ``sandboxed=False`` to waive it knowingly), StateDiskFull.
    """
    budgets = budgets or Budgets()
    with opened(package) as stream, tempfile.TemporaryFile(dir=blobs.root) as room:
        with reading(stream, package.name, room.fileno(), budgets, sandboxed=sandboxed, folder=blobs.root) as reader:
            lock, pack = reader.wait(progress)
        _adopt(lock, pack, blobs)
    return lock


class Reader(Protocol):
    """A package that is being read. Nothing is known before :meth:`wait` has returned."""

    def wait(self, progress: Progress | None) -> tuple[PackageLock, Pack]:
        """The lock, and the objects (each is verified when it is read)."""
        ...


@contextmanager
def reading(
    stream: BufferedReader,
    name: str,
    room: int,
    budgets: Budgets,
    *,
    sandboxed: bool = True,
    listener: int = -1,
    folder: Path | None = None,
) -> Iterator[Reader]:
    """Begin to read a package into the file ``room``; the reader has ended when the block ends, however that is.

    ``listener``: the writing end of a pipe that is told of every object as it comes; it is closed here. ``folder``: where
    temporary copies may lie.
    """
    if not sandboxed:
        yield _Here(stream, name, room, budgets, listener, folder)
        return
    if what := sandbox.missing():
        raise sandbox.sandbox_missing(what)
    request = Request(name=name, package_fd=stream.fileno(), pack_fd=room, listener_fd=listener, budgets=budgets)
    with tempfile.TemporaryFile() as complaints, _child(request, complaints) as child:
        if listener >= 0:
            os.close(listener)
        try:
            yield _Confined(child, stream, name, room, budgets, complaints, folder)
        finally:
            child.kill()
            child.wait()


@contextmanager
def _told(progress: Progress | None, name: str) -> Iterator[None]:
    if progress is None:
        yield
        return
    progress.start(f"taking {name} apart")
    try:
        yield
    finally:
        progress.finish()


@contextmanager
def opened(package: Path) -> Iterator[BufferedReader]:
    """The package's file, open; raises UsageError or NothingToDo for what cannot be one."""
    if _URL.match(str(package)):
        raise UsageError(
            f"{_URL_SLASHES.sub('://', str(package))} is a URL",
            why="packages are read from disk",
            fix="download it, then name the file",
        )
    try:
        handle = os.open(package, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{package} cannot be opened: {error.strerror}", fix="name the package's file") from error
    mode = os.fstat(handle).st_mode
    if stat.S_ISDIR(mode):
        os.close(handle)
        raise UsageError(f"{package} is a folder", why="a package is one file", fix="name the vendor's archive itself")
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(mode):
            raise UsageError(f"{package} is not a regular file", why="it could not be read twice", fix="copy it to a file")
        if not os.fstat(handle).st_size:
            raise NothingToDo(f"{package} is empty", why="there is nothing to look at", fix="check the download")
        yield stream


class _Here:
    """The reader without a sandbox, in this process."""

    def __init__(
        self, stream: BufferedReader, name: str, room: int, budgets: Budgets, listener: int, folder: Path | None
    ) -> None:
        self._stream, self._name, self._budgets, self._listener = stream, name, budgets, listener
        self._pack = Pack(room, stream.fileno(), room=folder)

    def wait(self, progress: Progress | None) -> tuple[PackageLock, Pack]:
        """Read it now."""
        with _told(progress, self._name), _Unchanged(self._stream, self._name) as unchanged:
            if self._listener >= 0:
                os.close(self._listener)
            entries: list[Entry] = []
            tick = progress.advance if progress else (lambda _: None)
            lock = walk(self._pack, self._name, self._budgets, entries.append, tick)
        return unchanged.checked(lock, entries), self._pack


class _Confined:
    """The reader in a child of its own."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        stream: BufferedReader,
        name: str,
        room: int,
        budgets: Budgets,
        complaints: IO[bytes],
        folder: Path | None,
    ) -> None:
        self._child, self._stream, self._name, self._room = child, stream, name, room
        self._budgets, self._complaints, self._folder = budgets, complaints, folder

    def wait(self, progress: Progress | None) -> tuple[PackageLock, Pack]:
        """Listen until the child has reported, and believe nothing that can be checked."""
        deadline = self._budgets.deadline(os.fstat(self._stream.fileno()).st_size)
        late = threading.Event()
        timer = threading.Timer(deadline, _stop, (self._child, late))
        with _told(progress, self._name), _Unchanged(self._stream, self._name) as unchanged:
            timer.start()
            try:
                heard = _listen(self._child, progress)
            finally:
                timer.cancel()
            if heard.lock is None:
                self._child.wait()
                raise _died(self._child, late.is_set(), deadline, self._complaints)
        lock = unchanged.checked(heard.lock, heard.entries)
        return lock, Pack(self._room, self._stream.fileno(), heard.index, room=self._folder)


class _Unchanged:
    """The digest of the package, taken while it is being read; and the certainty that it stayed as it was."""

    def __init__(self, stream: BufferedReader, name: str) -> None:
        self._stream, self._name = stream, name
        self._before = _state(stream)
        self._sha256 = ""
        self._stopped = False
        self._thread = threading.Thread(target=self._hash, daemon=True)

    def _hash(self) -> None:
        hasher, handle, at = hashlib.sha256(), self._stream.fileno(), 0
        while not self._stopped and (piece := os.pread(handle, CHUNK, at)):
            hasher.update(piece)
            at += len(piece)
        self._sha256 = hasher.hexdigest()

    def __enter__(self) -> _Unchanged:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopped = kind is not None
        self._thread.join()  # the descriptor is another's: it may be closed next

    def checked(self, lock: PackageLock, entries: list[Entry]) -> PackageLock:
        """The lock, complete; raises PackageRefused when the file was written to meanwhile."""
        if not self._sha256 or _state(self._stream) != self._before or lock.size != self._before[0]:
            raise refusal("reader-died", f"{self._name} changed while it was read")
        ordered = tuple(sorted(entries, key=lambda e: e.place))
        return msgspec.structs.replace(lock, sha256=self._sha256, entries=ordered)


def _state(stream: BufferedReader) -> tuple[int, int, int]:
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


# ---- the child


@contextmanager
def _child(request: Request, complaints: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    path = os.pathsep.join(p for p in sys.path if p)
    child = subprocess.Popen(
        [sys.executable, "-P", "-B", "-m", "fulldress.intake.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        pass_fds=[fd for fd in (request.package_fd, request.pack_fd, request.listener_fd) if fd >= 0],
        cwd="/",
        env={"PYTHONPATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
    )
    with child:
        try:
            assert child.stdin is not None
            child.stdin.write(msgspec.json.encode(request))
            child.stdin.close()
        except BrokenPipeError:
            pass
        yield child


class _Heard:
    """What the child has said so far; nothing of it is believed unchecked."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.index: dict[str, Piece] = {}
        self.lock: PackageLock | None = None
        self._places: set[str] = set()

    def take(self, report: Report) -> None:
        """Raises PackageRefused when the report could not come from an honest walk."""
        pieces = iter(report.pieces)
        for entry in report.entries:
            place = entry.place
            if place in self._places or not (_PLAIN.fullmatch(place) or _is_possible(place)):
                raise refusal("reader-died", f"the reader reported an impossible place: {shown(place)!r}")
            self._places.add(place)
            if entry.sha256:
                source, offset, size = piece = next(pieces, Piece(-1, 0, 0))
                honest = size == entry.size and offset >= 0 and source in (PACK, PACKAGE)
                if not honest or entry.kind not in ("file", "container") or not _DIGEST.fullmatch(entry.sha256):
                    raise refusal("reader-died", f"the reader reported an impossible object: {shown(place)!r}")
                self.index.setdefault(entry.sha256, piece)
        self.entries += [
            msgspec.structs.replace(e, owner=sys.intern(e.owner), modified=sys.intern(e.modified)) for e in report.entries
        ]  # the same few owners and times, each kept once
        self.lock = report.lock


def _listen(child: subprocess.Popen[bytes], progress: Progress | None) -> _Heard:
    assert child.stdout is not None
    done, heard = 0, _Heard()
    while line := child.stdout.readline(MAX_REPORT):
        try:
            report = msgspec.json.decode(line, type=Report)
        except msgspec.MsgspecError as error:
            raise refusal("reader-died", f"the confined reader's report cannot be read: {error}") from error
        if report.error:
            raise _as_error(report)
        heard.take(report)
        if heard.lock is not None:
            return heard
        if progress and report.done > done:
            progress.advance(report.done - done)
            done = report.done
    return heard


def _stop(child: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    child.kill()


def _as_error(report: Report) -> FulldressError:
    kind = getattr(errors, report.error, PackageRefused)
    kind = kind if isinstance(kind, type) and issubclass(kind, FulldressError) else PackageRefused
    return kind(
        shown(report.what) if len(report.what) > 2000 else report.what, why=report.why, fix=report.fix, slug=report.slug
    )


def _died(child: subprocess.Popen[bytes], late: bool, deadline: float, complaints: IO[bytes]) -> PackageRefused:
    if late or child.returncode == -24:
        return refusal("archive-bomb", f"reading it took longer than {deadline:g} seconds")
    complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, complaints.tell() - MAX_COMPLAINT))
    said = complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    return refusal("reader-died", f"the confined reader ended with code {child.returncode}: {shown(said) or 'no word'}")


# ---- what the child said, checked


def _is_possible(place: str) -> bool:
    return all(part and safe_name(part, posix=True) == part for part in place.split("!/"))


def _adopt(lock: PackageLock, pack: Pack, blobs: BlobStore) -> None:
    """Bring what the lock names into the store, each object hashed again on the way."""
    pack.index[lock.sha256] = Piece(PACKAGE, 0, lock.size)
    for sha256 in dict.fromkeys((*(e.sha256 for e in lock.entries if e.sha256), lock.sha256)):
        try:
            blobs.adopt(sha256, pack.chunks(sha256), pack.index[sha256].size)
        except FulldressError as error:
            if error.slug != "blob-corrupt":
                raise
            raise refusal("reader-died", f"the reader's content of {sha256[:12]}… does not match its digest") from error
