"""Tables and folders that a command leaves nothing of."""

from __future__ import annotations

import time

import pytest

from fulldress.formats import makefile, shell
from fulldress.scan.destruction import bare_find, folder_lost, tables_lost


def command(text: str) -> shell.Command:
    return shell.commands(text)[0]


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("psql x -c 'DROP TABLE audit CASCADE'", "audit"),
        ("su postgres -c 'psql -c \"TRUNCATE TABLE ONLY lab.orders\"'", "lab.orders"),
        ("mysql x <<E\n-- DROP TABLE no\nDROP TABLE IF EXISTS orders;\nE", "orders"),
        ("psql x <<E\nDROP TABLE t_tmp; DROP TABLE IF EXISTS n; CREATE UNLOGGED TABLE n (a int);\nE", ""),
        ("psql x -c 'DROP INDEX i'", ""),
        ("echo DROP TABLE audit", ""),
    ],
)
def test_tables(text: str, lost: str) -> None:
    assert tables_lost(command(text)) == lost


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("rm -rf /var/lib/postgresql/15/main", "/var/lib/postgresql/15/main"),
        ("sudo rm -fr -- /etc/nginx/", "/etc/nginx/"),
        ("find /var/log -delete", "/var/log"),
        ("find /var/log -name '*.gz' -delete", ""),
        ("rm -rf /etc/nginx/sites-enabled/app /var/lib/app /opt/app", ""),
        ("rm -f /etc/nginx", ""),
    ],
)
def test_folders(text: str, lost: str) -> None:
    assert folder_lost(command(text)) == lost


def test_a_find_that_is_told_nothing_but_a_variable() -> None:
    assert bare_find(command("find $LOGS -mtime +7 -delete")) == "LOGS"
    assert bare_find(command('find "$LOGS" -mtime +7 -delete')) == ""
    assert bare_find(command("find $LOGS -mtime +7")) == ""


def test_long_texts_take_no_long_time() -> None:
    before = time.process_time()
    makefile.recipes("a" + " " * 200_000 + "\nb = " + " x" * 100_000 + " " * 100_000 + "y\n" + "c: d\n" * 20_000)
    tables_lost(command("psql x <<E\n" + "CREATE a b c " * 20_000 + "DROP TABLE a_tmp " * 20_000 + "\nE\n"))
    assert time.process_time() - before < 3
