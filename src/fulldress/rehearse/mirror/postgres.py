"""A running PostgreSQL cluster into the mirror: asks it what it offers, takes the first way that works, says which.

1. a btrfs snapshot of its data directory: whole at one moment, as after a power cut
2. a base backup streamed by ``pg_basebackup``
3. the backup API (``pg_backup_start``) with rsync: where replication connections are refused, or tablespaces are in use

A plain copy of a running data directory is never one of them. Reads production; only a snapshot is ever made there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from fulldress.errors import StepFailed
from fulldress.model.release import Mirroring
from fulldress.ports import Host, Progress
from fulldress.rehearse.mirror import backupapi, snapshot
from fulldress.rehearse.mirror.datadir import Places, safe_parent
from fulldress.rehearse.mirror.files import Source
from fulldress.rehearse.mirror.nouns import Cluster, MirrorFailed

ATTEMPTS = 3
_ASK = """select json_build_object('number', current_setting('server_version_num')::int,
 'wal_level', current_setting('wal_level'),
 'segment', (select setting::bigint from pg_settings where name = 'wal_segment_size'),
 'size', (select coalesce(sum(pg_database_size(oid)), 0)::bigint from pg_database where datallowconn),
 'tablespaces', (select coalesce(json_agg(pg_tablespace_location(oid)), '[]'::json) from pg_tablespace
                 where spcname not in ('pg_default', 'pg_global')))"""


class Answer(msgspec.Struct, frozen=True):
    """What a cluster says of itself."""

    number: int
    wal_level: str
    segment: int
    """Bytes of a WAL file."""
    size: int
    tablespaces: tuple[str, ...]


class Way(NamedTuple):
    """How one cluster will be copied."""

    cluster: Cluster
    answer: Answer
    places: Places
    kind: str
    """``snapshot``, ``base-backup``, ``backup-api``."""
    why: str
    """In words, for the report."""
    subvolume: str = ""


def choose(host: Host, cluster: Cluster, wanted: str = "auto") -> Way:
    """Ask the cluster and take a way; raises MirrorFailed when it cannot be asked, or no way is open, with all reasons."""
    answer = _asked(host, cluster)
    folders = tuple(place for place in answer.tablespaces if place.startswith("/"))
    places = Places(cluster.data, folders, _wal(host, cluster))
    closed: list[str] = []
    offers: dict[str, Callable[[], str]] = {
        "snapshot": lambda: snapshot.refused(host, (cluster.data, *folders, places.wal)),
        "base-backup": lambda: _no_base_backup(host, cluster, folders),
        "backup-api": lambda: _no_backup_api(answer),
    }
    for kind, refused in offers.items():
        if wanted not in ("auto", kind):
            continue
        reason = refused()
        if reason:
            closed.append(f"no {WORDS[kind]}: {reason}")
            continue
        top = snapshot.subvolume(host, (cluster.data,)) if kind == "snapshot" else ""
        notable = [line for line in closed if not line.endswith(snapshot.NOT_BTRFS)]  # most are not: not worth a word
        why = WORDS[kind] + (f" ({'; '.join(notable)})" if notable else "")
        return Way(cluster, answer, places, kind, why, top)
    raise MirrorFailed(
        f"there is no way to copy the running cluster {cluster.title} of {host.name} consistently",
        why="; ".join(closed),
        fix="allow local replication connections in pg_hba.conf and set max_wal_senders, or stop it while it is copied",
    )


WORDS = {"snapshot": "btrfs snapshot", "base-backup": "base backup", "backup-api": "backup API and rsync"}


def copy(host: Host, way: Way, src: Source, tree: Path, progress: Progress | None, declared: Mirroring) -> int:
    """Bring the cluster's data into the tree; returns the bytes that were moved. Raises MirrorFailed."""
    if way.kind == "base-backup":
        return _base_backups(host, way.cluster, tree, progress, declared.bandwidth)
    if way.kind == "snapshot":
        return snapshot.copy(host, way.places, way.subvolume, src, tree, progress)
    return backupapi.copy(host, way.cluster, way.places, src, tree, progress, (way.answer.number, way.answer.segment))


def psql(cluster: Cluster, *more: str, database: str = "postgres") -> list[str]:
    """The client's command line, for the cluster's owner."""
    socket = ["-h", cluster.socket] if cluster.socket else []
    return [
        cluster.program("psql"),
        "-XAtqw",
        "-v",
        "ON_ERROR_STOP=1",
        *socket,
        "-p",
        str(cluster.port),
        "-d",
        database,
        *more,
    ]


