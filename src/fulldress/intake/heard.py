"""What the confined readers say, taken down and checked: nothing of it is believed that an honest walk could not say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO

import msgspec

from fulldress import errors
from fulldress.errors import FulldressError, PackageRefused
from fulldress.formats.members import safe_name, shown
from fulldress.formats.refusal import refusal
from fulldress.intake.budgets import Budgets
from fulldress.intake.exchange import Report
from fulldress.intake.shares import Share, far_from, whole
from fulldress.model.package import Entry, PackageLock
from fulldress.ports import Progress
from fulldress.store.pack import PACK, PACKAGE, SECOND, Piece
from fulldress.store.search import Sighting

MAX_REPORT = 256 << 20
"""Bytes of one line of a reader's report."""
MAX_COMPLAINT = 2000
_PLAIN = re.compile(r"(?:(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_@+=,.~#%&() -]{1,200}(?:!?/(?!\Z)|\Z)){1,60}")
"""Places that need no closer look: short, plain letters, no dots alone, no empty part."""
_DIGEST = re.compile("[0-9a-f]{64}")


Seen = Callable[[list[Sighting]], None]


class NotShared(Exception):
    """Two readers do not do for this package: one must read it again, whose word is the one that counts."""


class Heard:
    """What the readers have said so far, each in a thread of its own."""

    def __init__(self, progress: Progress | None, most: int, seen: Seen | None = None) -> None:
        """``most``: entries that there may be. ``seen``: is given what was found in contents, as it comes."""
        self.entries: list[Entry] = []
        self.index: dict[str, Piece] = {}
        self.failed: list[FulldressError] = []
        self._locks: dict[int, PackageLock] = {}
        self._shares: dict[int, Share] = {}
        self._places: set[str] = set()
        self._modes: dict[int, int] = {}
        self._one = threading.Lock()
        self._progress, self._most, self._seen = progress, most, seen
        self._files: dict[int, set[str]] = {}

    def listen(self, number: int, report: IO[bytes]) -> None:
        """Take down what one reader says, to its end. What is wrong with it is in ``failed``."""
        try:
            self._listen(number, report)
        except FulldressError as error:
            self.failed.append(error)

    def _listen(self, number: int, stream: IO[bytes]) -> None:
        done = 0
        while line := stream.readline(MAX_REPORT):
            try:
                report = msgspec.json.decode(line, type=Report)
            except msgspec.MsgspecError as error:
                raise refusal("reader-died", f"the confined reader's report cannot be read: {error}") from error
            if report.error:
                raise _as_error(report)
            with self._one:
                self._take(report, number)
                if self._progress and report.done > done:
                    self._progress.advance(report.done - done)
                    done = report.done
            if report.lock is not None and report.share is not None:
                if self._seen is not None and report.searched != len(self._files.get(number, ())):
                    raise refusal("reader-died", "the confined reader has not looked at everything that it unpacked")
                self._locks[number], self._shares[number] = report.lock, report.share
                return

    def silent(self, readers: int) -> list[int]:
        """The readers that have not come to an end."""
        return [n for n in range(readers) if n not in self._locks]

    def lock(self, readers: int, budgets: Budgets) -> PackageLock:
        """The lock; raises NotShared where one reader alone might have said something else."""
        if readers == 1:
            return self._locks[0]
        shares = [self._shares[n] for n in range(readers)]
        lock = whole([self._locks[n] for n in range(readers)], shares)
        if lock is None or not far_from([share.tally for share in shares], budgets, lock.size):
            raise NotShared
        return lock

    def _sparing(self, entry: Entry) -> None:
        """The same few owners, times and modes are each kept once: there may be 200,000 entries."""
        if entry.owner:
            msgspec.structs.force_setattr(entry, "owner", sys.intern(entry.owner))
        msgspec.structs.force_setattr(entry, "modified", sys.intern(entry.modified))
        msgspec.structs.force_setattr(entry, "mode", self._modes.setdefault(entry.mode, entry.mode))

    def _take(self, report: Report, number: int) -> None:
        """Raises PackageRefused when the report could not come from an honest walk."""
        pieces, places, index = iter(report.pieces), self._places, self.index
        source, files = SECOND if number else PACK, self._files.setdefault(number, set())
        for entry in report.entries:
            place = entry.place
            if place in places or not (_PLAIN.fullmatch(place) or _is_possible(place)):
                raise refusal("reader-died", f"the reader reported an impossible place: {shown(place)!r}")
            places.add(place)
            if entry.sha256:
                where, offset, size = next(pieces, Piece(-1, 0, 0))
                honest = size == entry.size and offset >= 0 and where in (source, PACKAGE)
                if not honest or entry.kind not in ("file", "container") or not _DIGEST.fullmatch(entry.sha256):
                    raise refusal("reader-died", f"the reader reported an impossible object: {shown(place)!r}")
                if entry.sha256 not in index:
                    index[entry.sha256] = Piece(where, offset, entry.size)
                if self._seen is not None and entry.kind == "file":
                    files.add(entry.sha256)
            self._sparing(entry)
        self.entries += report.entries
        if self._seen is not None and report.sightings:
            self._seen(report.sightings)
        if len(self.entries) > self._most:  # for two readers, a limit of the whole; one that is honest stops there by itself
            raise refusal("archive-bomb", f"there are more than {self._most} members")


def _as_error(report: Report) -> FulldressError:
    kind = getattr(errors, report.error, PackageRefused)
    kind = kind if isinstance(kind, type) and issubclass(kind, FulldressError) else PackageRefused
    return kind(
        shown(report.what) if len(report.what) > 2000 else report.what, why=report.why, fix=report.fix, slug=report.slug
    )


def died(child: subprocess.Popen[bytes], late: bool, deadline: float, complaints: IO[bytes]) -> PackageRefused:
    """Why a reader has ended without a last word."""
    if late or child.returncode == -24:
        return refusal("archive-bomb", f"reading it took longer than {deadline:g} seconds")
    complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, complaints.tell() - MAX_COMPLAINT))
    said = complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    return refusal("reader-died", f"the confined reader ended with code {child.returncode}: {shown(said) or 'no word'}")


def _is_possible(place: str) -> bool:
    return all(part and safe_name(part, posix=True) == part for part in place.split("!/"))
