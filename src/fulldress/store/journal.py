"""The hash-chained journal: one line of JSON per event, each carrying the digest of the one before.

One writer for each file. A changed, removed or reordered line is found by :func:`read_journal`; a cut *tail* passes
every self-check and is only found by a head kept elsewhere, which is why :attr:`Journal.head` is printed and sealed.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import msgspec

from fulldress.errors import FulldressError
from fulldress.store.codec import canonical, disk_full_or

GENESIS = "0" * 64


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line. ``hash`` = SHA-256 over the canonical bytes of the event with ``hash`` empty."""

    seq: int
    at: float
    kind: str
    data: dict[str, Any]
    prev: str
    hash: str = ""


class Journal:
    """Appends to one journal file; opening an existing file verifies it and goes on where it ended.

    A torn last line (power cut in the middle of a write) is cut off when the file is opened: it was never acknowledged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_torn_tail(path)
        events = read_journal(path)
        self._seq = events[-1].seq if events else 0
        self.head = events[-1].hash if events else GENESIS

    def append(self, kind: str, **data: Any) -> Event:
        """Write one event durably (fsync) and return it. Raises StateDiskFull; then nothing was appended."""
        draft = Event(seq=self._seq + 1, at=time.time(), kind=kind, data=data, prev=self.head)
        event = msgspec.structs.replace(draft, hash=_hash(draft))
        line = canonical(event) + b"\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        size = os.fstat(handle).st_size
        try:
            written = os.write(handle, line)
            if written != len(line):
                os.ftruncate(handle, size)
                raise OSError(28, "short write")
            os.fsync(handle)
        except OSError as error:
            os.ftruncate(handle, size)
            raise disk_full_or(error, self.path) from error
        finally:
            os.close(handle)
        self._seq, self.head = event.seq, event.hash
        return event


def _hash(event: Event) -> str:
    return hashlib.sha256(canonical(msgspec.structs.replace(event, hash=""))).hexdigest()


def _drop_torn_tail(path: Path) -> None:
    if not path.exists():
        return
    data = path.read_bytes()
    keep = data.rfind(b"\n") + 1
    if keep != len(data):
        with path.open("r+b") as stream:
            stream.truncate(keep)


def read_journal(path: Path) -> list[Event]:
    """All events, verified as a chain; [] when there is no file. Raises FulldressError ``journal-broken``."""
    if not path.exists() or not path.stat().st_size:
        return []
    events: list[Event] = []
    prev = GENESIS
    for number, line in enumerate(path.read_bytes().removesuffix(b"\n").split(b"\n"), 1):
        try:
            event = msgspec.json.decode(line, type=Event)
        except (msgspec.MsgspecError, ValueError) as error:
            raise _broken(path, number, f"not an event: {error}") from error
        if event.prev != prev or event.seq != len(events) + 1:
            raise _broken(path, number, "it does not follow the line before")
        if canonical(event) != line:  # the digest is over what was read: another spelling of the same number would pass it
            raise _broken(path, number, "it is not written as it was")
        if _hash(event) != event.hash:
            raise _broken(path, number, "its content does not match its digest")
        events.append(event)
        prev = event.hash
    return events


def _broken(path: Path, line: int, why: str) -> FulldressError:
    return FulldressError(
        f"the journal {path} is broken at line {line}: {why}",
        why="the record of what happened was changed after it was written; it is not evidence any more",
        fix="restore the journal from a copy whose head is known",
        slug="journal-broken",
    )
