"""Takes a vendor's package apart into the content store, by a confined child, and believes none of its words.

The child may write only into a fresh folder of its own; every blob that its report names is hashed again here before it
is moved into the store. A refused package leaves nothing behind.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, BinaryIO

import msgspec

from fulldress import errors
from fulldress.errors import FulldressError, NothingToDo, PackageRefused, UsageError
from fulldress.formats.members import safe_name, shown
from fulldress.formats.refusal import refusal
from fulldress.intake import sandbox
from fulldress.intake.budgets import Budgets
from fulldress.intake.child import Report, Request
from fulldress.intake.walk import walk
from fulldress.model.package import Entry, PackageLock
from fulldress.ports import Progress
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import disk_full_or, file_digest

MAX_REPORT = 256 << 20
"""Bytes of one line of the child's report."""
MAX_COMPLAINT = 2000
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")
_STAGING = ".intake-"


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
    with _opened(package) as stream, _staging(blobs) as staging, _told(progress, package.name):
        if sandboxed:
            lock = _confined(stream, package.name, staging, budgets, progress)
        else:
            lock = _in_process(stream, package.name, staging, budgets, progress)
        _believe(lock, package, stream)
        _adopt(lock, staging, blobs)
    return lock


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
def _opened(package: Path) -> Iterator[BufferedReader]:
    if _URL.match(str(package)):
        raise UsageError(f"{package} is a URL", why="packages are read from disk", fix="download it, then name the file")
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


@contextmanager
def _staging(blobs: BlobStore) -> Iterator[BlobStore]:
    """A store of the child's own on the same disk; gone afterwards, also what a killed intake left."""
    for old in blobs.root.glob(f"{_STAGING}*"):
        if not Path(f"/proc/{old.name.removeprefix(_STAGING).partition('-')[0]}").exists():
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_STAGING}{os.getpid()}-", dir=blobs.root))
    try:
        yield BlobStore(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _in_process(stream: BinaryIO, name: str, staging: BlobStore, budgets: Budgets, progress: Progress | None) -> PackageLock:
    return walk(stream, name, staging, budgets, (lambda n: progress.advance(n)) if progress else (lambda _: None))


# ---- the child


def _confined(stream: BinaryIO, name: str, staging: BlobStore, budgets: Budgets, progress: Progress | None) -> PackageLock:
    if what := sandbox.missing():
        raise sandbox.sandbox_missing(what)
    request = Request(name=name, store=str(staging.root.resolve()), package_fd=stream.fileno(), budgets=budgets)
    with tempfile.TemporaryFile() as complaints, _child(request, complaints) as child:
        late = threading.Event()
        timer = threading.Timer(budgets.seconds, _stop, (child, late))
        timer.start()
        try:
            lock = _listen(child, progress)
        finally:
            timer.cancel()
            child.kill()
            child.wait()
        if lock is None:
            raise _died(child, late.is_set(), budgets, complaints)
        return lock


@contextmanager
def _child(request: Request, complaints: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    path = os.pathsep.join(p for p in sys.path if p)
    child = subprocess.Popen(
        [sys.executable, "-P", "-B", "-m", "fulldress.intake.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        pass_fds=(request.package_fd,),
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


def _listen(child: subprocess.Popen[bytes], progress: Progress | None) -> PackageLock | None:
    assert child.stdout is not None
    done = 0
    while line := child.stdout.readline(MAX_REPORT):
        try:
            report = msgspec.json.decode(line, type=Report)
        except msgspec.MsgspecError as error:
            raise refusal("reader-died", f"the confined reader's report cannot be read: {error}") from error
        if report.error:
            raise _as_error(report)
        if report.lock is not None:
            return report.lock
        if progress and report.done > done:
            progress.advance(report.done - done)
            done = report.done
    return None


def _stop(child: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    child.kill()


def _as_error(report: Report) -> FulldressError:
    kind = getattr(errors, report.error, PackageRefused)
    kind = kind if isinstance(kind, type) and issubclass(kind, FulldressError) else PackageRefused
    return kind(
        shown(report.what) if len(report.what) > 2000 else report.what, why=report.why, fix=report.fix, slug=report.slug
    )


def _died(child: subprocess.Popen[bytes], late: bool, budgets: Budgets, complaints: IO[bytes]) -> PackageRefused:
    if late or child.returncode == -24:
        return refusal("archive-bomb", f"reading it took longer than {budgets.seconds:g} seconds")
    complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, complaints.tell() - MAX_COMPLAINT))
    said = complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    return refusal("reader-died", f"the confined reader ended with code {child.returncode}: {shown(said) or 'no word'}")


# ---- what the child said, checked


def _believe(lock: PackageLock, package: Path, stream: BufferedReader) -> None:
    """Raises PackageRefused when the report could not come from an honest walk of this file."""
    stream.seek(0)
    if hashlib.file_digest(stream, "sha256").hexdigest() != lock.sha256:
        raise refusal("reader-died", f"{package.name} changed while it was read, or the reader lied about its digest")
    seen: set[str] = set()
    for entry in lock.entries:
        if entry.place in seen or any(safe_name(part, posix=True) != part or not part for part in entry.place.split("!/")):
            raise refusal("reader-died", f"the reader reported an impossible place: {shown(entry.place)!r}")
        seen.add(entry.place)


def _adopt(lock: PackageLock, staging: BlobStore, blobs: BlobStore) -> None:
    """Move the blobs that the lock names into the store, each hashed again."""
    package = Entry(place=lock.name, kind="container", size=lock.size, sha256=lock.sha256)
    wanted = {e.sha256: e for e in (*lock.entries, package) if e.sha256 or e.kind in ("file", "container")}
    for sha256, entry in wanted.items():
        source = staging.path(sha256)
        if not re.fullmatch("[0-9a-f]{64}", sha256) or not _is(source, sha256, entry.size):
            raise refusal("reader-died", f"the reader's content of {shown(entry.place)!r} does not match its digest")
        try:
            target = blobs.path(sha256)
            target.parent.mkdir(exist_ok=True)
            source.chmod(0o444)
            source.replace(target)
        except OSError as error:
            raise disk_full_or(error, blobs.root) from error


def _is(path: Path, sha256: str, size: int) -> bool:
    try:
        status = path.lstat()
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size and file_digest(path) == sha256
