"""Personal data taken out of a mirror by SQL that a person declared, before anything else may use the mirror.

The mirror's own PostgreSQL is started on the mirror's data, without network and without a door but our socket. After the
SQL: what it touched is rewritten, so that no old row version is left in a table or an index; statistics and materialized
views are made anew; old WAL is thrown away; then every check must return no row. A mask that fails leaves no usable mirror.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fulldress.errors import FulldressError
from fulldress.model.release import MaskRule
from fulldress.ports import Progress
from fulldress.rehearse.mirror.inside import SHARED, Inside
from fulldress.rehearse.mirror.nouns import AppliedMask, Cluster
from fulldress.store.codec import digest

START_S = 600.0
"""The copy recovers first."""
SHOWN = 5
QUIET = (
    *("listen_addresses=", f"unix_socket_directories={SHARED}", f"external_pid_file={SHARED}/pid", "port=5432", "ssl=off"),
    *(
        "archive_mode=off",
        "autovacuum=off",
        "fsync=off",
        "logging_collector=off",
        "log_destination=stderr",
        "restart_after_crash=off",
    ),
    *(f"hba_file={SHARED}/hba", f"ident_file={SHARED}/ident", "cron.launch_active_jobs=off", "log_statement=none"),
    *("max_wal_senders=0", "max_logical_replication_workers=0", "default_transaction_read_only=off"),
)
"""Over whatever the cluster's own configuration says."""
_OLD = """\\set ON_ERROR_STOP on
select format('refresh materialized view %s', c.oid::regclass) from pg_class c
 where c.relkind = 'm' and c.relispopulated order by c.oid \\gexec
select format('vacuum (full, analyze) %s', s.relid::regclass) from pg_stat_all_tables s join pg_class c on c.oid = s.relid
 where n_tup_ins + n_tup_upd + n_tup_del > 0 and c.relkind = 'r' and (schemaname not in ('pg_catalog', 'pg_toast')
 or s.relname = 'pg_largeobject') order by s.relid \\gexec
vacuum full pg_statistic;
vacuum full pg_statistic_ext_data;
checkpoint;
"""


class MaskFailed(FulldressError):
    """Personal data could not be taken out of the mirror, or a check still found some. The mirror is not usable.

    Correct the SQL under ``[[mirror.mask]]`` in ``release.toml`` and refresh the mirror.
    """

    slug = "mask-failed"


class Server(NamedTuple):
    """A cluster of a mirror that is served to nobody but us."""

    cluster: Cluster
    inside: Inside
    uid: int
    gid: int

    def ask(self, database: str, sql: str) -> str:
        """What the SQL prints; raises MaskFailed."""
        argv = [self.cluster.program("psql"), "-XAtqw", "-v", "ON_ERROR_STOP=1", "-h", SHARED, "-p", "5432"]
        argv += ["-U", self.cluster.owner, "-d", database]
        done = self.inside.run(argv, self.uid, self.gid, stdin=sql.encode(), timeout_s=6 * 3600)
        if not done.ok:
            raise MaskFailed(f"SQL failed in {database}", why=done.stderr.decode(errors="replace").strip()[-800:])
        return done.stdout.decode(errors="replace")


def declared(rule: MaskRule) -> str:
    """The digest of a rule as it was declared, its file's content included."""
    return digest([rule.database, rule.cluster, rule.sql, rule.check])


def apply(
    tree: Path, clusters: Sequence[Cluster], rules: Sequence[MaskRule], progress: Progress | None
) -> tuple[AppliedMask, ...]:
    """Mask the databases of a mirror's tree; all rules hold afterwards, or MaskFailed is raised."""
    left = list(rules)
    applied: list[AppliedMask] = []
    for cluster in clusters:
        mine = [rule for rule in left if rule.cluster in ("", cluster.title)]
        if mine and (tree / cluster.data.lstrip("/") / "PG_VERSION").is_file():
            done = _mask(tree, cluster, mine, progress)
            left = [rule for rule in left if rule not in done]
            applied += [AppliedMask(title=r.title, database=r.database, digest=declared(r)) for r in done]
    if left:
        named = ", ".join(f"{rule.database} ({rule.title})" for rule in left)
        raise MaskFailed(
            f"declared for masking, but not in the mirror: {named}", fix="correct database= under [[mirror.mask]]"
        )
    return tuple(applied)


def _mask(tree: Path, cluster: Cluster, rules: Sequence[MaskRule], progress: Progress | None) -> list[MaskRule]:
    """The rules whose database is in this cluster are applied; returns them."""
    with serving(tree, cluster) as server:
        there = server.ask("postgres", "select datname from pg_database where datallowconn").splitlines()
        mine = [rule for rule in rules if rule.database in there]
        for database in sorted({rule.database for rule in mine}):
            if progress is not None:
                progress.note(f"masking {database} of {cluster.title}")
            _one(server, database, [rule for rule in mine if rule.database == database])
    if mine:
        _forget_wal(tree, cluster)
    return mine


