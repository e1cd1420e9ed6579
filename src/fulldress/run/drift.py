"""The drift alarm: on the day somebody else writes where the rehearsal saw nobody write, and the run stops between steps.

Looks at programs and configuration only (data is written by its users), by the times that the kernel gives inodes; reads
nothing but names. What the machine writes by itself is known from the control clone, what the plan writes from a rehearsal.
"""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from fulldress.adapters.transient import HOME
from fulldress.errors import FulldressError, NoGo
from fulldress.formats.pathnames import without_random
from fulldress.model.changes import WriteSet
from fulldress.ports import Host

WATCHED = (
    *("/etc", "/usr", "/opt", "/boot", "/bin", "/sbin", "/lib", "/lib32", "/lib64"),
    *("/var/spool/cron", "/var/lib/dpkg", "/var/lib/rpm", "/root"),
)
"""Where programs, configuration and the package database lie."""
ITSELF = (
    ("/etc/.pwd.lock", "held while accounts are changed; empty"),
    ("/etc/resolv.conf", "written by whoever configures the network"),
    ("/etc/adjtime", "when the clock was last set"),
    ("/etc/mtab", "what is mounted"),
    ("/etc/machine-id", "made at the first boot"),
    ("*/__pycache__/*", "compiled Python, made again from its source"),
    ("*.pyc", "compiled Python, made again from its source"),
    ("/var/lib/dpkg/lock*", "held while packages are looked at; empty"),
    ("/var/lib/dpkg/triggers/Lock", "held while packages are looked at; empty"),
    ("/root/.*", "what somebody who logs in leaves: histories, caches"),
)
"""May be written by anyone at any time, and why."""
MOST = 1000
NAMED = 5
SECONDS = 300.0


class Drift(NoGo):
    """Somebody else wrote to the host where the rehearsal saw nobody write: what was rehearsed is not what is there.

    Find out who it was. Then ``fulldress resume`` goes on (what was named once is not asked again), ``fulldress rollback``
    undoes the run. What always writes there by itself is declared in ``release.toml`` under ``allow-differences``.
    """

    slug = "drift"


class Alarm:
    """Knows what may be written during a run, and looks for everything else."""

    def __init__(
        self, host: Host, run: str, writes: WriteSet, allowed: Iterable[str] = (), known: Collection[str] = ()
    ) -> None:
        self.host, self.mark = host, f"{HOME}/backup/{run}/began"
        self.known = set(known)
        """Named before: somebody has seen them, and resumed the run."""
        planned = {path for change in writes.changes for path in (change.path, *change.aliases)}
        self.planned = planned - set(writes.by_itself)
        self.ours = {without_random(path) for path in (*planned, *writes.by_itself)}
        living = {str(PurePosixPath(path).parent) for path in writes.by_itself}
        self.living = {folder for folder in living if PurePosixPath(folder).parent != PurePosixPath("/")} - {"/"}
        """Directories in which the machine makes files by itself; never a whole ``/etc``."""
        globs = [glob for glob, _ in ITSELF]
        globs += [
            line.partition("|")[0].strip().removeprefix("file:").strip() for line in allowed if line.startswith("file:")
        ]
        self.free = re.compile("|".join(fnmatch.translate(glob) for glob in globs))

    def begin(self) -> None:
        """The run begins: from now on. A resumed run goes on from where it began."""
        done = self.host.run(["bash", "-c", '[ -e "$1" ] || { mkdir -p "${1%/*}" && touch "$1"; }', "mark", self.mark])
        if not done.ok:
            raise FulldressError(f"the beginning of the run could not be marked on {self.host.name}")

    def look(self) -> list[str]:
        """Paths written since the run began that neither the plan nor the machine itself writes, each told once."""
        return self._new(self._changed("-newercm", self.mark))

    def since(self, moment: float) -> list[str]:
        """The same since a moment of this computer's clock, and what the upgrade itself will change, before it begins."""
        asked = time.time()
        told = self.host.run(["date", "+%s.%N"])
        offset = float(told.stdout or b"0") - asked if told.ok else 0.0
        changed = self._changed("-newerct", f"@{moment + offset:.3f}")
        touched = [path for path in changed if path in self.planned - self.known and not self.free.match(path)]
        self.known.update(touched)
        return sorted({*touched, *self._new(changed)})

    def _new(self, paths: Iterable[str]) -> list[str]:
        found = sorted(path for path in paths if path not in self.known and not self._expected(path))
        self.known.update(found)
        return found

    def _expected(self, path: str) -> bool:
        folder = str(PurePosixPath(path).parent)
        return without_random(path) in self.ours or folder in self.living or bool(self.free.match(path))

    def _changed(self, test: str, value: str) -> list[str]:
        """Names of what is no directory and changed; a directory changes with what is in it."""
        script = (
            'dirs=(); for d in "${@:3}"; do [ -d "$d" ] && [ ! -L "$d" ] && dirs+=("$d"); done; '
            f'find "${{dirs[@]}}" -xdev ! -type d "$1" "$2" -print0 2>/dev/null | head -zn {MOST}'
        )
        done = self.host.run(["bash", "-c", script, "look", test, value, *WATCHED], timeout_s=SECONDS)
        if not done.ok:
            why = done.stderr.decode(errors="replace").strip()[-300:]
            raise FulldressError(f"{self.host.name} could not be watched for foreign changes", why=why)
        return [name.decode(errors="backslashreplace") for name in done.stdout.split(b"\0") if name]


def in_words(found: Sequence[str], blind: Sequence[str]) -> str:
    """What a whole run's alarm saw. ``blind``: the steps after which it could not look."""
    if found:
        words = f"somebody else wrote meanwhile: {named(list(found))}"
    else:
        words = "watched between the steps: nobody wrote where the rehearsal had seen nobody write"
    return f"{words}; it could not be looked after {', '.join(blind)}" if blind else words


def named(paths: list[str]) -> str:
    """The first few of them."""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + more
