"""What must not outlive a command: mounts, namespaces, clones, scratch trees. Taken away however the command ends.

Three lines of defence, all reading the same record ``/run/fulldress/scopes/ID.json``: the ``with`` block; a guardian
process that sees the end of our pipe when we are killed; ``reap()`` at the start of the next command. The record is
written before the thing is made. Production machines are never put in a scope.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

import msgspec

import fulldress
from fulldress.adapters import nspawn, procs
from fulldress.adapters.procs import Proc

RUN = Path("/run/fulldress/scopes")


class Record(msgspec.Struct, kw_only=True):
    """One command's belongings, oldest first."""

    owner: Proc
    held: list[tuple[str, str]] = []


class Scope:
    """Context manager; implements ``ports.Keeper``."""

    def __init__(self, label: str) -> None:
        self.id = f"{label}-{secrets.token_hex(4)}"
        self._record = Record(owner=procs.me())
        self._lock = threading.Lock()
        """Several clones of one command are made at once, by as many threads."""
        self._guardian: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Scope:
        reap()
        RUN.mkdir(parents=True, exist_ok=True, mode=0o755)
        _save(self.id, self._record)
        source = str(Path(fulldress.__file__).parent.parent)
        self._guardian = subprocess.Popen(
            [sys.executable, "-m", "fulldress.adapters.guardian", self.id],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))},
            start_new_session=True,  # Ctrl-C is for us, not for it
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        left = clear(self.id)
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guardian.wait(timeout=30)
        if left and error is None:
            raise OSError("could not be taken away: " + ", ".join(f"{k} {v}" for k, v in left))

    def keep(self, kind: str, value: str) -> None:
        """Remember something that is about to be made; kinds as in ``TAKE_AWAY``."""
        if kind not in TAKE_AWAY:
            raise ValueError(f"no way to take away a {kind}")
        with self._lock:
            self._record.held.append((kind, value))
            _save(self.id, self._record)

    def release(self, kind: str, value: str) -> None:
        """Take it away now; raises OSError when that does not work (it then stays on record)."""
        TAKE_AWAY[kind](value)
        with self._lock:
            self._record.held = [h for h in self._record.held if h != (kind, value)]
            _save(self.id, self._record)


def clear(scope_id: str) -> list[tuple[str, str]]:
    """Take away all that a scope holds, newest first; returns (and keeps on record) what could not be."""
    record = load(scope_id)
    if record is None:
        return []
    left = []
    for kind, value in reversed(record.held):
        try:
            TAKE_AWAY[kind](value)
        except OSError:
            left.append((kind, value))
    if left:
        record.held = left[::-1]
        _save(scope_id, record)
    else:
        (RUN / f"{scope_id}.json").unlink(missing_ok=True)
    return left


def load(scope_id: str) -> Record | None:
    """The record of a scope, None when it is gone."""
    try:
        return msgspec.json.decode((RUN / f"{scope_id}.json").read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def stray() -> dict[str, list[tuple[str, str]]]:
    """Scopes whose command is gone, and what they still hold."""
    names = sorted(path.stem for path in RUN.glob("*.json")) if RUN.is_dir() else []
    records = {name: load(name) for name in names}
    return {name: list(r.held) for name, r in records.items() if r is not None and not r.owner.alive}


def reap() -> list[str]:
    """Take away what dead commands left; call it at the start of a command. Returns lines for people."""
    done = []
    for scope_id, held in stray().items():
        left = clear(scope_id)
        done += [f"{kind} {value}" for kind, value in held if (kind, value) not in left]
    return done + [f"machine record {name}" for name in nspawn.reap()]


def mounts_below(path: Path) -> list[Path]:
    """Mount points at or below a path, deepest last mounted first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if point == path or path in point.parents:
            points.append(point)
    return points[::-1]


def _save(scope_id: str, record: Record) -> None:
    temporary = RUN / f"{scope_id}.tmp"
    temporary.write_bytes(msgspec.json.encode(record))
    temporary.replace(RUN / f"{scope_id}.json")


def _unmount(value: str) -> None:
    """Unmount everything at or below; a moment of patience for processes that are just dying, then detach."""
    for point in mounts_below(Path(value)):
        for attempt in range(20):
            if subprocess.run(["umount", str(point)], capture_output=True, check=False).returncode == 0:
                break
            if attempt == 19:
                subprocess.run(["umount", "-l", str(point)], capture_output=True, check=False)
            time.sleep(0.1)
    if mounts_below(Path(value)):
        raise OSError(f"still mounted: {value}")


def _delete_tree(value: str) -> None:
    _unmount(value)  # never delete through a mount
    shutil.rmtree(value, ignore_errors=False) if Path(value).exists() else None


def _delete_netns(value: str) -> None:
    if not Path("/run/netns", value).exists():
        return
    pids = subprocess.run(["ip", "netns", "pids", value], capture_output=True, text=True, check=False).stdout.split()
    for found in filter(None, (procs.of(int(pid)) for pid in pids)):
        found.end()
    ended = subprocess.run(["ip", "netns", "del", value], capture_output=True, text=True, check=False)
    if Path("/run/netns", value).exists():
        raise OSError(ended.stderr)


def _end_process(value: str) -> None:
    pid, _, start = value.partition(":")
    Proc(int(pid), int(start)).end()


TAKE_AWAY = {
    "machine": nspawn.kill,
    "mount": _unmount,
    "netns": _delete_netns,
    "tree": _delete_tree,
    "process": _end_process,
}
"""How each kind of thing is taken away; every one may be asked for something that is already gone."""
