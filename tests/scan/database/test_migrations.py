"""The migration rules together: one finding per file, and cures that compose in any order."""

from __future__ import annotations

from itertools import permutations

import pytest

from fulldress.formats.sql import MUTEX
from fulldress.model.estate import DatabaseFacts, Estate, HostFacts
from fulldress.model.finding import Finding
from fulldress.scan.database.migration_files import is_down
from fulldress.scan.database.migrations import RANK, runs
from fulldress.scan.rule import Sample, cure_of
from fulldress.scan.samples import context_of, cured
from fulldress.scan.sweep import load_rules, sweep

RULES = [rule for rule in load_rules() if rule.META.family == "migration"]
PACKAGE = {
    "scripts/migrate.sh": "#!/bin/bash\nrunuser -u postgres -- psql -d app -f migrations/0051.sql\n",
    "migrations/0051.sql": """BEGIN;
ALTER TABLE result ADD COLUMN public_id uuid DEFAULT gen_random_uuid() NOT NULL;
UPDATE result SET note = 'x' WHERE note IS NULL;
ALTER TABLE result ALTER COLUMN note SET NOT NULL;
CREATE INDEX i ON result (note);
INSERT INTO schema_migrations (version) VALUES ('0051');
COMMIT;
""",
}


def findings(sample: Sample) -> list[Finding]:
    return [
        f for f in sweep(context_of(sample), RULES).findings if f.severity != "info" and f.rule != "migration-without-undo"
    ]


def test_one_finding_for_a_file_with_everything() -> None:
    found = findings(Sample(files=dict(PACKAGE)))
    assert {(f.rule, f.place) for f in found} == {
        ("table-rewrite", "migrations/0051.sql"),
        ("migration-without-mutex", "scripts/migrate.sh"),
    }
    worst = next(f for f in found if f.rule == "table-rewrite")
    for also in ("index build", "backfill", "SET NOT NULL", "locks kept", "no lock_timeout"):
        assert also in worst.consequence


@pytest.mark.parametrize("order", list(permutations(["table-rewrite", "migration-without-mutex"])))
def test_cures_compose_in_any_order(order: tuple[str, ...]) -> None:
    sample = Sample(files=dict(PACKAGE))
    rules = {rule.META.slug: rule for rule in RULES}
    for slug in order:
        finding = next(f for f in findings(sample) if f.rule == slug)
        cure = cure_of(rules[slug])
        assert cure is not None
        made = cure(context_of(sample), finding)
        assert made is not None
        sample = cured(sample, made)
    assert findings(sample) == []
    text = sample.files["migrations/0051.sql"]
    assert isinstance(text, bytes)
    assert text.decode().startswith(MUTEX)
    assert text.decode().count("pg_try_advisory_lock") == 1


def test_small_tables_are_left_alone() -> None:
    host = HostFacts(
        name="h",
        hostname="h",
        os="debian",
        os_version="12",
        databases=(DatabaseFacts(name="app", server_version="15", tables={"public.result": 12}),),
    )
    estate = Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))
    found = findings(Sample(files=dict(PACKAGE), estate=estate))
    assert [f.rule for f in found] == ["migration-without-lock-timeout", "migration-without-mutex"]


def test_psql_in_one_transaction_is_not_rewritten() -> None:
    """psql -1 refuses what commits by itself: the finding stays, and a person decides."""
    files = {**PACKAGE, "scripts/migrate.sh": "#!/bin/sh\npsql -1 -d app -f migrations/0051.sql\n"}
    assert [f.curable for f in findings(Sample(files=files))] == [False, False]


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("psql -d app -f sql/1.sql", ["sql/1.sql"]),
        ("psql app < sql/1.sql", ["sql/1.sql"]),
        ("sudo -u postgres psql -qf sql/2.sql", ["sql/2.sql"]),
        ("su - postgres -c 'psql -d app -f /tmp/sql/1.sql'", ["sql/1.sql"]),
        ('for f in sql/*.sql; do psql -f "$f"; done', ["sql/1.sql", "sql/2.sql"]),
        ("psql -d app -c 'SELECT 1'", None),
        ("echo psql", None),
    ],
)
def test_which_migrations_a_command_runs(line: str, files: list[str] | None) -> None:
    context = context_of({"m.sh": f"#!/bin/sh\n{line}\n", "sql/1.sql": "DROP TABLE a;", "sql/2.sql": "DROP TABLE b;"})
    found = [[m.entry.place for m in run.sources] for run in runs(context)]
    assert found == ([files] if files else [])


