"""The database servers of a host: those that run (found by their processes, whatever installed them), those that do not.

A data directory that nobody found would be copied as ordinary files while it is written to, and such a copy is no database.
Asks the host; copies nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from fulldress.ports import Host
from fulldress.rehearse.mirror.nouns import Cluster, MirrorFailed

_RUNNING = r"""
root=$(stat -Lc %d:%i /)
ls -l /proc/[0-9]*/exe 2>/dev/null |
sed -n -E 's#.* /proc/([0-9]+)/exe -> (.*/(postgres|postmaster|mysqld|mariadbd))( \(deleted\))?$#\1 \2#p' |
while read -r pid exe; do
  where=elsewhere; [ "$(stat -Lc %d:%i /proc/$pid/root/.)" = "$root" ] && where=here
  parent=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$pid/status 2>/dev/null)
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$pid" "$parent" "$exe" "$where" \
    "$(stat -c %U /proc/$pid 2>/dev/null)" "$(readlink /proc/$pid/cwd 2>/dev/null)"
done; exit 0
"""
"""pid, parent, program, here or in a container, owner, working directory: a server's is its data directory."""
_REAL = 'for place; do readlink -f -- "$place" || printf "%s\\n" "$place"; done'


class Process(NamedTuple):
    """A database server's first process."""

    pid: int
    program: str
    here: bool
    """False in a container: its paths are not the host's."""
    owner: str
    data: str

    @property
    def postgres(self) -> bool:
        """PostgreSQL; else MySQL or MariaDB."""
        return self.program.rsplit("/", 1)[-1] in ("postgres", "postmaster")


class Servers(NamedTuple):
    """All of a host."""

    clusters: tuple[Cluster, ...]
    """PostgreSQL, also those that do not run."""
    mysql: tuple[Process, ...]
    elsewhere: tuple[Process, ...]
    """In containers."""


class _Listed(msgspec.Struct):
    version: str | int
    cluster: str
    port: str | int
    pgdata: str
    owneruid: int = 0
    running: int = 0
    socketdir: str = ""


def find(host: Host) -> Servers:
    """The database servers of a host; raises MirrorFailed when its processes cannot be seen."""
    asked = host.run(["sh", "-c", _RUNNING], user="root")
    if not asked.ok:
        why = asked.stderr.decode(errors="replace").strip()[-500:]
        raise MirrorFailed(
            f"the processes of {host.name} cannot be seen", why=why, fix="log in as root, or allow `sudo -n` for the login"
        )
    found = processes(asked.stdout.decode(errors="surrogateescape"))
    listed = _listed(host)
    running = [_running(host, p, listed) for p in found if p.postgres and p.here]
    known = {cluster.data for cluster in running}
    stopped = [cluster for data, cluster in listed.items() if data not in known]
    return Servers(
        (*running, *stopped),
        tuple(p for p in found if p.here and not p.postgres),
        tuple(p for p in found if not p.here),
    )


def processes(text: str) -> list[Process]:
    """The servers of the script's answer: of PostgreSQL's many processes the first."""
    rows = [row for row in (line.split("\t") for line in text.splitlines()) if len(row) == 6 and row[5]]
    pids = {row[0] for row in rows}
    return [Process(int(r[0]), r[2], r[3] == "here", r[4], r[5]) for r in rows if r[1] not in pids]


def _running(host: Host, process: Process, listed: dict[str, Cluster]) -> Cluster:
    """What a running cluster says of itself in its data directory; its name as Debian knows it."""
    noted = host.run(["cat", f"{process.data}/PG_VERSION", f"{process.data}/postmaster.pid"], user=process.owner)
    lines = noted.stdout.decode(errors="replace").splitlines()
    if not noted.ok or len(lines) < 6:
        raise MirrorFailed(
            f"the data directory {process.data} of {host.name} cannot be read",
            why=noted.stderr.decode(errors="replace").strip()[-500:],
            fix="log in as root, or allow `sudo -n` for the login",
        )
    debian = listed.get(process.data)
    return Cluster(
        version=debian.version if debian else lines[0].strip(),
        name=debian.name if debian else process.data.rstrip("/").rsplit("/", 1)[-1],
        port=int(lines[4]),
        online=True,
        owner=process.owner,
        data=process.data,
        socket=lines[5].split(",")[0].strip(),
        programs=process.program.rsplit("/", 1)[0],
    )


def _listed(host: Host) -> dict[str, Cluster]:
    """Debian's list of clusters: real path of the data directory -> cluster; empty where there is no such list."""
    asked = host.run(["pg_lsclusters", "--json"])
    if asked.code == 127:
        return {}
    rows = msgspec.json.decode(asked.stdout, type=list[_Listed]) if asked.ok and asked.stdout.strip() else None
    if rows is None:
        raise MirrorFailed(
            f"the PostgreSQL clusters of {host.name} could not be listed", why=asked.stderr.decode(errors="replace")
        )
    real = host.run(["sh", "-c", _REAL, "sh", *(row.pgdata for row in rows)], user="root")
    paths = real.stdout.decode().splitlines() if real.ok else []
    if len(paths) != len(rows):
        paths = [row.pgdata for row in rows]
    return {
        path: Cluster(
            version=str(row.version),
            name=row.cluster,
            port=int(row.port),
            online=bool(row.running),
            owner=_owner(host, row.owneruid),
            data=path,
            socket=row.socketdir,
            programs=f"/usr/lib/postgresql/{row.version}/bin",
        )
        for path, row in zip(paths, rows, strict=True)
    }


def _owner(host: Host, uid: int) -> str:
    asked = host.run(["id", "-nu", str(uid)])
    name = asked.stdout.decode().strip()
    return name if asked.ok and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?", name) else "postgres"
