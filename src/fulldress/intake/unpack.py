"""Takes a vendor's package apart into the content store, by a confined child, and believes none of its words.

The child may write only into files without a name that it was given; every object that its report names is hashed again here
before it is kept. A scan reads the child's files as they were written (ADR 23). A refused package leaves nothing behind.
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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Protocol

import msgspec

from fulldress.adapters import sandbox
from fulldress.errors import FulldressError, NothingToDo, UsageError
from fulldress.formats.patterns import Pattern
from fulldress.formats.refusal import refusal
from fulldress.formats.zipend import LOCAL
from fulldress.intake.budgets import Budgets
from fulldress.intake.exchange import Request, Seat
from fulldress.intake.heard import Heard, NotShared, Seen, died
from fulldress.intake.lookout import order
from fulldress.intake.shares import PARTS
from fulldress.model.package import Entry, PackageLock
from fulldress.ports import Progress
from fulldress.store.blobs import CHUNK, BlobStore
from fulldress.store.pack import PACKAGE, Pack, Piece

WORTH_SHARING = 8 << 20
"""Bytes of a package from which a second reader pays."""
TOO_MUCH = 1 << 30
"""Bytes of a package from which it is likely to meet the limit of members: then it would be read twice."""
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "MALLOC_TOP_PAD_": str(4 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""A reader makes and frees large contents all the time: glibc keeps their memory, in large pages, and asks the kernel less
often."""
_URL_SLASHES = re.compile(":/+")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")


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

    def search(self, patterns: Sequence[Pattern], compiled: bytes) -> None:
        """Say what is to be looked for, if ``reading`` was told that it would be: once, and before :meth:`wait`."""
        ...

    def wait(self, progress: Progress | None) -> tuple[PackageLock, Pack]:
        """The lock, and the objects; those of confined readers are taken as they were written (``Pack``: ``fresh``)."""
        ...


@contextmanager
def reading(
    stream: BufferedReader,
    name: str,
    room: int,
    budgets: Budgets,
    *,
    sandboxed: bool = True,
    seen: Seen | None = None,
    folder: Path | None = None,
    second: int = -1,
) -> Iterator[Reader]:
    """Begin to read a package into the file ``room``; the reader has ended when the block ends, however that is.

    ``seen``: the contents are looked through for patterns by who reads them (:meth:`Reader.search`), and this is given what
    was found; only confined readers do that. ``folder``: where temporary copies may lie. ``second``: a file for a second
    confined reader, with which the first shares the work.
    """
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")  # reports are text
    if not sandboxed:
        yield _Here(stream, name, room, budgets, folder)
        return
    if what := sandbox.missing():
        raise sandbox.sandbox_missing(what)
    rooms = (room,) if second < 0 else (room, second)
    with ExitStack() as stack:
        complaints = stack.enter_context(tempfile.TemporaryFile())
        request = Request(
            name=name,
            package_fd=stream.fileno(),
            seats=(Seat(room),),
            budgets=budgets,
            searched=seen is not None,
            queue_fd=_parts(stack) if second >= 0 else -1,
        )
        child, lines = stack.enter_context(_child(request, second, complaints))
        confined = _Confined(child, lines, stream, name, rooms, budgets, complaints, folder, seen)
        stack.callback(confined.close)
        yield confined


def _parts(stack: ExitStack) -> int:
    """The parts of the package, whose numbers wait in a pipe for whichever reader is free."""
    queue, inlet = os.pipe()
    stack.callback(os.close, queue)
    os.write(inlet, bytes(range(PARTS)))
    os.close(inlet)
    return queue


def divisible(stream: BufferedReader) -> bool:
    """True for a package that two readers may share: a ZIP, whose members can be read in any order, of the right size."""
    right = WORTH_SHARING <= os.fstat(stream.fileno()).st_size < TOO_MUCH
    return right and (os.cpu_count() or 1) > 1 and os.pread(stream.fileno(), 4, 0) == LOCAL


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

    def __init__(self, stream: BufferedReader, name: str, room: int, budgets: Budgets, folder: Path | None) -> None:
        self._stream, self._name, self._budgets = stream, name, budgets
        self._pack = Pack(room, stream.fileno(), room=folder)

    def search(self, patterns: Sequence[Pattern], compiled: bytes) -> None:
        """Not here: whoever asks for no sandbox searches by himself."""

    def wait(self, progress: Progress | None) -> tuple[PackageLock, Pack]:
        """Read it now."""
        from fulldress.intake.walk import walk  # noqa: PLC0415 - loaded when needed: what opens archives is the child's to load

        with _told(progress, self._name), _Unchanged(self._stream, self._name) as unchanged:
            entries: list[Entry] = []
            tick = progress.advance if progress else (lambda _: None)
            lock, _ = walk(self._pack, self._name, self._budgets, entries.append, tick)
        return unchanged.checked(lock, entries), self._pack


class _Line(NamedTuple):
    """How a reader is talked to."""

    order: IO[bytes]
    report: IO[bytes]


