"""A PostgreSQL server of the tests' own, on a socket in a directory of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import stand_aside


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Its URL; stopped and deleted afterwards."""
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not bins:
        stand_aside("needs PostgreSQL's server programs")
    where = bins[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="fd-queue-", dir="/tmp"))
    as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "nobody")
    env = {**os.environ, "HOME": str(folder), "LC_ALL": "C"}

    def call(*argv: str) -> None:
        subprocess.run([*as_user, *argv], check=True, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    try:
        call(f"{where}/initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        call(f"{where}/pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            call(f"{where}/pg_ctl", "-D", f"{folder}/data", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)
