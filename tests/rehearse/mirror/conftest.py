"""A PostgreSQL cluster of this computer's own that is written to all the time, on btrfs where that can be had."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import lay_over, stand_aside

from fulldress.adapters import procs
from fulldress.adapters.scope import Scope
from fulldress.rehearse.mirror.nouns import Cluster

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
PORT = 5499
# every transfer keeps both sums at zero; one table lies in a tablespace of its own
TRANSFER = """\\set a random(1, 2000)
\\set b random(1, 2000)
\\set v random(1, 99)
begin;
update account set balance = balance - :v where id = :a;
update account set balance = balance + :v where id = :b;
insert into move (account, amount) values (:a, -:v), (:b, :v);
commit;
"""
SETUP = """create table account (id int primary key, balance int not null, name text);
insert into account select g, 0, 'Person Number ' || g from generate_series(1, 2000) g;
create table move (id serial, account int, amount int) tablespace apart;
create extension amcheck;
checkpoint;"""


class Live(NamedTuple):
    """The cluster, where it lies, and whether that is btrfs."""

    cluster: Cluster
    tablespace: str
    btrfs: bool


def as_postgres(argv: list[str], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *argv],
        check=True,
        text=True,
        capture_output=True,
        cwd="/",
        **more,  # type: ignore[call-overload, no-any-return]
    )


def ask(live: Live, sql: str) -> str:
    return as_postgres(["psql", "-XAtq", "-h", live.cluster.socket, "-p", str(PORT), "-d", "postgres", "-c", sql]).stdout


@pytest.fixture(scope="session")
def live(keeper: Scope) -> Iterator[Live]:
    """Replication connections are refused by its pg_hba.conf."""
    if os.geteuid() != 0 or not (PROGRAMS / "pgbench").exists():
        stand_aside("needs root and PostgreSQL 15")
    home = Path(tempfile.mkdtemp(prefix="fulldress-test-", dir="/srv"))
    keeper.keep("tree", str(home))
    disk, btrfs = home / "disk", shutil.which("mkfs.btrfs") is not None
    disk.mkdir()
    if btrfs:
        subprocess.run(["truncate", "-s", "400M", str(home / "image")], check=True)
        subprocess.run(["mkfs.btrfs", "-q", str(home / "image")], check=True)
        subprocess.run(["mount", "-o", "loop", str(home / "image"), str(disk)], check=True)
    data, apart = disk / "main", disk / "apart"
    apart.mkdir()
    user = pwd.getpwnam("postgres")
    for path in (home, disk, apart):
        path.chmod(0o755)
        os.chown(path, user.pw_uid, user.pw_gid)
    as_postgres([str(PROGRAMS / "initdb"), "-D", str(data), "-A", "trust", "--no-locale", "-E", "UTF8", "-N"])
    (data / "pg_hba.conf").write_text("local all all trust\n")
    with (data / "postgresql.conf").open("a") as out:
        out.write(f"listen_addresses=''\nport={PORT}\nunix_socket_directories='{home}'\nshared_buffers=16MB\n")
    as_postgres([str(PROGRAMS / "pg_ctl"), "-D", str(data), "-w", "-l", str(home / "log"), "start"])
    postmaster = procs.of(int((data / "postmaster.pid").read_text().split()[0]))
    assert postmaster is not None, "pg_ctl waited for it"
    keeper.keep("process", f"{postmaster.pid}:{postmaster.start}")
    cluster = Cluster(
        version="15",
        name="main",
        port=PORT,
        online=True,
        owner="postgres",
        data=str(data),
        socket=str(home),
        programs=str(PROGRAMS),
    )
    made = Live(cluster, str(apart), btrfs)
    ask(made, f"create tablespace apart location '{apart}'")
    ask(made, SETUP)
    (home / "transfer.sql").write_text(TRANSFER)
    yield made
    as_postgres([str(PROGRAMS / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"])


@pytest.fixture
def busy(live: Live) -> Iterator[Live]:
    """Under transfers for as long as the test lasts."""
    argv = [
        str(PROGRAMS / "pgbench"),
        "-n",
        "-c",
        "2",
        "-T",
        "120",
        "-R",
        "400",
        "-f",
        f"{live.cluster.socket}/transfer.sql",
    ]
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    writer = subprocess.Popen(
        [*prefix, *argv, "-h", live.cluster.socket, "-p", str(PORT), "postgres"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    yield live
    writer.terminate()
    writer.wait()


@pytest.fixture(scope="module")
def tree(base_root: Path, scratch: Path, keeper: Scope) -> Path:
    """A root tree with the programs that a copied cluster needs."""
    folder = scratch / "clones" / f"{keeper.id}-{secrets.token_hex(3)}"
    return lay_over(base_root, folder, keeper)
