"""Which statement took which table lock for how long, and who queued behind it, while something ran on a clone.

Exact by the kernel's probes where the clone's tree is visible and the kernel allows it; else ``pg_locks`` is sampled some
hundred times a second over one session, which sees what lasts. Either way :attr:`LockTrace.note` says which and why. The
server's configuration and schema are not touched.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec

from fulldress.errors import FulldressError
from fulldress.model.rehearsal import LockHold
from fulldress.ports import Host
from fulldress.rehearse import intervals
from fulldress.rehearse.uprobes import LockProbes, ProbesUnavailable, pids_of_namespace

FIRST_OF_USERS = 16384
"""Relations with a lower number are PostgreSQL's own catalogues."""
INTERVAL_S = 0.004
_MODE = " ".join(f"WHEN '{name}Lock' THEN {number}" for number, name in enumerate(intervals.MODES) if name)
_SAMPLE = (
    "PREPARE look AS SELECT json_build_array(extract(epoch from t.now), coalesce(l.pid, 0), "
    f"coalesce(l.relation::bigint, 0), CASE l.mode {_MODE} ELSE 0 END, coalesce(l.granted, false), "
    "coalesce(left(a.query, 300), '')) "
    "FROM (SELECT clock_timestamp() AS now) t LEFT JOIN pg_locks l ON l.locktype = 'relation' AND l.pid <> pg_backend_pid() "
    f"AND l.relation >= {FIRST_OF_USERS} AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (NOT l.granted OR l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', "
    "'AccessExclusiveLock')) LEFT JOIN pg_stat_activity a ON a.pid = l.pid;"
)
# `|| break`: under systemd a write to a pipe without reader is an error, not a signal
_LOOP = 'name=$1; { echo "$2"; while :; do echo "EXECUTE look;SELECT pg_sleep($3);" || break; done; } 2>/dev/null '
_LOOP += '| PGAPPNAME=$name psql -XqAt -d "$4" 2>/dev/null; true'


class LockTraceFailed(FulldressError):
    """The locks of the declared database cannot be watched, because the database cannot be asked anything.

    A rehearsal without its locks would call an outage harmless, so it does not go on.
    """

    slug = "lock-trace-failed"


class LockTrace:
    """``with LockTrace(host, "db") as trace: …`` and then ``trace.holds()``.

    ``pgbinary_path`` is the server's program on the host (found when not given). ``method`` forces one of the two.
    """

    def __init__(
        self,
        host: Host,
        database: str,
        *,
        pgbinary_path: str | None = None,
        method: Literal["auto", "probes", "sampler"] = "auto",
    ) -> None:
        self.host, self.database, self.method = host, database, method
        self.note = "no database is declared: no locks were watched"
        self.witness = "samples"
        """``uprobes`` or ``samples``: which method it is."""
        self._binary = pgbinary_path
        self._names: dict[int, str] = {}
        self._before: frozenset[int] = frozenset()
        self._oid = 0
        self._probes: LockProbes | None = None
        self._sampler: _Sampler | None = None
        self._end = 0.0

    def __enter__(self) -> LockTrace:
        if not self.database:
            return self
        self._oid = int(self._ask("SELECT oid FROM pg_database WHERE datname = current_database()"))
        self._names = self._relations("true")
        self._before = frozenset(self._relations("c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'pg_toast'"))
        refused = "the sampler was asked for"
        if self.method != "sampler":
            try:
                self._probes = self._start_probes()
                self.note = "locks: exact, by kernel probes on the server's lock functions"
                self.witness = "uprobes"
                return self
            except ProbesUnavailable as error:
                if self.method == "probes":
                    raise LockTraceFailed(f"no kernel probes: {error}") from error
                refused = str(error)
        self._sampler = _Sampler(self.host, self.database)
        if not self._sampler.start():
            self._sampler.stop(self._ask)
            raise LockTraceFailed(
                f"the locks of {self.database} on {self.host.name} cannot be watched",
                why=f"no kernel probes ({refused}), and no look at pg_locks came back within 5 s. {self._sampler.error}",
            )
        self.note = f"locks: sampled every {INTERVAL_S * 1e3:.0f} ms, shorter ones may be missed ({refused})"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end = time.monotonic()
        if self._probes is not None:
            self._probes.__exit__(kind, error, trace)
            if self._probes.lost:
                self.note += f"; the kernel's buffer lost {self._probes.lost} events, so locks may be missing"
        if self._sampler is not None:
            self._sampler.stop(self._ask)
            self.note += f"; {self._sampler.note()}"
        if self.database:
            with contextlib.suppress(LockTraceFailed):  # the server may be gone by now; names known before remain
                self._names = {**self._relations("true"), **self._names}

    def holds(self) -> list[LockHold]:
        """The locks, oldest first: all strong ones, and every wait of an ordinary query (its ``held`` is 0).

        Call it after the ``with`` block. ``backend`` is the process number (with probes: on this machine).
        """
        if self._probes is not None:
            found = intervals.from_events(self._probes.events, self._oid, self._end)
            epoch = time.time() - time.monotonic()
        else:
            found = intervals.from_samples(self._sampler.samples if self._sampler else [])
            epoch = 0.0
        found = [interval for interval in found if interval.relation >= FIRST_OF_USERS]
        return intervals.holds(found, self.name, self._before.__contains__, epoch)

    def name(self, relation: int) -> str:
        """A relation as ``schema.name``, as far as it is known."""
        return self._names.get(relation, f"relation {relation}")

    def _start_probes(self) -> LockProbes:
        if self.host.root is None:
            raise ProbesUnavailable("the host's tree cannot be seen from here")
        binary = self._binary or self._ask_shell(
            "for p in /proc/[0-9]*; do read -r c <$p/comm && [ $c = postgres ] && readlink $p/exe && exit; done 2>/dev/null"
        )
        if not binary.startswith("/") or "/../" in binary:
            raise ProbesUnavailable("the server's program was not found")
        namespace = self._ask_shell("readlink /proc/self/ns/pid")
        probes = LockProbes(_inside(self.host.root, binary), pids_of_namespace(namespace))
        return probes.__enter__()

    def _relations(self, condition: str) -> dict[int, str]:
        said = self._ask(
            "SELECT json_object_agg(c.oid, n.nspname || '.' || c.relname) FROM pg_class c "
            f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid >= {FIRST_OF_USERS} AND {condition}"
        )
        return msgspec.json.decode(said, type=dict[int, str], strict=False) if said else {}

    def _ask(self, sql: str) -> str:
        done = self.host.run(["psql", "-XqAt", "-d", self.database, "-c", sql], user="postgres", timeout_s=30)
        if not done.ok:
            raise LockTraceFailed(
                f"the database {self.database} on {self.host.name} does not answer",
                why=done.stderr.decode(errors="replace").strip()[-300:],
                fix="start PostgreSQL there, or correct [estate] database in release.toml",
            )
        return done.stdout.decode(errors="replace").strip()

    def _ask_shell(self, script: str) -> str:
        return self.host.run(["bash", "-c", script], timeout_s=30).stdout.decode(errors="replace").strip()


