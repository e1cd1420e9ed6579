"""The database server's own word on locks: its log of waits, and an event trigger that notes each schema change in it.

Never on production: settings and a trigger are put into the server for the time of the ``with`` block and taken out again.
What production had set by ALTER SYSTEM itself comes back, and what a plan set meanwhile stays. What cannot be had
(no superuser, a log that is no file) is said in :attr:`ServerLog.note`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

import msgspec

from fulldress.formats.pglog import MARK, PREFIX, LoggedDdl, LoggedWait, read_log
from fulldress.ports import Host

SCHEMA = "fulldress_rehearsal"
SHORTEST_WAIT_MS = 10
"""``deadlock_timeout`` on the clone: a wait of this length is logged."""
MOST_BYTES = 64 << 20
_SETTINGS = {
    "log_lock_waits": "on",
    "deadlock_timeout": f"{SHORTEST_WAIT_MS}ms",
    "log_line_prefix": PREFIX,
    "lc_messages": "C",
}
_STRONG = "'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'"
_TRIGGER = f"""
SET client_min_messages = warning;
CREATE SCHEMA {SCHEMA};
CREATE FUNCTION {SCHEMA}.tell() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $tell$
BEGIN
  RAISE LOG '{MARK}%', (SELECT json_build_array(extract(epoch FROM statement_timestamp()), tg_tag,
    coalesce(json_agg(json_build_array(l.relation::bigint, l.mode)) FILTER (WHERE l.relation IS NOT NULL), '[]'),
    left(current_query(), 300))
    FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384
    AND l.mode IN ({_STRONG}));
END $tell$;
CREATE EVENT TRIGGER {SCHEMA} ON ddl_command_end EXECUTE FUNCTION {SCHEMA}.tell();
"""
_OWN = """
SELECT coalesce(json_object_agg(name, coalesce(setting, '') ORDER BY seqno), '{}') FROM pg_file_settings
WHERE sourcefile = current_setting('data_directory') || '/postgresql.auto.conf'
"""
"""What ALTER SYSTEM has set so far; of a name that stands there twice the last one counts, as for the server."""
_GONE = f"DROP EVENT TRIGGER IF EXISTS {SCHEMA}; DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"
_WHERE = """
data=$(psql -XqAt -d postgres -c 'SHOW data_directory')
current=$(psql -XqAt -d postgres -c 'SELECT pg_current_logfile()')
if [ -n "$current" ]; then case $current in /*) ;; *) current=$data/$current ;; esac
else read -r pid <"$data/postmaster.pid" && current=$(readlink "/proc/$pid/fd/2"); fi
[ -f "$current" ] && stat -c '%s %n' "$current"
"""


class ServerLog:
    """``with ServerLog(host, "db") as log: …`` and then ``log.waits`` and ``log.changes``."""

    def __init__(self, host: Host, database: str) -> None:
        self.host, self.database = host, database
        self.note = "no database is declared: no server log was read"
        self.waits: list[LoggedWait] = []
        self.changes: list[LoggedDdl] = []
        self.oid = 0
        self._path, self._from = "", 0
        self._before: Mapping[str, str] = {}

    def __enter__(self) -> ServerLog:
        if not self.database:
            return self
        self.oid = int(self._psql("SELECT oid FROM pg_database WHERE datname = current_database()") or 0)
        own = self._own() if self.oid else None
        if own is None:
            self.oid = 0
            self.note = "the server log was not read: the server does not say what is set in it"
            return self
        self._before = own
        if not self._set(_SETTINGS):
            self.note = "the server log was not read: the server's settings cannot be changed on the clone"
            return self
        where = self.host.run(["bash", "-c", _WHERE], user="postgres", timeout_s=30).stdout.decode(errors="replace").split()
        if len(where) != 2:
            self.note = "the server log was not read: it is no file"
            return self
        self._from, self._path = int(where[0]), where[1]
        self.note = f"server log: waits over {SHORTEST_WAIT_MS} ms"
        if self._psql(_TRIGGER) is not None:
            self.note += " and every schema change"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self.oid:
            return
        if self._path:
            script = 'tail -c "+$(($2 + 1))" "$1" | head -c "$3"'
            told = self.host.run(["bash", "-c", script, "log", self._path, str(self._from), str(MOST_BYTES)], timeout_s=60)
            waits, self.changes = read_log(told.stdout.decode(errors="replace"))
            self.waits = [wait for wait in waits if wait.database == self.oid]
            if not told.ok or len(told.stdout) >= MOST_BYTES:
                self.note += "; not to its end"
        self._psql(_GONE)
        self._put_back()

    def _put_back(self) -> None:
        """What was set before; a setting that is not ours any more was set by the plan, and stays."""
        now = self._own()
        ours = [name for name, value in _SETTINGS.items() if now is None or now.get(name) == value]
        if now is None or not self._set({name: self._before.get(name) for name in ours}):
            self.note += "; its settings could not be put back"

    def _own(self) -> dict[str, str] | None:
        """What ALTER SYSTEM has set; None when the server does not say."""
        told = self._psql(_OWN)
        return msgspec.json.decode(told, type=dict[str, str]) if told else None

    def _set(self, wanted: Mapping[str, str | None]) -> bool:
        """Set and reload; None is a setting that ALTER SYSTEM has not set."""
        lines = ["SET standard_conforming_strings = on"]
        for name, value in wanted.items():
            lines.append(f"ALTER SYSTEM RESET {name}" if value is None else f"ALTER SYSTEM SET {name} = {_literal(value)}")
        return self._psql("; ".join([*lines, "SELECT pg_reload_conf()"]), apart=True) is not None

    def _psql(self, sql: str, *, apart: bool = False) -> str | None:
        """What it printed, or None when it failed. ``apart``: each statement in a transaction of its own."""
        argv = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.database]
        done = (
            self.host.run(argv, stdin=sql.encode(), user="postgres", timeout_s=30)
            if apart
            else self.host.run([*argv, "-1", "-c", sql], user="postgres", timeout_s=30)
        )
        return done.stdout.decode(errors="replace").strip() if done.ok else None


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