def test_down_scripts_are_no_migrations() -> None:
    assert is_down("migrations/undo/1.sql") and is_down("migrations/0001_x.down.sql") and is_down("V1__rollback.sql")
    assert not is_down("migrations/0001_download.sql") and not is_down("shutdown/x/0001.sql")


def test_every_hazard_has_its_rule() -> None:
    assert set(RANK) <= {rule.META.slug for rule in RULES}


OLD_STEPS = {
    f"sql/{day}.sql": f"CREATE INDEX i{day} ON document (a);\nUPDATE document SET a = 1;\n"
    for day in ("2014031200", "2015062300", "2016110900")
}


def test_a_folder_of_old_steps_that_nothing_runs_is_one_mild_finding() -> None:
    loud = [f for f in findings(Sample(files=dict(OLD_STEPS))) if f.severity in ("critical", "high")]
    told = [f for f in findings(Sample(files=dict(OLD_STEPS))) if "3 of 3 migrations" in f.title]
    assert loud == []
    assert [f.severity for f in told] == ["medium"]


def test_old_steps_that_a_script_runs_are_each_told() -> None:
    script = '#!/bin/sh\nset -e\nfor f in sql/*.sql; do psql -f "$f" app; done\n'
    told = findings(Sample(files={**OLD_STEPS, "up.sh": script}))
    assert {f.place for f in told if f.severity == "high" and f.place.endswith(".sql")} == set(OLD_STEPS)


def test_a_loop_runs_what_fits_its_pattern() -> None:
    files = {"sql/up_1.sql": "ALTER TABLE t ADD a int;\n", "sql/history/2014031200.sql": "ALTER TABLE t ADD b int;\n"}
    script = '#!/bin/sh\nfor f in "$BASE"/sql/up_*.sql\ndo\n  psql -h db app -f $f\ndone\n'
    (run,) = runs(context_of(Sample(files={**files, "up.sh": script})))
    assert [s.entry.place for s in run.sources] == ["sql/up_1.sql"]


def test_further_hazards_are_named_with_their_lines() -> None:
    text = "ALTER TABLE t ALTER COLUMN a TYPE bigint;\nCREATE INDEX i ON t (b);\nCREATE INDEX j ON t (c);\n"
    (told,) = [f for f in findings(Sample(files={"migrations/01.sql": text})) if f.rule == "table-rewrite"]
    assert "an index build that blocks writers (lines 2, 3)" in told.consequence


def test_very_many_change_scripts_that_nothing_runs_are_one_finding() -> None:
    files = {f"maintenance/archives/patch-{n:c}{n}.sql": f"ALTER TABLE t{n} DROP COLUMN c;\n" for n in range(97, 119)}
    report = sweep(context_of(files))
    told = [f for f in report.findings if f.rule.startswith("migration-without-lock")]
    assert len(told) == 1
    assert told[0].severity not in ("critical", "high")


@pytest.mark.parametrize("name", ["migrations/change{n}.sql", "migrations/202603{n:02}120000_change.sql"])
def test_the_many_scripts_of_one_upgrade_are_told_one_by_one(name: str) -> None:
    files = {name.format(n=n): f"ALTER TABLE t{n} ALTER COLUMN c TYPE bigint;\n" for n in range(1, 29)}
    report = sweep(context_of(files))
    assert len({f.place for f in report.findings if f.severity == "critical"}) == 28


def test_every_statement_of_the_same_kind_is_named() -> None:
    text = "SET lock_timeout = '2s';\n" + "".join(
        f"ALTER TABLE {name} ALTER a TYPE bigint;\n" for name in ("result", "sample", "result")
    )
    (found,) = [f for f in findings(Sample(files={"migrations/1.sql": text})) if f.rule == "table-rewrite"]
    assert found.line == 2
    assert "The same goes for line 3 (sample), line 4 (result)." in found.consequence