def _inside(root: Path, path: str) -> Path:
    """The file at an absolute path of a host, without leaving its tree through a link of the host's."""
    found = (root / path.lstrip("/")).resolve()
    if not found.is_relative_to(root.resolve()):
        raise ProbesUnavailable("the server's program is a link out of the host's tree")
    return found


class _Sampler:
    """One psql session that looks at ``pg_locks`` again and again; each look is a transaction of its own, so that it holds
    nothing up (a long one would make CREATE INDEX CONCURRENTLY wait for it)."""

    def __init__(self, host: Host, database: str) -> None:
        self.host = host
        self.name = f"fulldress-locks-{secrets.token_hex(6)}"
        self.argv = ["bash", "-c", _LOOP, "bash", self.name, _SAMPLE, str(INTERVAL_S), database]
        self.samples: list[intervals.Sample] = []
        self.looks = 0
        self.error = ""
        self._thread = threading.Thread(target=self._read, name="lock-sampler", daemon=True)

    def start(self) -> bool:
        """Begin, and wait until the first look came back (at most 5 s); False when none did."""
        self._thread.start()
        until = time.monotonic() + 5
        while not self.looks and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.01)
        return self.looks > 0

    def stop(self, ask: Callable[[str], str]) -> None:
        """End the session from the server's side; the loop ends with it."""
        with contextlib.suppress(LockTraceFailed):
            ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{self.name}'")
        self._thread.join(timeout=10)

    def note(self) -> str:
        """How often it really looked."""
        seconds = self.samples[-1].at - self.samples[0].at if self.looks > 1 else 0.0
        rate = f"{self.looks} looks, one every {seconds / self.looks * 1e3:.1f} ms" if seconds else "it never looked"
        return rate + (f"; it ended early: {self.error}" if self.error else "")

    def _read(self) -> None:
        rest = b""
        try:
            for chunk in self.host.stream(self.argv, user="postgres"):
                *lines, rest = (rest + chunk).split(b"\n")
                for sample in _samples(lines):
                    self.looks += not self.samples or self.samples[-1].at != sample.at
                    self.samples.append(sample)
        except FulldressError as error:
            self.error = error.what


def _samples(lines: list[bytes]) -> Iterator[intervals.Sample]:
    for line in lines:
        if line.startswith(b"["):
            with contextlib.suppress(msgspec.MsgspecError):
                yield msgspec.json.decode(line, type=intervals.Sample)
