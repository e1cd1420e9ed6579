"""A throw-away PostgreSQL 15 on a unix socket, run as user postgres, and psql against it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import stand_aside

BIN = Path("/usr/lib/postgresql/15/bin")


class Server:
    """One cluster; every method runs psql, pg_dump or createdb in it."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def argv(self, program: str, *args: str) -> list[str]:
        return [str(BIN / program), "-h", str(self.home), "-p", "5599", *args]

    def run(self, program: str, *args: str, stdin: str = "") -> str:
        done = subprocess.run(
            self.argv(program, *args), input=stdin, capture_output=True, text=True, user="postgres", timeout=120, cwd="/"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sql(self, database: str, text: str) -> str:
        return self.run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-", stdin=text)

    def told(self, database: str, text: str) -> str:
        """What the server says on the side while it runs a script."""
        argv = self.argv("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-")
        done = subprocess.run(argv, input=text, capture_output=True, text=True, user="postgres", timeout=120, cwd="/")
        assert done.returncode == 0, done.stderr
        return done.stderr

    def make(self, database: str, text: str) -> None:
        self.run("createdb", database)
        self.sql(database, text)

    def copy(self, source: str, database: str) -> None:
        self.run("createdb", "-T", source, database)

    def drop(self, *databases: str) -> None:
        for database in databases:
            self.run("dropdb", "--if-exists", "--force", database)

    def schema(self, database: str) -> str:
        """pg_dump -s without comments and random marks, and the columns' order as it is stored."""
        dump = self.run("pg_dump", "-s", "-d", database)
        kept = [line for line in dump.splitlines() if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))]
        order = self.sql(
            database,
            "SELECT attrelid::regclass, attname, row_number() OVER (PARTITION BY attrelid ORDER BY attnum), attnotnull"
            " FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE attnum > 0 AND NOT attisdropped"
            " AND relnamespace = 'public'::regnamespace ORDER BY 1, 3",
        )
        invalid = self.sql(database, "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid")
        assert invalid == ""
        return "\n".join(kept) + "\n" + order

    def rows(self, database: str, query: str) -> str:
        return self.sql(database, query)


@contextmanager
def cluster() -> Iterator[Server]:
    """Starts a cluster in a temporary directory and removes it."""
    home = Path(tempfile.mkdtemp(prefix="fd-sql-", dir="/tmp"))
    shutil.chown(home, "postgres", "postgres")
    data, log = home / "data", home / "log"
    options = f"-k {home} -p 5599 -c listen_addresses= -c fsync=off -c shared_buffers=128MB -c max_wal_size=2GB"
    try:
        _as_postgres(str(BIN / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
        _as_postgres(str(BIN / "pg_ctl"), "-D", str(data), "-l", str(log), "-w", "-o", options, "start")
        yield Server(home)
    finally:
        if data.exists():
            _as_postgres(str(BIN / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop", check=False)
        shutil.rmtree(home, ignore_errors=True)


def available() -> bool:
    """True when this machine can start one."""
    return os.geteuid() == 0 and (BIN / "initdb").exists()


def _as_postgres(*argv: str, check: bool = True) -> None:
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(argv, check=check, user="postgres", cwd="/", env=env, stdout=subprocess.DEVNULL, timeout=60)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL 15 for the session."""
    if not available():
        stand_aside("PostgreSQL 15 and root")
    with cluster() as started:
        yield started
