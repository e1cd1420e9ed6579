"""Searches the objects of a package for patterns in confined processes of their own.

Gives the Context its ``search``, where the readers of the package have not searched already. Small packages are searched
where they are: a process costs more than they do.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import hyperscan
import msgspec

from fulldress.errors import BlobCorrupt, SearchFailed
from fulldress.formats.patterns import Matcher, Pattern
from fulldress.model.package import PackageLock
from fulldress.scan.rule import Looked, looked_at
from fulldress.scan.searchchild import Searched, SearchRequest
from fulldress.store import cache
from fulldress.store.codec import canonical
from fulldress.store.pack import PACK, RECORD
from fulldress.store.search import Sighting

WORTH_A_PROCESS = 8 << 20
"""Bytes from which searching in another process is faster."""
MANY = 8
WORTH_TWO = 64 << 20
WORTH_KEEPING_S = 0.1
"""Patterns that are compiled faster are not cached."""


class Target(NamedTuple):
    """An object of a content store."""

    sha256: str
    size: int


class Searcher:
    """One confined process that searches what is announced in a pipe."""

    def __init__(
        self, patterns: Sequence[Pattern], inlet: int, *, handles: Sequence[int] = (), folder: Path | None = None
    ) -> None:
        """Starts at once. ``inlet``: reading end of the pipe; it is closed here. ``handles``: see ``SearchRequest``."""
        self.patterns = tuple(patterns)
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        request = SearchRequest(
            patterns=self.patterns, handles=tuple(handles), inlet=inlet, folder=str(folder.resolve()) if folder else ""
        )
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-B", "-m", "fulldress.scan.searchchild"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            pass_fds=[inlet, *handles],
            cwd="/",
            env={"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )
        os.close(inlet)
        body = msgspec.json.encode(request)
        self.found: dict[str, Looked] = {}
        self._last: Searched | None = None
        self._talk = threading.Thread(
            target=self._converse, args=(len(body).to_bytes(8, "little") + body + compiled(self.patterns),), daemon=True
        )
        self._talk.start()

    def _converse(self, request: bytes) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        with suppress(BrokenPipeError):
            self._child.stdin.write(request)
            self._child.stdin.close()
        said = self._child.stdout
        while self._last is None and (length := said.read(8)):
            try:
                part = msgspec.msgpack.decode(said.read(int.from_bytes(length, "little")), type=Searched)
            except msgspec.MsgspecError:
                break
            self.found |= looked(part.objects, self.patterns)
            self._last = part if part.last else None
        self._child.wait()

    def results(self, expected: int) -> dict[str, Looked]:
        """Wait for the end and return what was found in so many objects. Raises FulldressError ``search-failed``."""
        self._talk.join()
        last = self._last
        if last is None or (last.count != expected and not last.wrong):
            self._complaints.seek(0)
            said = self._complaints.read()[-2000:].decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise _search_failed(f"the confined searcher ended with code {self._child.returncode}: {said or 'no word'}")
        if last.wrong:
            raise BlobCorrupt(
                f"object {last.wrong[0].hex()[:12]}… does not match its digest",
                why="the package or the store was changed while it was read, or the disk is failing",
                fix="run the command again on a copy of the package that nobody else writes to",
            )
        return self.found

    def close(self) -> None:
        """End the process, if it still runs."""
        self._child.kill()
        self._talk.join()
        for pipe in (self._child.stdin, self._child.stdout, self._complaints):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _search_failed(what: str) -> SearchFailed:
    return SearchFailed(
        what,
        why="what was not searched cannot be called clean",
        fix="run the command again; if it stays, report it with the package's digest",
    )


BINARY = Looked(True, {})
"""A binary without a match: most objects that are worth a word are this one."""


def looked(found: Sequence[Sighting], patterns: Sequence[Pattern]) -> dict[str, Looked]:
    """A confined process's words as the Context wants them (texts without a match are left out).

    Raises SearchFailed when they name a pattern that was not asked for.
    """
    if any(not 0 <= number < len(patterns) for o in found for number in o.ends):
        raise _search_failed("it reports patterns that nobody asked for")
    return {
        o.sha256: Looked(
            o.binary, {patterns[n]: _kept(ends) for n, ends in o.ends.items()}, o.encoding, sum(o.dropped.values())
        )
        if o.ends or o.encoding
        else BINARY
        for o in found
    }


def _kept(ends: list[int]) -> Sequence[int]:
    """Many numbers take a fifth of the room in an array."""
    return array("q", ends) if len(ends) > MANY else tuple(ends)


def targets_of(lock: PackageLock) -> list[Target]:
    """The objects of a package that are searched: everything but containers, each once."""
    sizes = {e.sha256: e.size for e in lock.entries if e.sha256 and e.kind != "container"}
    return [Target(sha256, size) for sha256, size in sizes.items()]


class Local:
    """A search in this process, for what is small."""

    def __init__(self, read: Callable[[str], bytes], targets: Sequence[Target]) -> None:
        self._read, self._targets = read, targets

    def __call__(self, patterns: Sequence[Pattern]) -> dict[str, Looked]:
        """Reads everything."""
        matcher = Matcher(patterns, compiled(patterns))
        return {t.sha256: looked_at(self._read(t.sha256), matcher) for t in self._targets}


def in_folder(folder: Path, targets: Sequence[Target]) -> Callable[[Sequence[Pattern]], Mapping[str, Looked]]:
    """A search over files of a content store, in one or two confined processes."""

    def search(patterns: Sequence[Pattern]) -> Mapping[str, Looked]:
        size = sum(t.size for t in targets)
        workers = 2 if size > WORTH_TWO and (os.cpu_count() or 1) > 1 else 1
        ordered = sorted(targets, key=lambda t: -t.size)
        return run([[_record(t) for t in ordered[n::workers]] for n in range(workers)], patterns, folder=folder)

    return search


def _record(target: Target) -> bytes:
    return RECORD.pack(bytes.fromhex(target.sha256), PACK, 0, target.size)


def run(
    shares: Sequence[Sequence[bytes]],
    patterns: Sequence[Pattern],
    *,
    handles: Sequence[int] = (),
    folder: Path | None = None,
) -> dict[str, Looked]:
    """Search objects that are known already, one process for each share of their records."""
    searchers: list[Searcher] = []
    try:
        for share in shares:
            inlet, outlet = os.pipe()
            searchers.append(Searcher(patterns, inlet, handles=handles, folder=folder))
            feed(outlet, share)
        found: dict[str, Looked] = {}
        for searcher, share in zip(searchers, shares, strict=True):
            found |= searcher.results(len(share))
        return found
    finally:
        for searcher in searchers:
            searcher.close()


def feed(outlet: int, share: Sequence[bytes]) -> None:
    """Write records into a pipe, and close it, without waiting for its reader."""
    threading.Thread(target=_feed, args=(outlet, b"".join(share)), daemon=True).start()


def _feed(outlet: int, records: bytes) -> None:
    view = memoryview(records)
    try:
        while view:
            view = view[os.write(outlet, view) :]
    except BrokenPipeError:
        return  # what the searcher said, or did not say, is looked at when it has ended
    finally:
        os.close(outlet)


def compiled(patterns: Sequence[Pattern]) -> bytes:
    """The patterns compiled, from this user's cache when they were compiled before with this library on this processor."""
    key = hashlib.sha256(canonical([list(patterns), vars(hyperscan)["__version__"], platform.machine(), _processor()]))
    name = f"patterns-{key.hexdigest()[:32]}"
    kept = cache.recall(name)
    if kept is not None:
        try:
            Matcher(patterns, kept)
        except hyperscan.HyperscanError:
            kept = None
    if kept is None:
        started = time.monotonic()
        kept = Matcher(patterns).dump()
        if time.monotonic() - started > WORTH_KEEPING_S:
            cache.keep(name, kept)
    return kept


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open("rb") as stream:
            lines = stream.read(4096).split(b"\n")
    except OSError:
        return ""
    return b"\n".join(line for line in lines if line.startswith((b"model name", b"flags"))).decode("ascii", "replace")
