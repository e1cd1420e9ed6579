"""Statements of psql scripts: lines, transactions, lock_timeout, meta-commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.sql import script, statements


def test_lines_transactions_and_timeouts() -> None:
    text = """\\set ON_ERROR_STOP 1
SET lock_timeout = '2s';
BEGIN;
SET LOCAL lock_timeout = 5;
-- é before the statement
ALTER TABLE t ADD COLUMN "é" int; ALTER TABLE t
  DROP COLUMN b;
COMMIT;
CREATE INDEX i ON t (a)
"""
    found = [(s.line, s.kind, s.transaction, s.lock_timeout_ms) for s in statements(text)]
    assert found == [
        (2, "variable_set_stmt", 0, 0.0),
        (3, "transaction_stmt", 1, 2000.0),
        (4, "variable_set_stmt", 1, 2000.0),
        (6, "alter_table_stmt", 1, 5.0),
        (6, "alter_table_stmt", 1, 5.0),
        (8, "transaction_stmt", 0, 2000.0),
        (9, "index_stmt", 0, 2000.0),
    ]


def test_single_transaction() -> None:
    assert [s.in_transaction for s in statements("SELECT 1; SELECT 2", single_transaction=True)] == [True, True]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("SET lock_timeout = 1500", 1500.0),
        ("SET SESSION lock_timeout TO '3 s'", 3000.0),
        ("SET lock_timeout = 0", 0.0),
        ("SET lock_timeout = DEFAULT", 0.0),
        ("SET LOCAL lock_timeout = '1s'", 0.0),
        ("SELECT set_config('lock_timeout', '2min', false)", 120_000.0),
        ("SELECT set_config('lock_timeout', '2min', true)", 0.0),
        ("SET lock_timeout = '1s'; RESET lock_timeout", 0.0),
        ("SET lock_timeout = '1s'; RESET ALL", 0.0),
        ("BEGIN; SET LOCAL lock_timeout = '1s'; ROLLBACK", 0.0),
    ],
)
def test_lock_timeout_in_force(setting: str, expected: float) -> None:
    assert statements(f"{setting}; SELECT 1")[-1].lock_timeout_ms == expected


def test_psql_parts_are_reported_not_parsed() -> None:
    text = """\\echo 'it''s ; here'
SELECT :'name', :count, a[1:2], 'x'::text \\gset
COPY t FROM stdin;
1;\t2
\\.
SELECT $q$ \\i not-a-meta ; $q$, E'\\'; \\i no' /* \\i /* no */ */; -- \\i no
\\i other.sql
"""
    read = script(text)
    assert [(m.name, m.line) for m in read.metas] == [("echo", 1), ("gset", 2), ("i", 7)]
    assert [(s.line, s.kind) for s in read.statements] == [(2, "select_stmt"), (3, "copy_stmt"), (6, "select_stmt")]


def test_what_the_grammar_refuses_is_kept() -> None:
    found = statements("SELECT 1;\n\nSELEC 2;\nSELECT 3")
    assert [(s.line, s.kind) for s in found] == [(1, "select_stmt"), (3, "unparsed"), (4, "select_stmt")]
    assert found[1].text == "SELEC 2"


def test_statements_inside_do_blocks() -> None:
    text = """DO $$
BEGIN
  EXECUTE 'ALTER TABLE t ADD COLUMN z int';
  UPDATE t SET z = 1;
END $$;"""
    found = statements(text)
    assert [(s.kind, s.inside, s.line) for s in found] == [
        ("do_stmt", False, 1),
        ("alter_table_stmt", True, 3),
        ("update_stmt", True, 4),
    ]
    assert found[1].transaction == found[2].transaction != 0


def test_open_transaction_is_seen() -> None:
    assert script("BEGIN; SELECT 1").open_at_end
    assert not script("BEGIN; SELECT 1; COMMIT").open_at_end


@given(st.text(alphabet="ab'\"$\\;:-/*() \nDO\tE1é\udc80", max_size=80))
def test_never_raises(text: str) -> None:
    read = script(text)
    assert all(1 <= s.line <= text.count("\n") + 1 for s in read.statements)


@pytest.mark.parametrize("depth", [60, 1_000, 200_000])
@pytest.mark.parametrize(
    ("link", "end"), [("a+", "1"), ("NOT ", "true"), ("1,1 UNION SELECT ", "1,1"), ("'x'||", "'y'"), ("(", "1")]
)
def test_deep_nesting_is_refused_not_followed(link: str, end: str, depth: int) -> None:
    """Text made to exhaust the parser's stack is reported as unreadable; the statement after it is still read."""
    found = statements(f"SELECT {link * depth}{end}{')' * (link == '(') * depth};\nDROP TABLE t;")
    assert [(s.kind, s.line) for s in found[1:]] == [("drop_stmt", 2)]
    assert found[0].kind in ("select_stmt", "unparsed")


def test_deep_blocks_are_not_followed() -> None:
    text = "DO $$ BEGIN " + "IF true THEN " * 50_000 + "NULL;" + " END IF;" * 50_000 + " END $$; DROP TABLE t;"
    assert [s.kind for s in statements(text)] == ["do_stmt", "hidden", "drop_stmt"]