def _one(server: Server, database: str, rules: Sequence[MaskRule]) -> None:
    # a copy keeps the counters of a server that was stopped in order
    server.ask(database, "select pg_stat_reset()")
    for rule in rules:
        try:
            # triggers would write the old rows into audit tables, and events into outboxes
            server.ask(database, f"set session_replication_role = replica;\nset statement_timeout = 0;\n{rule.sql}\n;\n")
        except MaskFailed as error:
            raise MaskFailed(f"masking failed: {rule.title} ({database})", why=error.why) from error
    _counted(server, database)
    server.ask(database, _OLD)
    for rule in rules:
        rows = server.ask(database, rule.check).splitlines()
        if rows:
            raise MaskFailed(
                f"not masked: {rule.title} ({database})",
                why=f"its check returned {len(rows)} rows, and must return none",
                fix="correct its sql, or its check: a query for what must not be there any more",
            )


def _counted(server: Server, database: str) -> None:
    """Until PostgreSQL's statistics have heard of what was changed: up to 14 they travel to another process."""
    before = -1
    for _ in range(12):
        sql = "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) from pg_stat_user_tables"
        now = int(server.ask(database, sql).strip() or 0)
        if now == before and now > 0:
            return
        before = now
        time.sleep(0.1)


@contextlib.contextmanager
def serving(tree: Path, cluster: Cluster) -> Iterator[Server]:
    """The mirror's own PostgreSQL on the mirror's data; stopped in order at the end."""
    data = tree / cluster.data.lstrip("/")
    owner = data.stat()
    if (data / "standby.signal").exists() or (data / "recovery.conf").exists():
        raise MaskFailed(f"{cluster.title} is a standby: its copy cannot be written", fix="mirror the primary")
    shared = Path(tempfile.mkdtemp(prefix=".masking-", dir=tree.parent))
    try:
        (shared / "hba").write_text("local all all trust\n")
        (shared / "ident").write_text("")
        for path in (shared, shared / "hba", shared / "ident"):
            os.chown(path, owner.st_uid, owner.st_gid)
        server = Server(cluster, Inside(tree, shared), owner.st_uid, owner.st_gid)
        with (tree.parent / "masking.log").open("w+b") as log:
            with server.inside.running(_argv(tree, cluster), owner.st_uid, owner.st_gid, log) as child:
                _await(server, child, log.name)
                yield server
            if child.returncode != 0:
                raise MaskFailed(f"{cluster.title} of the mirror did not stop in order", why=_tail(log.name))
        Path(log.name).unlink()  # it may quote rows
    finally:
        (tree.parent / "masking.log").unlink(missing_ok=True)
        shutil.rmtree(shared, ignore_errors=True)


def _argv(tree: Path, cluster: Cluster) -> list[str]:
    debian = f"/etc/postgresql/{cluster.version}/{cluster.name}/postgresql.conf"
    config = debian if (tree / debian.lstrip("/")).is_file() else f"{cluster.data}/postgresql.conf"
    own = (f"config_file={config}", f"data_directory={cluster.data}")
    settings = [word for setting in (*own, *QUIET) for word in ("-c", setting)]
    return [cluster.program("postgres"), "-D", cluster.data, *settings]


def _await(server: Server, child: subprocess.Popen[bytes], log: str) -> None:
    """Until it has recovered and takes connections."""
    until = time.monotonic() + START_S
    argv = [server.cluster.program("pg_isready"), "-q", "-h", SHARED, "-p", "5432"]
    while time.monotonic() < until:
        if child.poll() is not None:
            break
        if server.inside.run(argv, server.uid, server.gid, timeout_s=20).ok:
            return
        time.sleep(0.1)
    raise MaskFailed(f"{server.cluster.title} of the mirror did not start for masking", why=_tail(log))


def _tail(log: str) -> str:
    lines = Path(log).read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "HINT")))[-800:]


def _forget_wal(tree: Path, cluster: Cluster) -> None:
    """The WAL holds the old rows: after an orderly stop nothing needs it, and a new one begins."""
    data = tree / cluster.data.lstrip("/")
    owner = data.stat()
    shared = Path(tempfile.mkdtemp(prefix=".masking-", dir=tree.parent))
    try:
        argv = [cluster.program("pg_resetwal"), "-D", cluster.data]
        done = Inside(tree, shared).run(argv, owner.st_uid, owner.st_gid)
    finally:
        shutil.rmtree(shared, ignore_errors=True)
    if not done.ok:
        raise MaskFailed(f"the WAL of {cluster.title} could not be thrown away", why=done.stderr.decode(errors="replace"))