def _asked(host: Host, cluster: Cluster) -> Answer:
    done = host.run(psql(cluster, "-c", _ASK), user=cluster.owner)
    if not done.ok:
        raise MirrorFailed(
            f"the running cluster {cluster.title} of {host.name} cannot be asked",
            why=done.stderr.decode(errors="replace").strip()[-800:],
            fix=f"let the system's user {cluster.owner} log in to it over its socket (pg_hba.conf: local, peer)",
        )
    return msgspec.json.decode(done.stdout, type=Answer)


def _wal(host: Host, cluster: Cluster) -> str:
    """Where its WAL really lies."""
    for name in ("pg_wal", "pg_xlog"):
        done = host.run(["readlink", "-e", f"{cluster.data}/{name}"], user="root")
        if done.ok:
            return done.stdout.decode().strip()
    raise MirrorFailed(f"the WAL of {cluster.title} of {host.name} was not found in {cluster.data}")


def _no_base_backup(host: Host, cluster: Cluster, tablespaces: Sequence[str]) -> str:
    """Why a base backup cannot be streamed; nothing when it can."""
    if tablespaces:
        return f"pg_basebackup streams no more than one tablespace, it has {len(tablespaces) + 1}"
    asked = host.run(psql(cluster, "-c", "IDENTIFY_SYSTEM", database="replication=true"), user=cluster.owner)
    if not asked.ok:
        return "replication connections are refused: " + " ".join(asked.stderr.decode(errors="replace").split())[-300:]
    if not host.run([cluster.program("pg_basebackup"), "--version"], user=cluster.owner).ok:
        return "pg_basebackup is not installed there"
    return ""


def _no_backup_api(answer: Answer) -> str:
    if answer.wal_level == "minimal":
        return "wal_level is minimal"
    return "" if answer.number >= 100000 else "PostgreSQL is older than 10"


def _base_backups(host: Host, cluster: Cluster, tree: Path, progress: Progress | None, bandwidth: int) -> int:
    """A base backup streamed into place while the cluster serves; it recovers from its own WAL. Returns bytes.

    The WAL comes with the backup and no replication slot is made: one that was left behind would fill production's disk.
    On a busy server the WAL may be recycled before it was fetched; then the backup fails and is taken once more.
    """
    target = tree / cluster.data.lstrip("/")
    safe_parent(tree, target)
    fresh = target.with_name(f".{target.name}.fulldress-new")
    try:
        for attempt in range(ATTEMPTS):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            try:
                size = _base_backup(host, cluster, fresh, progress, bandwidth)
                break
            except StepFailed as error:
                if attempt == ATTEMPTS - 1:
                    raise MirrorFailed(
                        f"no base backup of {cluster.title}", why=f"{error.what}: {error.why}", fix="run the command again"
                    ) from error
        os.chown(fresh, *_owner(host, cluster))
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return size


def _base_backup(host: Host, cluster: Cluster, fresh: Path, progress: Progress | None, bandwidth: int) -> int:
    """Unpack a base backup as it comes; owners are kept by number. Returns its size in bytes."""
    argv = [cluster.program("pg_basebackup"), "-D", "-", "-F", "tar", "-X", "fetch", "-c", "fast", "--no-password"]
    argv += ["-p", str(cluster.port), *(["-h", cluster.socket] if cluster.socket else [])]
    argv += [f"--max-rate={min(max(bandwidth, 32), 1 << 20)}"] if bandwidth else []
    unpack = ["tar", "--extract", "--preserve-permissions", "--numeric-owner", "--file=-", f"--directory={fresh}"]
    size = 0
    with subprocess.Popen(unpack, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as tar:
        assert tar.stdin is not None and tar.stderr is not None, "asked for pipes"
        try:
            for chunk in host.stream(argv, user=cluster.owner):
                tar.stdin.write(chunk)
                size += len(chunk)
                if progress is not None:
                    progress.advance(len(chunk))
            tar.stdin.close()
        except BrokenPipeError:
            pass  # tar says why
        said = tar.stderr.read().decode(errors="replace")
    if tar.returncode != 0 or not (fresh / "backup_label").is_file():
        raise MirrorFailed(f"the base backup of {cluster.title} is incomplete", why=said.strip()[-1000:])
    return size


def _owner(host: Host, cluster: Cluster) -> tuple[int, int]:
    """Numeric owner and group of the data directory on the host."""
    asked = host.run(["stat", "-c", "%u %g", cluster.data], user="root")
    if not asked.ok:
        raise MirrorFailed(f"{cluster.data} of {host.name} cannot be read", why=asked.stderr.decode(errors="replace"))
    uid, gid = asked.stdout.split()
    return int(uid), int(gid)
