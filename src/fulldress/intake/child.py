"""The confined reader: ``python -m fulldress.intake.child``, started by ``unpack`` and by nobody else.

Reads one request (JSON) from stdin, divides itself in two if there is a seat for a second reader, confines itself, walks
the package whose descriptor it inherited, and reports JSON lines. When asked to, it also looks for patterns in what it
unpacks: they follow on stdin. It trusts its input; its parent does not trust its output.
"""

from __future__ import annotations

import codecs
import errno
import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from fulldress.adapters import sandbox
from fulldress.errors import CapabilityMissing, FulldressError, NothingToDo, PackageRefused
from fulldress.formats.refusal import refusal
from fulldress.intake.exchange import Report, Request, Seat
from fulldress.intake.shares import Shares
from fulldress.intake.walk import walk
from fulldress.model.package import Entry
from fulldress.store.pack import PACK, SECOND, Pack
from fulldress.store.search import CODECS, Sighting

if TYPE_CHECKING:
    from fulldress.intake.lookout import Lookout

TICK_BYTES = 8 << 20
BATCH = 500
"""Entries handed over together."""


def serve(request: Request, number: int = 0) -> None:
    """Confine this process, walk, report. Any other failure ends the process with a traceback on stderr.

    ``number``: whose seat this reader takes.
    """
    seat = request.seats[number]
    with open(seat.report_fd, "wb", closefd=False) as out:
        try:
            _send(out, _walked(request, seat, number, out))
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


def _walked(request: Request, seat: Seat, number: int, out: BinaryIO) -> Report:
    """The last word of a walk that came to its end."""
    lookout = _lookouts()(seat.order_fd) if request.searched else None
    room = Path(f"/proc/self/fd/{seat.pack_fd}").readlink().parent.parent  # the folder itself goes with the scan
    limits = request.budgets
    sandbox.restrict(
        None,
        memory=limits.memory,
        cpu_seconds=max(1, int(limits.deadline(os.fstat(request.package_fd).st_size))),
        file_bytes=2 * limits.total_bytes + limits.entry_bytes,
    )
    pack = Pack(seat.pack_fd, request.package_fd, room=room, own=SECOND if number else PACK)
    shares = Shares(request.queue_fd, first=not number) if request.queue_fd >= 0 else None
    giver = _Giver(out, pack, lookout.seen if lookout else [])
    look = lookout or (lambda _sha256, _region: None)
    lock, share = walk(pack, request.name, limits, giver, _Ticker(out), shares, look)
    if lookout is not None:
        lookout.finish()
    giver.flush()
    return Report(lock=lock, share=share, searched=lookout.count if lookout else 0)


def _lookouts() -> type[Lookout]:
    from fulldress.intake import lookout  # noqa: PLC0415 - loaded when needed: Hyperscan, which an intake has no use for

    return lookout.Lookout


def warm_up() -> None:
    """Load what Python loads late: nothing can be opened once the process is confined."""
    for codec in ("cp437", "cp932", "utf-8", "ascii", "latin-1", *CODECS):
        codecs.lookup(codec)


def _failure(error: FulldressError) -> Report:
    return Report(error=type(error).__name__, what=error.what, why=error.why, fix=error.fix, slug=error.slug)


def _send(out: BinaryIO, report: Report) -> None:
    out.write(msgspec.json.encode(report) + b"\n")
    out.flush()


class _Giver:
    """Hands the entries to the parent, some hundred at a time, and what was seen in contents since."""

    def __init__(self, out: BinaryIO, pack: Pack, seen: list[Sighting]) -> None:
        self.out, self.pack, self.seen = out, pack, seen
        self.waiting: list[Entry] = []

    def __call__(self, entry: Entry) -> None:
        self.waiting.append(entry)
        if len(self.waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand over what waits."""
        pieces = [self.pack.index[e.sha256] for e in self.waiting if e.sha256]
        _send(self.out, Report(entries=self.waiting, pieces=pieces, sightings=self.seen))
        self.waiting = []
        self.seen.clear()


class _Ticker:
    """Reports progress every few megabytes."""

    def __init__(self, out: BinaryIO) -> None:
        self.out, self.done, self.sent = out, 0, 0

    def __call__(self, amount: int) -> None:
        self.done += amount
        if self.done - self.sent >= TICK_BYTES:
            self.sent = self.done
            _send(self.out, Report(done=self.done))


def main() -> None:
    """One request from stdin, on a line; what follows it is the lookout's, and so not read ahead.

    The second of two readers is this process over again, before either has seen a byte of the package: it starts at once.
    """
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as source:
        request = msgspec.json.decode(source.readline(), type=Request)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer; this process ends with it
    gc.disable()  # a walk leaves no cycles behind
    warm_up()
    if request.searched:
        _lookouts()
    other = _divided() if len(request.seats) > 1 else -1
    number = 0 if other else 1
    for seat in (s for n, s in enumerate(request.seats) if n != number):  # what is the other's is out of reach
        for handle in (seat.order_fd, seat.report_fd, seat.pack_fd):
            os.close(handle)
    serve(request, number)
    if other > 0:
        os.waitpid(other, 0)  # it would end with this process
    os._exit(0)  # all is said; to take down what a walk leaves behind would cost as much as a hundred members


def _divided() -> int:
    """0 in the second reader, which ends with the first; in the first the number of the second's process."""
    sandbox.ready()
    first = os.getpid()
    other = os.fork()
    if not other:
        sandbox.die_with(first)
    return other


if __name__ == "__main__":
    main()
