"""SQL in the lines of scripts and programs, with the line where it stands."""

from __future__ import annotations

import pytest

from fulldress.scan.database.handed_sql import handed
from fulldress.scan.samples import context_of


def found(place: str, text: str) -> list[tuple[int, str]]:
    return [(piece.line, piece.text.strip()) for piece in handed(context_of({place: text}))]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("#!/bin/sh\npsql a -c 'SELECT 1'\n", [(2, "SELECT 1")]),
        ("#!/bin/sh\nsu postgres -c \"psql a -c 'SELECT 1'\"\n", [(2, "SELECT 1")]),
        ("#!/bin/sh\npsql a <<E\n\\timing\nSELECT $x;\nE\n", [(4, "SELECT x;")]),
        ("#!/bin/sh\npsql -f a.sql\necho psql -c x\n", []),
    ],
)
def test_scripts(text: str, pieces: list[tuple[int, str]]) -> None:
    assert found("up.sh", text) == pieces


def test_programs_of_the_upgrade_only() -> None:
    call = 'x = 1\ncur.execute("""UPDATE t\n SET a = 1""")\n'
    assert found("upgrade/a.py", call) == [(2, "UPDATE t\n SET a = 1")]
    assert found("app/views.py", call) == []
    assert found("setup.groovy", "sql.execute 'DELETE FROM t'\n") == [(1, "DELETE FROM t")]
