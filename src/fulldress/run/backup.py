"""Before the first step: everything that the upgrade is known to change on the host, copied off its changed trees.

The paths come from the rehearsed write-set. The archive lies on this computer, in the state directory (it may hold secrets,
so it is not part of the release folder); one too large for that stays on the host, which is said. Restores nothing by
itself: undoing is the plan's, and afterwards every path is compared with what it was.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import msgspec

from fulldress.adapters.manifest import PathState
from fulldress.adapters.transient import HOME
from fulldress.errors import FulldressError, StateDiskFull
from fulldress.model.changes import WriteSet
from fulldress.ports import Host
from fulldress.store.codec import read_json, write_json

HERE_MOST = 1 << 30
"""Bytes that are brought to this computer; a larger backup stays on the host."""
SPARE = 1 << 30
"""Bytes that stay free where the backup goes."""
SECONDS = 3600.0
NAMED = 20
_TAR = (
    "set -o pipefail; cd / && tar --create --acls --xattrs --xattrs-include='*' --sparse --numeric-owner --format=posix "
    '--warning=no-file-ignored --no-recursion --null --verbatim-files-from --files-from="$1"'
)


class BackupFailed(FulldressError):
    """What the upgrade will change could not be copied whole before the first step; nothing was changed.

    The message names what stood in the way. ``fulldress resume`` tries again, ``fulldress rollback`` gives the run up.
    """

    slug = "backup-failed"


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """``backup.json`` beside the archive, written last: its presence means whole."""

    schema_version: int = 1
    run: str
    place: str
    """``here`` or ``host``: on which computer the archive lies."""
    archive: str
    bytes: int
    sha256: str
    states: dict[str, PathState]
    """Each path as it was, with the digest of its content."""
    absent: tuple[str, ...]
    """Paths that the upgrade makes and that were not there."""


def folder_of(state_dir: Path, run: str) -> Path:
    """Where the backup of a run is kept on this computer."""
    return state_dir / "backup" / run


def taken(state_dir: Path, run: str) -> Backup | None:
    """The whole backup of a run, or None."""
    path = folder_of(state_dir, run) / "backup.json"
    return read_json(path, Backup) if path.is_file() else None


def take(host: Host, writes: WriteSet, state_dir: Path, run: str) -> Backup:
    """Copy what the upgrade will change. Raises BackupFailed or StateDiskFull; nothing on the host has changed then."""
    folder = folder_of(state_dir, run)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    wanted = tuple(dict.fromkeys((*writes.backup, *(c.path for c in writes.changes if c.before == "absent"))))
    states = _states(host, run, wanted)
    there = [path for path in writes.backup if path in states]
    _put_list(host, run, there)
    size = sum(state.size for state in states.values())
    if max(size, writes.backup_bytes) <= HERE_MOST:
        archive, place = folder / "files.tar", "here"
        if shutil.disk_usage(folder).free < size + SPARE:
            raise StateDiskFull(f"the backup of {host.name} needs {size / 1e6:.0f} MB in {folder}")
        digest, number = _bring(host, run, archive)
        _check(archive, {path: states[path] for path in there})
    else:
        archive, place = Path(f"{HOME}/backup/{run}/files.tar"), "host"
        digest, number = _leave(host, run, size)
    absent = tuple(c.path for c in writes.changes if c.before == "absent" and not c.transient and c.path not in states)
    backup = Backup(
        run=run, place=place, archive=str(archive), bytes=number, sha256=digest, absent=absent,
        states={path: states[path] for path in there},
    )  # fmt: skip
    write_json(folder / "backup.json", backup)
    os.chmod(folder / "backup.json", 0o600)  # noqa: PTH101 - digests of secret files are in it
    return backup


def differing(host: Host, backup: Backup, allowed: Sequence[str] = ()) -> list[str]:
    """Paths that are not as they were backed up. ``allowed``: ``part:glob | reason`` lines of the release."""
    now = _states(host, backup.run, (*backup.states, *backup.absent))
    may = _may_differ(allowed)
    return sorted(
        path
        for path in (*backup.states, *backup.absent)
        if _comparable(now.get(path)) != _comparable(backup.states.get(path)) and not may.match(path)
    )


def in_words(backup: Backup, different: Sequence[str]) -> str:
    """One line of how an undone run compares with its backup."""
    total = len(backup.states) + len(backup.absent)
    if not different:
        return f"{total} paths are as they were backed up"
    more = f" and {len(different) - NAMED} more" if len(different) > NAMED else ""
    return f"{len(different)} of {total} paths are not as they were backed up: {', '.join(different[:NAMED])}{more}"


def _comparable(state: PathState | None) -> PathState | None:
    """Of hard links only those in the list are seen, so who is whose first name is left out."""
    return None if state is None else state._replace(linked="")


def _may_differ(allowed: Iterable[str]) -> re.Pattern[str]:
    globs = [line.partition("|")[0].strip().removeprefix("file:").strip() for line in allowed if line.startswith("file:")]
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs) or r"(?!)")


def _put_list(host: Host, run: str, paths: Sequence[str]) -> str:
    """The list of paths, on the host; relative to its root."""
    where = f"{HOME}/backup/{run}/paths"
    host.write_file(where, b"".join(os.fsencode(f".{path}") + b"\0" for path in paths), mode=0o600)
    return where


def _states(host: Host, run: str, paths: Sequence[str]) -> dict[str, PathState]:
    where = f"{HOME}/backup/{run}/asked"
    host.write_file(where, b"".join(os.fsencode(path) + b"\0" for path in paths), mode=0o600)
    script = resources.files("fulldress.adapters").joinpath("manifest.py").read_bytes()
    done = host.run(["python3", "-", "--only", where, "/"], stdin=script, timeout_s=SECONDS)
    lines = done.stdout.splitlines()
    if not done.ok or not lines:
        raise BackupFailed(
            f"the paths to back up on {host.name} could not be read",
            why=done.stderr.decode(errors="replace").strip()[-300:],
            fix="it is read by the host's own python3, as root",
        )
    return {path: PathState(*fields) for path, *fields in map(msgspec.json.decode, lines[:-1])}


def _bring(host: Host, run: str, archive: Path) -> tuple[str, int]:
    """Stream the archive to this computer; its SHA-256 and size."""
    hasher, size = hashlib.sha256(), 0
    handle = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        for chunk in host.stream(["bash", "-c", _TAR, "tar", f"{HOME}/backup/{run}/paths"]):
            stream.write(chunk)
            hasher.update(chunk)
            size += len(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    return hasher.hexdigest(), size


def _leave(host: Host, run: str, size: int) -> tuple[str, int]:
    """Too large to bring: it stays on the host, off the trees that change."""
    script = (
        f'set -e; cd {HOME}/backup/{run}; [ "$(df --output=avail -B1 . | tail -n 1)" -gt {size + SPARE} ] || '
        f'{{ echo "not enough room in {HOME}" >&2; exit 1; }}; umask 077; ({_TAR}) >files.tar; sync files.tar; '
        "sha256sum files.tar; stat -c %s files.tar"
    )
    done = host.run(["bash", "-c", script, "tar", f"{HOME}/backup/{run}/paths"], timeout_s=SECONDS)
    words = done.stdout.decode(errors="replace").split()
    if not done.ok or len(words) < 3:
        why = done.stderr.decode(errors="replace").strip()[-300:]
        raise BackupFailed(f"what the upgrade changes could not be copied on {host.name}", why=why)
    return words[0], int(words[-1])


def _check(archive: Path, states: Mapping[str, PathState]) -> None:
    """What lies in the archive is what was read a moment ago: every path, and the content of every file."""
    missing = {path for path, state in states.items() if state.kind != "socket"}
    with tarfile.open(archive) as opened:
        for member in opened:
            path = "/" + member.name.removeprefix("./").strip("/")
            missing.discard(path)
            stream = opened.extractfile(member) if member.isreg() else None
            if stream is not None and path in states:
                hasher = hashlib.blake2b(digest_size=16)
                while chunk := stream.read(1 << 20):
                    hasher.update(chunk)
                if hasher.hexdigest() != states[path].content:
                    raise BackupFailed(f"{path} changed while it was backed up", fix="fulldress resume tries again")
    if missing:
        raise BackupFailed(f"not in the backup: {', '.join(sorted(missing)[:5])}", fix="fulldress resume tries again")
