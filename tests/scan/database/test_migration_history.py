"""After a cure only what finds another catalogue is judged again."""

from __future__ import annotations

import pytest

from fulldress.formats import sql
from fulldress.scan.database import migrations
from fulldress.scan.database.migration_history import state_before
from fulldress.scan.reading import take_over
from fulldress.scan.rule import Context
from fulldress.scan.rules import not_null_scan
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import sweep

PACKAGE: dict[str, str | bytes] = {
    "schema/t.sql": "CREATE TABLE a (x int, y int);\nCREATE TABLE b (x int);\n",
    "migrations/01-a.sql": "SET lock_timeout = '2s';\nALTER TABLE a ALTER COLUMN x SET NOT NULL;\n",
    "migrations/02-b.sql": "SET lock_timeout = '2s';\nALTER TABLE b ALTER COLUMN x SET NOT NULL;\n",
    "migrations/03-a.sql": "SET lock_timeout = '2s';\nALTER TABLE a ALTER COLUMN y SET NOT NULL;\n",
}


def cured_first(context: Context) -> Context:
    first = sweep(context, [not_null_scan]).findings[0]
    cure = migrations.cure(context, first)
    assert cure is not None and first.place == "migrations/01-a.sql"
    return context_of(PACKAGE | {place: data for place, data in cure.edits.items() if data is not None})


def test_a_cure_leaves_the_catalogue_as_it_was_for_the_next() -> None:
    before = context_of(PACKAGE)
    after = cured_first(before)
    assert state_before(after, "migrations/03-a.sql") == state_before(before, "migrations/03-a.sql")
    assert state_before(before, "migrations/01-a.sql") != state_before(before, "migrations/03-a.sql")


def test_what_was_judged_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = context_of(PACKAGE)
    after = cured_first(before)
    take_over(after, before)
    rewritten: list[str] = []
    really = sql.online_rewrite

    def counted(text: str, **given: object) -> sql.Rewrite | None:
        rewritten.append(text)
        return really(text, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(sql, "online_rewrite", counted)
    left = sweep(after, [not_null_scan]).findings
    assert [(f.place, f.curable) for f in left] == [("migrations/02-b.sql", True), ("migrations/03-a.sql", True)]
    assert not rewritten


def test_what_an_earlier_step_changed_is_judged_again() -> None:
    before = context_of(PACKAGE)
    sweep(before, [not_null_scan])
    proof = "ALTER TABLE a ADD CONSTRAINT c CHECK (y IS NOT NULL);\n"
    after = context_of(PACKAGE | {"migrations/02-b.sql": proof})
    take_over(after, before)
    assert [f.place for f in sweep(after, [not_null_scan]).findings] == ["migrations/01-a.sql"]
