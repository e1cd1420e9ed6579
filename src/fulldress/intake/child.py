"""The confined reader: ``python -m fulldress.intake.child``, started by ``unpack`` and by nobody else.

Reads one request (JSON) from stdin, confines itself, walks the package whose descriptor it inherited, and reports JSON lines
on stdout. It trusts its input; its parent does not trust its output.
"""

from __future__ import annotations

import codecs
import errno
import gc
import os
import select
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from fulldress.adapters import sandbox
from fulldress.errors import CapabilityMissing, FulldressError, NothingToDo, PackageRefused
from fulldress.formats.refusal import refusal
from fulldress.intake.budgets import Budgets
from fulldress.intake.shares import Share, Shares
from fulldress.intake.walk import walk
from fulldress.model.package import Entry, PackageLock
from fulldress.store.pack import PACK, RECORD, Pack, Piece

TICK_BYTES = 8 << 20
WHOLE = select.PIPE_BUF // RECORD.size * RECORD.size
"""Bytes of records that a pipe takes as a whole."""
BATCH = 500
"""Entries handed over together."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent asks for, in descriptors that the child inherits."""

    name: str
    package_fd: int
    pack_fd: int
    """An empty file, to be filled."""
    listener_fd: int = -1
    """A pipe that is told of every object (``store.pack.RECORD``); -1 when nobody listens."""
    budgets: Budgets
    queue_fd: int = -1
    """A pipe with the numbers of the parts, where several readers share the work; -1 when there is only one."""
    source: int = PACK
    """Which of the readers this is, by the pack that it fills."""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the child's output: bytes done so far, entries, at last the lock, or why there is none."""

    done: int = 0
    entries: list[Entry] = []
    pieces: list[Piece] = []
    """Where the content of those of the entries lies that have a digest."""
    lock: PackageLock | None = None
    """Without its entries, and without its digest: the parent takes that itself."""
    share: Share | None = None
    """Along with the lock."""
    error: str = ""
    """Class of the error: PackageRefused, NothingToDo, CapabilityMissing or StateDiskFull."""
    what: str = ""
    why: str = ""
    fix: str = ""
    slug: str = ""


def serve(request: Request, out: BinaryIO) -> None:
    """Confine this process, walk, report. Any other failure ends the process with a traceback on stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer; this process ends with it
    try:
        warm_up()
        room = Path(f"/proc/self/fd/{request.pack_fd}").readlink().parent.parent  # the folder itself goes with the scan
        limits = request.budgets
        deadline = limits.deadline(os.fstat(request.package_fd).st_size)
        sandbox.restrict(
            None,
            memory=limits.memory,
            cpu_seconds=max(1, int(deadline)),
            file_bytes=2 * limits.total_bytes + limits.entry_bytes,
        )
        gc.disable()  # a walk leaves no cycles behind
        pack = Pack(request.pack_fd, request.package_fd, room=room, own=request.source)
        if request.listener_fd >= 0:
            pack.told = _Listener(request.listener_fd)
        giver = _Giver(out, pack)
        shares = Shares(request.queue_fd, first=request.source == PACK) if request.queue_fd >= 0 else None
        lock, share = walk(pack, request.name, request.budgets, giver, _Ticker(out), shares)
        giver.flush()
        _send(out, Report(lock=lock, share=share))
    except (PackageRefused, NothingToDo, CapabilityMissing) as error:
        _send(out, _failure(error))
    except MemoryError:
        _send(out, _failure(refusal("archive-bomb", "reading it needs more memory than its budget")))
    except FulldressError as error:
        _send(out, _failure(error))
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        _send(out, _failure(refusal("archive-bomb", "a member is larger than its budget")))


class _Listener:
    """Writes records into a pipe, so many at once that they stay together among those of others.

    A listener that went away is the parent's business.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def __call__(self, records: bytes) -> None:
        try:
            for start in range(0, len(records) if self._pipe >= 0 else 0, WHOLE):
                os.write(self._pipe, records[start : start + WHOLE])
        except BrokenPipeError:
            self._pipe = -1


def warm_up() -> None:
    """Load what Python loads late: nothing can be opened once the process is confined."""
    for codec in ("cp437", "cp932", "utf-8", "ascii", "latin-1"):
        codecs.lookup(codec)


def _failure(error: FulldressError) -> Report:
    return Report(error=type(error).__name__, what=error.what, why=error.why, fix=error.fix, slug=error.slug)


def _send(out: BinaryIO, report: Report) -> None:
    out.write(msgspec.json.encode(report) + b"\n")
    out.flush()


class _Giver:
    """Hands the entries to the parent, some hundred at a time."""

    def __init__(self, out: BinaryIO, pack: Pack) -> None:
        self.out, self.pack = out, pack
        self.waiting: list[Entry] = []

    def __call__(self, entry: Entry) -> None:
        self.waiting.append(entry)
        if len(self.waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand over what waits."""
        pieces = [self.pack.index[e.sha256] for e in self.waiting if e.sha256]
        _send(self.out, Report(entries=self.waiting, pieces=pieces))
        self.waiting = []


class _Ticker:
    """Reports progress every few megabytes."""

    def __init__(self, out: BinaryIO) -> None:
        self.out, self.done, self.sent = out, 0, 0

    def __call__(self, amount: int) -> None:
        self.done += amount
        if self.done - self.sent >= TICK_BYTES:
            self.sent = self.done
            _send(self.out, Report(done=self.done))


if __name__ == "__main__":
    serve(msgspec.json.decode(sys.stdin.buffer.read(), type=Request), sys.stdout.buffer)
