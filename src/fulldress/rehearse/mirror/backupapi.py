"""A running cluster's data by PostgreSQL's backup API: one session holds the backup open while rsync copies the files.

The session is one command on the host that ends by itself when we are gone: the server then gives the backup up. A temporary
replication slot keeps the WAL that the copy needs; the server drops it with the session. Nothing is written on the host.
"""

from __future__ import annotations

import base64
import contextlib
import os
import queue
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from fulldress.errors import FulldressError
from fulldress.ports import Host, Progress
from fulldress.rehearse.mirror.datadir import NOT_OURS, Places, pull
from fulldress.rehearse.mirror.files import Source, folder_in, run
from fulldress.rehearse.mirror.nouns import Cluster, MirrorFailed

BEGIN_S = 900.0
"""A checkpoint comes first; on a busy server it takes its time."""
LIVE = ("/pg_dynshmem/**", "/pg_notify/**", "/pg_serial/**", "/pg_snapshots/**", "/pg_subtrans/**", "/pg_wal")
FIRST_LAST = ("/backup_label", "/tablespace_map", "/global/pg_control")
# $1: SQL that begins, $2: SQL that ends, the rest: the client's command line. The beat is how it notices that we are gone.
_SESSION = r"""
begin=$1 end=$2; shift 2
trap 'go=1' USR1
coproc PG { exec "$@" 2>&1; }
psql=$PG_PID to=${PG[1]}
until_line() {
  while IFS= read -r line <&"${PG[0]}"; do [ "$line" = "$1" ] && return 0; printf 'said %s\n' "$line"; done
  return 1
}
hold() {
  go=
  while [ -z "$go" ]; do
    sleep 0.3 & wait $!
    printf 'beat\n' || exit 1
    kill -0 "$psql" 2>/dev/null || exit 1
  done
}
printf "%s\nselect 'fulldress-begun';\n" "$begin" >&"$to"
until_line fulldress-begun || exit 1
printf 'begun %d\n' $$ || exit 1
hold
printf "%s\nselect 'fulldress-ended';\n" "$end" >&"$to"
until_line fulldress-ended || exit 1
echo ended
hold # the slot must live until its WAL is copied
"""
_BEGIN = r"""\set ON_ERROR_STOP off
set statement_timeout = 0; set lock_timeout = 0; set idle_session_timeout = 0;
set application_name = 'fulldress mirror';
select 'slot=' || slot_name from pg_create_physical_replication_slot('fulldress_mirror_' || pg_backend_pid(), true, true);
\set ON_ERROR_STOP on
select 'begin=' || {start}('fulldress mirror', true{more});"""
_END = r"""select 'lsn=' || lsn || ' label=' || translate(encode(convert_to(labelfile, 'UTF8'), 'base64'), E'\n', '')
 || ' map=' || translate(encode(convert_to(coalesce(spcmapfile, ''), 'UTF8'), 'base64'), E'\n', '')
 from {stop};"""
_ENDED = re.compile(r"lsn=([0-9A-F]+/[0-9A-F]+) label=(\S*) map=(\S*)")


class Ended(NamedTuple):
    """What the server says when the backup is ended."""

    lsn: str
    label: bytes
    tablespaces: bytes


class Session:
    """A backup that is held open; a context manager that gives it up unless ``end`` was called."""

    def __init__(self, host: Host, cluster: Cluster, client: Sequence[str], number: int) -> None:
        self._host, self._cluster = host, cluster
        new = number >= 150000
        begin = _BEGIN.format(start="pg_backup_start" if new else "pg_start_backup", more="" if new else ", false")
        end = _END.format(stop="pg_backup_stop(false)" if new else "pg_stop_backup(false, false)")
        self._argv = ["bash", "-c", _SESSION, "fulldress-backup", begin, end, *client]
        self._lines: queue.Queue[str | FulldressError | None] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, name="backup", daemon=True)
        self._pid = ""
        self._said: list[str] = []
        self._over = False

    def __enter__(self) -> Session:
        self._thread.start()
        with contextlib.ExitStack() as undo:
            undo.callback(self._give_up)
            self._pid = self._await("begun ", BEGIN_S)
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._give_up()

    def end(self) -> Ended:
        """End the backup; raises MirrorFailed when the server had given it up."""
        self._signal("USR1")
        self._await("ended", 300.0)
        for line in self._said:
            if found := _ENDED.search(line):
                return Ended(found[1], base64.b64decode(found[2]), base64.b64decode(found[3]))
        raise self._failed("the server did not say how the backup ended")

    @property
    def slot(self) -> bool:
        """The server keeps the WAL for us while this lasts."""
        return any(line.startswith("slot=") for line in self._said)

    def _listen(self) -> None:
        rest = b""
        try:
            for chunk in self._host.stream(self._argv, user=self._cluster.owner):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._lines.put(line.decode(errors="replace"))
            self._lines.put(None)
        except FulldressError as error:
            self._lines.put(error)

    def _await(self, mark: str, seconds: float) -> str:
        """What follows ``mark`` in the session's own lines."""
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise self._failed(f"nothing came within {seconds:.0f} s") from None
            if line is None or isinstance(line, FulldressError):
                self._over = True
                raise self._failed("" if line is None else f"{line.what} {line.why}")
            if line.startswith("said "):
                self._said.append(line[5:])
            elif line.startswith(mark):
                return line[len(mark) :]

    def _failed(self, why: str) -> MirrorFailed:
        said = "; ".join(line for line in self._said if not _ENDED.search(line))
        return MirrorFailed(
            f"the backup of {self._cluster.title} of {self._host.name} was not held open",
            why=f"{why} {said}".strip()[-1000:],
            fix="run the command again",
        )

    def _signal(self, name: str) -> None:
        self._host.run(["kill", f"-{name}", self._pid], user=self._cluster.owner)

    def _give_up(self) -> None:
        if self._thread.is_alive() and self._pid and not self._over:
            with contextlib.suppress(FulldressError):  # the connection itself may be what broke; then the beat ends it
                self._signal("TERM")
        self._thread.join(timeout=10)


