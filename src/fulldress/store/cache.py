"""Things that can be made again, kept for the next command: verified when read, and no loss when they are gone.

Lies in ``$XDG_CACHE_HOME/fulldress`` (``~/.cache``); where nothing can be written, nothing is kept and nobody is told.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

_DIGEST = 32
MOST = 12


def cache_dir() -> Path | None:
    """This user's own folder for what can be made again, with access for nobody else; None where there cannot be one."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "fulldress"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.lstat()
    except (OSError, RuntimeError):
        return None
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
    return folder if mine and os.access(folder, os.W_OK) else None


def recall(name: str) -> bytes | None:
    """What was kept under a name; None when it is not there, is damaged, or is somebody else's."""
    folder = cache_dir()
    if folder is None:
        return None
    try:
        handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                return None
            data = stream.read()
    except OSError:
        return None
    return data[_DIGEST:] if hashlib.sha256(data[_DIGEST:]).digest() == data[:_DIGEST] else None


def _prune(folder: Path, kind: str) -> None:
    """Of each kind (what stands before the first dash) only the newest are kept."""
    known = sorted((p for p in folder.glob(f"{kind}-*") if p.is_file()), key=lambda p: -p.stat().st_mtime)
    for old in known[MOST:]:
        old.unlink(missing_ok=True)


def keep(name: str, data: bytes) -> None:
    """Keep bytes under a name, if that is possible."""
    folder = cache_dir()
    if folder is None:
        return
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(hashlib.sha256(data).digest() + data)
            Path(temporary).replace(folder / name)
            _prune(folder, name.partition("-")[0])
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError:
        return
