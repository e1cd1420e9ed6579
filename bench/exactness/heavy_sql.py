"""Locks, rewrites and scans against PostgreSQL 15.18, and its heavy statements side by side with squawk.

A statement is heavy when the server rewrites or reads through a relation that it has locked with Share or stronger.
squawk counts as having found one when it says anything but its advice for every statement (``EVERYWHERE``), which names
the statement's own trouble no more than a checklist does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from exactness import Row
from exactness._migrations import Case, oracle, schema
from fulldress.formats import sql
from fulldress.formats.sql.catalogue import Catalogue

EVERYWHERE = {"prefer-robust-stmts", "require-lock-timeout", "require-statement-timeout"}
STYLE = {
    "prefer-identity",
    "prefer-bigint-over-int",
    "prefer-text-field",
    "prefer-timestamptz",
    "prefer-bigint-over-smallint",
}


def measure() -> list[Row]:
    """Lock sets, rewrites and scans exact; heavy statements found by us and by squawk; what we invent."""
    cases = oracle()
    rows = [
        _exact("lock sets exact", cases, lambda c: c.locks == c.our_locks),
        _exact("rewrites exact", cases, lambda c: c.rewrites == c.our_rewrites),
        _exact("heavy relations exact", cases, lambda c: c.heavy == c.our_heavy),
    ]
    heavy = [c for c in cases if c.heavy]
    missed = [c.id for c in heavy if not _found(c)]
    rows.append(Row("heavy statements found", len(heavy) - len(missed), len(heavy), not missed, "all 32", ", ".join(missed)))
    light = [c for c in cases if not c.heavy and not _changes_rows(c)]
    invented = [c.id for c in light if _found(c, only_heavy=True)]
    rows.append(Row("light statements called heavy", len(invented), len(light), not invented, "none", ", ".join(invented)))
    program = shutil.which("squawk") or str(Path(sys.executable).parent / "squawk")
    if Path(program).exists():
        theirs = [c.id for c in heavy if not _squawk(program, c.sql)]
        got = len(heavy) - len(theirs)
        rows.append(
            Row("  squawk, the same statements", got, len(heavy), True, "(for comparison)", f"misses {', '.join(theirs)}")
        )
    return rows


def _exact(what: str, cases: list[Case], same: object) -> Row:
    wrong = [c.id for c in cases if not same(c)]  # type: ignore[operator]
    return Row(what, len(cases) - len(wrong), len(cases), not wrong, "all", ", ".join(wrong))


def _found(case: Case, *, only_heavy: bool = False) -> bool:
    """A hazard other than waiting, on a relation that the server names."""
    kinds = {
        "table-rewrite",
        "not-null-scan",
        "index-blocks-writes",
        "constraint-validates-under-lock",
    }
    if not only_heavy:
        kinds |= {"lock-held-on-purpose", "breaks-running-version"}
    read = sql.script(case.sql)
    found = [h for h in sql.script_hazards(read, {}, Catalogue(schema())) if h.kind in kinds]
    return any(only_heavy or h.relation in case.heavy for h in found)


def _changes_rows(case: Case) -> bool:
    return sql.statements(case.sql)[0].kind in ("update_stmt", "delete_stmt", "insert_stmt")


def _squawk(program: str, text: str) -> bool:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(text + ";\n")
        file.flush()
        argv = [program, "--reporter", "json", "--pg-version", "15", file.name]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    said = {item["rule_name"] for item in json.loads(done.stdout or "[]")}
    return bool(said - EVERYWHERE - STYLE)
