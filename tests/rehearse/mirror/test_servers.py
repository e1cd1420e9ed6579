"""Database servers are found by their processes, whatever installed them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from fulldress.ports import Completed
from fulldress.rehearse.mirror import MirrorFailed, mysql, servers

RUNNING = "\n".join(
    "\t".join(row)
    for row in (
        ("10", "1", "/usr/pgsql-15/bin/postgres", "here", "postgres", "/srv/pg"),
        ("11", "10", "/usr/pgsql-15/bin/postgres", "here", "postgres", "/srv/pg"),
        ("20", "1", "/usr/sbin/mariadbd", "here", "mysql", "/var/lib/mysql"),
        ("30", "9", "/usr/lib/postgresql/16/bin/postgres", "elsewhere", "999", "/var/lib/postgresql/data"),
    )
)
NOTED = "15\n10\n/srv/pg\n1790000000\n5433\n/run/pg, /tmp\nlocalhost\n"
LISTED = [
    {"version": 13, "cluster": "old", "port": "5434", "pgdata": "/var/lib/postgresql/13/old", "owneruid": 101, "running": 0}
]


class Answers:
    """A host that answers by the first words of a command."""

    name, root = "ssh:answers", None

    def __init__(self, **answers: Completed) -> None:
        self.answers = answers

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        what = "processes" if "/proc/[0-9]*" in " ".join(argv) else argv[0]
        return self.answers.get(what, Completed(code=127))


def host(**more: Completed) -> Answers:
    usual = {"processes": Completed(code=0, stdout=RUNNING.encode()), "cat": Completed(code=0, stdout=NOTED.encode())}
    return Answers(**{**usual, **more})


def test_a_cluster_without_debians_tools_is_found_with_its_port_and_socket() -> None:
    found = servers.find(host())  # type: ignore[arg-type]
    (cluster,) = found.clusters
    assert (cluster.title, cluster.port, cluster.socket, cluster.online) == ("15/pg", 5433, "/run/pg", True)
    assert cluster.program("psql") == "/usr/pgsql-15/bin/psql"


def test_clusters_that_do_not_run_are_known_from_debians_list() -> None:
    listed = Completed(code=0, stdout=json.dumps(LISTED).encode())
    found = servers.find(host(pg_lsclusters=listed, id=Completed(code=0, stdout=b"postgres\n")))  # type: ignore[arg-type]
    assert [(c.title, c.online) for c in found.clusters] == [("15/pg", True), ("13/old", False)]


def test_servers_of_containers_are_told_apart() -> None:
    found = servers.find(host())  # type: ignore[arg-type]
    assert [p.pid for p in found.elsewhere] == [30] and [p.data for p in found.mysql] == ["/var/lib/mysql"]


def test_processes_that_cannot_be_seen_are_an_error_not_an_empty_list() -> None:
    closed = Completed(code=1, stderr=b"sudo: a password is required")
    with pytest.raises(MirrorFailed, match="cannot be seen") as refused:
        servers.find(host(processes=closed))  # type: ignore[arg-type]
    assert "password" in refused.value.why and "sudo -n" in refused.value.fix


def test_a_data_directory_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(MirrorFailed, match="/srv/pg"):
        servers.find(host(cat=Completed(code=1, stderr=b"Permission denied")))  # type: ignore[arg-type]


def test_mariadb_needs_its_backup_program_and_its_absence_is_said() -> None:
    (server,) = servers.find(host()).mysql  # type: ignore[arg-type]
    assert mysql.program(host(sh=Completed(code=1)), server) == ""  # type: ignore[arg-type]
    assert mysql.program(host(sh=Completed(code=0, stdout=b"/usr/bin/mariabackup\n")), server) == "/usr/bin/mariabackup"  # type: ignore[arg-type]
    assert mysql.missing(server).startswith(
        "MariaDB in /var/lib/mysql runs and was not copied (mariadb-backup is not installed"
    )