class _Confined:
    """The reader in a child of its own, or two."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        lines: Sequence[_Line],
        stream: BufferedReader,
        name: str,
        rooms: Sequence[int],
        budgets: Budgets,
        complaints: IO[bytes],
        folder: Path | None,
        seen: Seen | None,
    ) -> None:
        self._seen, self._orders = seen, list[threading.Thread]()
        self._child, self._lines, self._stream, self._name, self._rooms = child, lines, stream, name, rooms
        self._budgets, self._complaints, self._folder = budgets, complaints, folder

    def search(self, patterns: Sequence[Pattern], compiled: bytes) -> None:
        """Give the order to each reader, whenever it takes it: it may have to be listened to first."""
        message = order(patterns, compiled)
        for line in self._lines:
            thread = threading.Thread(target=_tell, args=(line, message), daemon=True)
            thread.start()
            self._orders.append(thread)

    def close(self) -> None:
        """The readers have been ended: nobody writes to them any more when this returns."""
        self._stop()
        for thread in self._orders:
            thread.join()

    def wait(self, progress: Progress | None) -> tuple[PackageLock, Pack]:
        """Listen until the readers have reported, and believe nothing that can be checked.

        Raises NotShared where two must not share the package: the caller begins again with one.
        """
        deadline = self._budgets.deadline(os.fstat(self._stream.fileno()).st_size)
        late = threading.Event()
        timer = threading.Timer(deadline, self._stop, (late,))
        with _told(progress, self._name), _Unchanged(self._stream, self._name) as unchanged:
            timer.start()
            try:
                heard = self._heard(progress)
            finally:
                timer.cancel()
            if heard.silent(len(self._lines)):
                if len(self._lines) > 1 and not late.is_set():
                    raise NotShared
                if heard.failed:
                    raise heard.failed[0]
                self._child.wait()
                raise died(self._child, late.is_set(), deadline, self._complaints)
            found = heard.lock(len(self._lines), self._budgets)
        lock = unchanged.checked(found, heard.entries)
        handles = self._rooms[0], self._stream.fileno()
        return lock, Pack(*handles, heard.index, room=self._folder, others=self._rooms[1:], fresh=True)

    def _heard(self, progress: Progress | None) -> Heard:
        """What the readers have said; when one has nothing to say, the others need not go on."""
        heard = Heard(progress, self._budgets.entries, self._seen)

        def listen(number: int) -> None:
            heard.listen(number, self._lines[number].report)
            if number in heard.silent(len(self._lines)):
                self._stop()

        others = [threading.Thread(target=listen, args=(n,), daemon=True) for n in range(1, len(self._lines))]
        for thread in others:
            thread.start()
        listen(0)
        for thread in others:
            thread.join()
        return heard

    def _stop(self, late: threading.Event | None = None) -> None:
        if late is not None:
            late.set()
        self._child.kill()


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
        ordered = tuple(sorted(entries, key=attrgetter("place")))
        return msgspec.structs.replace(lock, sha256=self._sha256, entries=ordered)


def _state(stream: BufferedReader) -> tuple[int, int, int]:
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


# ---- the child


@contextmanager
def _child(
    request: Request, second: int, complaints: IO[bytes]
) -> Iterator[tuple[subprocess.Popen[bytes], Sequence[_Line]]]:
    """A confined reader, or two if there is a file for the ``second``; they have ended when the block ends, however that is.

    The second is of the first's making, and ends with it: who ends the child has ended both.
    """
    with ExitStack() as theirs, ExitStack() as ours:
        lines: list[_Line] = []
        if second >= 0:
            seat, line = _seat(second, theirs, ours)
            request = msgspec.structs.replace(request, seats=(*request.seats, seat))
            lines.append(line)
        child = ours.enter_context(_started(request, complaints))
        theirs.close()
        assert child.stdin is not None and child.stdout is not None
        lines.insert(0, _Line(child.stdin, child.stdout))
        try:
            with suppress(BrokenPipeError):
                child.stdin.write(msgspec.json.encode(request) + b"\n")
                child.stdin.flush()
                if not request.searched:
                    child.stdin.close()
            yield child, lines
        finally:
            child.kill()
            for line in lines:
                with suppress(OSError):  # what it was not given any more
                    line.order.close()
                while line.report.read(CHUNK):  # to the end: of the second reader's, too
                    pass


def _seat(pack: int, theirs: ExitStack, ours: ExitStack) -> tuple[Seat, _Line]:
    """Pipes to and from a reader; ``theirs`` are closed here as soon as the child has them."""
    order, orders = os.pipe()
    reports, report = os.pipe()
    for handle in (order, report):
        theirs.callback(os.close, handle)
    return Seat(pack, order, report), _Line(os.fdopen(orders, "wb"), ours.enter_context(os.fdopen(reports, "rb")))


def _started(request: Request, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(p for p in sys.path if p)
    inherited = [request.package_fd, request.queue_fd]
    inherited += [handle for seat in request.seats for handle in (seat.pack_fd, seat.order_fd, seat.report_fd)]
    return subprocess.Popen(
        [sys.executable, "-P", "-B", "-m", "fulldress.intake.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        pass_fds=[handle for handle in inherited if handle > 2],
        cwd="/",
        env={"PYTHONPATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC", **ALLOCATOR},
    )


def _tell(line: _Line, message: bytes) -> None:
    with suppress(OSError, ValueError):  # what a reader that has ended would have said is missed by whoever listens to it
        line.order.write(message)
        line.order.close()


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