def copy(
    host: Host,
    cluster: Cluster,
    places: Places,
    src: Source,
    tree: Path,
    progress: Progress | None,
    version: tuple[int, int],
) -> int:
    """Hold the backup open, copy what differs, then the WAL between begin and end. Returns bytes moved.

    ``version`` is the server's version number and the bytes of one WAL file.
    """
    number, segment = version
    socket = ["-h", cluster.socket] if cluster.socket else []
    client = [cluster.program("psql"), "-XAtqw", *socket, "-p", str(cluster.port), "-d", "postgres"]
    with Session(host, cluster, client, number) as session:
        moved = 0
        for place in (places.data, *places.tablespaces):
            excluded = (*NOT_OURS, *LIVE, *FIRST_LAST) if place == places.data else NOT_OURS
            moved += pull(src, place, tree, excluded=excluded, progress=progress)
        moved += _control(places, src, tree)  # last: a standby's must not be older than any page
        ended = session.end()
        return moved + _finish(cluster, places, src, tree, ended, segment)


def _control(places: Places, src: Source, tree: Path) -> int:
    target = folder_in(tree, f"{places.data}/global")
    return run(
        ["rsync", "-aAX", "--stats", "-s", "--ignore-times"], src, f"{places.data}/global/pg_control", target, None
    ).literal


def _finish(cluster: Cluster, places: Places, src: Source, tree: Path, ended: Ended, segment: int) -> int:
    """The WAL that makes the copy consistent, and the label that says where it begins; all of it, or MirrorFailed."""
    data = folder_in(tree, places.data)
    owner = data.stat()
    wal = data / "pg_wal"
    shutil.rmtree(wal, ignore_errors=True) if not wal.is_symlink() else wal.unlink()
    for folder in (wal, wal / "archive_status"):
        folder.mkdir(mode=0o700)
        os.chown(folder, owner.st_uid, owner.st_gid)
    names = segments(ended.label.decode(errors="replace"), ended.lsn, segment)
    with tempfile.NamedTemporaryFile("w") as listed:
        listed.write("".join(f"{name}\n" for name in names))
        listed.flush()
        argv = ["rsync", "-aAX", "--stats", "-s", f"--files-from={listed.name}", "--ignore-missing-args"]
        moved = run(argv, src, f"{places.wal}/", wal, None).literal
    if missing := [name for name in names if not (wal / name).is_file()]:
        raise MirrorFailed(
            f"the WAL of {cluster.title} was recycled before it was copied: {missing[0]}",
            why=f"{len(missing)} of {len(names)} files are gone, and without them the copy is no database",
            fix="raise wal_keep_size on the host, or allow a replication slot (max_replication_slots)",
        )
    for name, content in (("backup_label", ended.label), ("tablespace_map", ended.tablespaces)):
        if content:
            (data / name).write_bytes(content)
            (data / name).chmod(0o600)
            os.chown(data / name, owner.st_uid, owner.st_gid)
    return moved


def segments(label: str, stop: str, size: int) -> list[str]:
    """Names of the WAL files from the backup's begin to its end; ``stop`` is an LSN, ``size`` the bytes of a file."""
    start = re.search(r"START WAL LOCATION: ([0-9A-F]+)/([0-9A-F]+) \(file ([0-9A-F]{24})\)", label)
    if start is None:
        raise MirrorFailed("the backup's label does not say where its WAL begins", why=label[:300])
    high, low = stop.split("/")
    first = ((int(start[1], 16) << 32) + int(start[2], 16)) // size
    last = ((int(high, 16) << 32) + int(low, 16) - 1) // size
    a_log = (1 << 32) // size
    return [f"{start[3][:8]}{number // a_log:08X}{number % a_log:08X}" for number in range(first, last + 1)]
