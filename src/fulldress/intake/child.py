"""The confined reader: ``python -m fulldress.intake.child``, started by ``unpack`` and by nobody else.

Reads one request (JSON) from stdin, confines itself, walks the package whose descriptor it inherited, and reports JSON lines
on stdout. It trusts its input; its parent does not trust its output.
"""

from __future__ import annotations

import codecs
import errno
import os
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from fulldress.errors import CapabilityMissing, FulldressError, NothingToDo, PackageRefused
from fulldress.formats.refusal import refusal
from fulldress.intake import sandbox
from fulldress.intake.budgets import Budgets
from fulldress.intake.walk import walk
from fulldress.model.package import PackageLock
from fulldress.store.blobs import BlobStore

TICK_BYTES = 8 << 20


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent asks for. ``store`` is an empty directory made for this one package."""

    name: str
    store: str
    package_fd: int
    budgets: Budgets


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the child's output: bytes done so far, the lock, or why there is none."""

    done: int = 0
    lock: PackageLock | None = None
    error: str = ""
    """Class of the error: PackageRefused, NothingToDo, CapabilityMissing or StateDiskFull."""
    what: str = ""
    why: str = ""
    fix: str = ""
    slug: str = ""


def serve(request: Request, out: BinaryIO) -> None:
    """Confine this process, walk, report. Any other failure ends the process with a traceback on stderr."""
    try:
        with os.fdopen(request.package_fd, "rb") as package:
            store = BlobStore(Path(request.store))
            warm_up()
            limits = request.budgets
            sandbox.restrict(
                store.root,
                memory=limits.memory,
                cpu_seconds=max(1, int(limits.seconds)),
                file_bytes=limits.total_bytes,
            )
            lock = walk(package, request.name, store, request.budgets, _Ticker(out))
        _send(out, Report(lock=lock))
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


def warm_up() -> None:
    """Load what Python loads late: nothing can be opened once the process is confined."""
    for codec in ("cp437", "utf-8", "ascii", "latin-1"):
        codecs.lookup(codec)


def _failure(error: FulldressError) -> Report:
    return Report(error=type(error).__name__, what=error.what, why=error.why, fix=error.fix, slug=error.slug)


def _send(out: BinaryIO, report: Report) -> None:
    out.write(msgspec.json.encode(report) + b"\n")
    out.flush()


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
