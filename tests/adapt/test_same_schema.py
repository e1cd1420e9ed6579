"""Every migration that a cure rewrites ends in the schema of the original, on a real PostgreSQL: samples and corpora."""

from __future__ import annotations

import functools
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from tests.conftest import stand_aside
from tests.formats.sql.conftest import Server, available, cluster

from fulldress.formats.sql import online_rewrite, script
from fulldress.scan.rule import cure_of
from fulldress.scan.samples import as_sample, context_of
from fulldress.scan.sweep import load_rules, sweep

pytestmark = pytest.mark.machine
ORACLE = Path(__file__).parents[3] / "shared/corpora/migrations/lock-oracle"
CATALOGUE = """
SELECT 'table' || ROW(c.oid::regclass, relkind, relpersistence, relrowsecurity, reloptions, am.amname, relreplident)::text
  FROM pg_class c LEFT JOIN pg_am am ON am.oid = relam WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'column' || ROW(attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, attstattarget,
  pg_get_expr(adbin, adrelid), attidentity, attgenerated, row_number() OVER (PARTITION BY attrelid ORDER BY attnum))::text
  FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
  WHERE attnum > 0 AND NOT attisdropped AND relnamespace = 'public'::regnamespace
UNION ALL SELECT 'constraint' || ROW(conrelid::regclass, conname, contype, convalidated, pg_get_constraintdef(oid))::text
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index' || ROW(indrelid::regclass, indisvalid, indisclustered, pg_get_indexdef(indexrelid))::text
  FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger' || ROW(tgrelid::regclass, tgname, tgenabled)::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'policy' || ROW(polrelid::regclass, polname, polcmd, polpermissive)::text FROM pg_policy
UNION ALL SELECT 'rule' || ROW(ev_class::regclass, rulename, pg_get_ruledef(r.oid))::text
  FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'enum' || ROW(enumtypid::regtype, enumlabel, enumsortorder)::text FROM pg_enum
UNION ALL SELECT 'function' || ROW(oid::regprocedure)::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1;
"""
"""What the database is after a migration, in one query."""
SAMPLE_BASES = (
    "CREATE TABLE parent (id bigint PRIMARY KEY); CREATE TABLE a (i int); CREATE TABLE b (i int);"
    "CREATE TABLE result (id bigint PRIMARY KEY); CREATE TABLE t (a int, b int, p bigint, old bool);"
    "CREATE TABLE schema_migrations (version text PRIMARY KEY);",
    "CREATE TABLE t (b int); CREATE TABLE schema_migrations (version text PRIMARY KEY);",
    "CREATE TABLE schema_migrations (version text PRIMARY KEY);",
)
"""Databases on which the rules' samples make sense; one is enough for a sample."""
ALONE = {"create_index_parted": "by itself, nothing in the statement says that its table is partitioned"}
"""Online forms that a server refuses (loudly, before it changes anything) when the package is all that is known."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if not available():
        stand_aside("PostgreSQL 15 and root")
    where = functools.partial(_in_memory, tempfile.mkdtemp)
    with mock.patch.object(tempfile, "mkdtemp", where), cluster() as started:  # a hundred databases are made and dropped
        yield started


def _in_memory(make: Callable[..., str], *, prefix: str, dir: str) -> str:
    return make(prefix=prefix, dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else dir)


@pytest.fixture(scope="module")
def bases(server: Server) -> list[str]:
    """Names of the databases to try a sample on."""
    for number, text in enumerate(SAMPLE_BASES):
        server.make(f"fd_base_{number}", text)
    return [f"fd_base_{number}" for number in range(len(SAMPLE_BASES))]


class Broken(Exception):
    """A text that the server refuses."""


def after(server: Server, base: str, text: str) -> str:
    """The catalogue of a copy of ``base`` after a migration, in one session of psql."""
    name = "fd_copy"
    script_ = f"CREATE DATABASE {name} TEMPLATE {base};\n\\c {name}\n{text}\n;\n\\c {name}\n\\echo ==\n{CATALOGUE}"
    try:
        return server.sql("postgres", script_).rpartition("==\n")[2]
    except AssertionError as refused:
        raise Broken(str(refused)[:500]) from None
    finally:
        server.drop(name)


def rewritten_samples() -> list[object]:
    """(rule and sample, original, rewritten) of every .sql file that a cure changes."""
    found = []
    for rule in load_rules():
        cure = cure_of(rule)
        if rule.META.family != "migration" or cure is None or rule.META.slug == "concurrently-in-transaction":
            continue  # the server refuses the original of that one
        for number, sample in enumerate(map(as_sample, rule.BAD)):
            context = context_of(sample)
            for finding in [f for f in sweep(context, [rule]).findings if f.curable]:
                edits = cure(context, finding)
                for place, new in edits.edits.items() if edits else ():
                    old = sample.files.get(place)
                    if place.endswith(".sql") and new is not None and isinstance(old, str):
                        sleepless = [re.sub(r"pg_sleep\(\d+\)", "pg_sleep(0)", text) for text in (old, new.decode())]
                        found.append(pytest.param(*sleepless, id=f"{rule.META.slug}-{number}-{Path(place).name}"))
    return found


SAMPLES = rewritten_samples()


def test_there_are_samples() -> None:
    assert len(SAMPLES) >= 15


@pytest.mark.parametrize(("old", "new"), SAMPLES)
def test_a_samples_cure_gives_the_same_schema(server: Server, bases: list[str], old: str, new: str) -> None:
    assert not script(re.sub(r"(?m)^\s*\\.*$|\\gset", "", new)).unparsed
    for base in bases:
        try:
            wanted = after(server, base, old)
        except Broken:
            continue
        assert after(server, base, new) == wanted
        return
    pytest.fail(f"no base fits the sample: {old}")


def test_the_lock_oracles_heavy_statements_give_the_same_schema(server: Server) -> None:
    """Those that the server rewrites or reads through; the others keep their text inside a loop that waits briefly."""
    if not ORACLE.exists():
        pytest.skip("no ../shared/corpora here")
    setup = re.search(r'S="""(.*?)"""', (ORACLE / "lockcat.py").read_text(), re.DOTALL)
    assert setup is not None
    server.make("fd_oracle", setup.group(1))
    rows = {f"public.{table}": 200_000 for table in re.findall(r"CREATE TABLE (\w+)", setup.group(1))}
    refused, different, same = [], [], 0
    for case in json.loads((ORACLE / "pg15.18.json").read_text()):
        heavy = "error" not in case and (case["rewrite"] or case["scan"])
        made = online_rewrite(case["sql"], rows=rows) if heavy else None
        if made is None:
            continue
        try:
            wanted = after(server, "fd_oracle", case["sql"])
        except Broken:
            refused.append(case["id"])
            continue
        try:
            got = after(server, "fd_oracle", made.text)
        except Broken as broken:
            got = str(broken)
        same += got == wanted
        if got != wanted and case["id"] not in ALONE:
            different.append((case["id"], got[-600:]))
    assert different == []
    assert same >= 25, refused
