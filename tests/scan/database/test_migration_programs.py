"""Cures with psql's own commands only where psql runs the file; for other programs plain SQL, or none."""

from __future__ import annotations

import re

import pytest

from fulldress.scan.database.migration_programs import for_psql, program_for
from fulldress.scan.rule import Rule, cure_of
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import load_rules, sweep

RULES = {rule.META.slug: rule for rule in load_rules()}
HEAVY = "ALTER TABLE result ADD COLUMN id2 uuid DEFAULT gen_random_uuid() NOT NULL;\n"
QUICK = "ALTER TABLE result ADD COLUMN flag text;\n"
PSQL = {"run.sh": '#!/bin/sh\nfor f in SQL/migrate/*.sql; do psql -d app -f "$f"; done\n'}
PLACE = "SQL/migrate/2026.sql"
PROGRAMS = {
    "a loop over the folder in PHP": {
        "bin/db.php": "<?php\nforeach (glob($dir . '/*.sql') as $f) { $db->exec(file_get_contents($f)); }\n"
    },
    "PHP behind another name": {"bin/updatedb.sh": '#!/usr/bin/env php\n<?php\n$sql = file_get_contents("$dir/$v.sql");\n'},
    "a pattern of names": {"lib/db.php": "<?php\nif (preg_match('/^([0-9]+)\\.sql$/', $file, $m)) { $list[] = $m[1]; }\n"},
    "the file by name": {"app/db.py": "cursor.execute(open('migrate/2026.sql').read())\n"},
    "a suffix alone": {"app/Db.java": 'String text = read(version + ".sql");\n'},
    "a tool": {"deploy.sh": "#!/bin/sh\nflyway -url=jdbc:postgresql:app migrate\n"},
}
OTHERS = {
    "another file by name": {"app/db.py": "cursor.execute(open('schema.sql').read())\n", "schema.sql": "SELECT 1;\n"},
    "a dump that it writes": {"app/backup.py": "run(['pg_dump', '-f', f'{name}.sql'])\n"},
    "what is packed": {"setup.py": "setup(package_data={'app': ['*.sql']})\n"},
    "a comment": {"app/db.py": "# reads *.sql\nx = 1\n"},
    "psql beside it": PSQL | PROGRAMS["a loop over the folder in PHP"],
}


def rule_and_findings(files: dict[str, str], slug: str) -> tuple[Rule, list[str]]:
    found = [f for f in sweep(context_of(files), [RULES[slug]]).findings if f.curable]
    cure = cure_of(RULES[slug])
    assert cure is not None
    edits = []
    for finding in found:
        made = cure(context_of(files), finding)
        assert made is not None
        edits += [data.decode() for data in made.edits.values() if data]
    return RULES[slug], edits


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_reads_it_is_found(name: str) -> None:
    context = context_of({PLACE: HEAVY, **PROGRAMS[name]})
    assert program_for(context, PLACE)
    assert not for_psql(context, PLACE)


@pytest.mark.parametrize("name", OTHERS)
def test_what_runs_nothing_is_no_runner(name: str) -> None:
    assert for_psql(context_of({PLACE: HEAVY, **OTHERS[name]}), PLACE)


def test_a_script_that_is_no_migration_and_that_nobody_runs_is_left_to_the_vendor() -> None:
    assert not for_psql(context_of({"reporting/month.sql": QUICK}), "reporting/month.sql")


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_psql_command_is_written_for_a_program(name: str) -> None:
    for slug, text in (("table-rewrite", HEAVY), ("migration-without-lock-timeout", QUICK)):
        edits = rule_and_findings({PLACE: text, **PROGRAMS[name]}, slug)[1]
        assert not any(re.search(r"(?m)^\s*\\\w|\\g", edit) for edit in edits)
        assert len(edits) == (slug == "migration-without-lock-timeout")


def test_for_a_program_the_timeout_is_set_in_plain_sql_and_taken_back() -> None:
    files = {PLACE: QUICK, **PROGRAMS["a suffix alone"]}
    edits = rule_and_findings(files, "migration-without-lock-timeout")[1]
    assert edits == [f"SET lock_timeout = '5s';\n{QUICK}RESET lock_timeout;\n"]
    left = sweep(context_of({**files, PLACE: edits[0]}), [RULES["migration-without-lock-timeout"]]).findings
    assert left == ()


def test_the_finding_names_the_program() -> None:
    found = sweep(context_of({PLACE: HEAVY, **PROGRAMS["a suffix alone"]}), [RULES["table-rewrite"]]).findings
    assert [(f.curable, "app/Db.java:1" in f.fix) for f in found] == [(False, True)]


def test_psql_still_gets_its_online_form() -> None:
    assert "\\set ON_ERROR_STOP" in rule_and_findings({PLACE: HEAVY, **PSQL}, "table-rewrite")[1][0]


def test_a_password_is_not_replaced_by_a_variable_of_psql_for_a_program() -> None:
    files = {"migrations/1.sql": "CREATE ROLE app LOGIN PASSWORD 'geheim1';\n"}
    assert rule_and_findings(files, "secret-in-sql")[1]
    assert rule_and_findings(files | PROGRAMS["a suffix alone"], "secret-in-sql")[1] == []
