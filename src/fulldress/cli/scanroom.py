"""Where a scan of a package on its own lays out what is inside: private, gone afterwards, kept when it was interrupted.

A scan that was stopped after the package had been taken apart leaves that work behind, if it was much, and the next scan
of the same bytes goes on from there. Nothing kept is believed: the package is hashed, and every object again when it is
searched.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

import msgspec

from fulldress import __version__
from fulldress.intake.budgets import Budgets
from fulldress.model.package import PackageLock
from fulldress.store.cache import cache_dir
from fulldress.store.pack import Pack, Piece

DAY = 86_400
WORTH_KEEPING_S = 2.0
"""What was taken apart faster is not kept: writing down what was found would take a part of that."""
PREFIX = "scan-"
PACKS = ("pack", "pack2")
"""What one reader has brought out, and what a second."""
READ, ABOUT = "read", "about.json"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Which package an earlier scan had read, and how: small, so that other scans are not held up by it."""

    version: str
    budgets: Budgets
    sha256: str
    size: int
    kept: str
    """SHA-256 of the other file."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What it had read."""

    lock: PackageLock
    index: dict[str, Piece]


class Room:
    """One scan's folder."""

    def __init__(self, folder: Path, budgets: Budgets, kept: Kept | None) -> None:
        self.folder, self.budgets, self.kept = folder, budgets, kept
        self._begun = time.monotonic()

    def save(self, lock: PackageLock, pack: Pack) -> None:
        """The package has been taken apart: from now on an interruption loses nothing that took long."""
        if time.monotonic() - self._begun < WORTH_KEEPING_S:
            return
        data = msgspec.msgpack.encode(Kept(lock=lock, index=pack.index))
        about = About(
            version=__version__,
            budgets=self.budgets,
            sha256=lock.sha256,
            size=lock.size,
            kept=hashlib.sha256(data).hexdigest(),
        )
        with suppress(OSError):  # it is only for comfort
            (self.folder / READ).write_bytes(data)
            new = self.folder / f".{ABOUT}"
            new.write_bytes(msgspec.json.encode(about))
            new.replace(self.folder / ABOUT)


@contextmanager
def room_for(stream: BufferedReader, budgets: Budgets) -> Iterator[Room]:
    """A folder for the package that is open in ``stream``, with what an interrupted scan of it had read."""
    base = cache_dir()
    kept = None
    if base is None:
        folder = Path(tempfile.mkdtemp(prefix="fulldress-scan-"))
    else:
        _prune(base)
        folder, kept = _claimed(base, stream, budgets) or (
            Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base)),
            None,
        )
    try:
        yield Room(folder, budgets, kept)
    except KeyboardInterrupt:
        if not (folder / ABOUT).exists() or base is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _alive(folder: Path) -> bool:
    pid = folder.name.removeprefix(PREFIX).partition("-")[0]
    return Path("/proc", pid).exists()


def _prune(base: Path) -> None:
    """Remove what nobody will come back for."""
    for folder in base.glob(f"{PREFIX}*"):
        with suppress(OSError):
            stale = time.time() - folder.stat().st_mtime > DAY or not (folder / ABOUT).exists()
            if stale and not _alive(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _claimed(base: Path, stream: BufferedReader, budgets: Budgets) -> tuple[Path, Kept] | None:
    """The folder of a scan of the same bytes that has ended early, now ours."""
    sha256 = ""
    size = os.fstat(stream.fileno()).st_size
    for folder in sorted(base.glob(f"{PREFIX}*")):
        if _alive(folder):
            continue
        about = _about(folder)
        if about is None or (about.version, about.budgets, about.size) != (__version__, budgets, size):
            continue
        sha256 = sha256 or _digest(stream)
        kept = _kept(folder, about) if about.sha256 == sha256 else None
        if kept is None:
            continue
        mine = base / f"{PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
        with suppress(OSError):  # another scan was faster
            return folder.rename(mine), kept
    return None


def _about(folder: Path) -> About | None:
    try:
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.MsgspecError):
        return None


def _kept(folder: Path, about: About) -> Kept | None:
    try:
        data = (folder / READ).read_bytes()
        if hashlib.sha256(data).hexdigest() != about.kept or not all((folder / pack).is_file() for pack in PACKS):
            return None
        return msgspec.msgpack.decode(data, type=Kept)
    except (OSError, msgspec.MsgspecError):
        return None


def _digest(stream: BufferedReader) -> str:
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()
