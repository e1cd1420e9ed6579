"""Online forms that need to know what earlier migrations showed: partitions, keys over nullable columns."""

from __future__ import annotations

import copy

import pytest

from fulldress.formats.sql import Catalogue, online_rewrite, script, script_hazards, statements

PARTITIONED = """
CREATE TABLE event (id bigint, day date NOT NULL, kind text) PARTITION BY RANGE (day);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE event_rest PARTITION OF event DEFAULT;
INSERT INTO event SELECT g, date '2026-01-01' + g % 60, 'k' || g FROM generate_series(1, 3000) g;
"""
KEYED = """
CREATE TABLE note (id bigint, body text);
INSERT INTO note SELECT g, 'b' FROM generate_series(1, 3000) g;
CREATE UNIQUE INDEX note_key ON note (id);
"""
STANDALONE = """
CREATE TABLE event_9 (id bigint, day date NOT NULL, kind text);
INSERT INTO event_9 SELECT g, date '2026-09-01' + g % 30, 'k' FROM generate_series(1, 3000) g;
"""
SEPTEMBER = "FOR VALUES FROM ('2026-09-01') TO ('2026-10-01');"
LISTED = """
CREATE TABLE place (id bigint, code text) PARTITION BY LIST (code);
CREATE TABLE place_rest PARTITION OF place DEFAULT;
CREATE TABLE place_b (id bigint, code text);
INSERT INTO place_b VALUES (1, 'b'), (2, 'c');
INSERT INTO place VALUES (3, 'x'), (4, NULL);
"""
CASES = {
    "partitioned index": (PARTITIONED, "CREATE INDEX event_kind ON event (kind, day);"),
    "partitioned unique index": (PARTITIONED, "CREATE UNIQUE INDEX event_once ON public.event (id, day) WHERE kind <> 'x';"),
    "attached": (PARTITIONED + STANDALONE, "ALTER TABLE event ATTACH PARTITION event_9 " + SEPTEMBER),
    "attached to the last": (
        PARTITIONED + STANDALONE,
        "ALTER TABLE event ATTACH PARTITION event_9 FOR VALUES FROM ('2026-09-01') TO (MAXVALUE);",
    ),
    "made beside a default": (PARTITIONED, "CREATE TABLE event_9 PARTITION OF event " + SEPTEMBER),
    "attached to a list": (LISTED, "ALTER TABLE place ATTACH PARTITION place_b FOR VALUES IN ('b', 'c');"),
    "key over a nullable column": (KEYED, "ALTER TABLE note ADD CONSTRAINT note_pkey PRIMARY KEY USING INDEX note_key;"),
}


def known(base: str) -> Catalogue:
    catalogue = Catalogue(statements(base))
    catalogue.settle()
    return catalogue


@pytest.mark.parametrize("name", CASES)
def test_nothing_heavy_is_left(name: str) -> None:
    base, migration = CASES[name]
    made = online_rewrite(migration, rows={}, known=known(base))
    assert made is not None
    assert made.left == ()
    assert [h for h in script_hazards(script(made.text), {}, known(base)) if not h.mild] == []


@pytest.mark.machine
@pytest.mark.parametrize("name", CASES)
def test_same_schema(server, name: str) -> None:
    """Original and online form end alike, and the online form runs twice."""
    base, migration = CASES[name]
    made = online_rewrite(migration, rows={}, known=known(base))
    assert made is not None
    server.make("fd_known_one", base)
    server.make("fd_known_two", base)
    try:
        server.sql("fd_known_one", migration)
        server.sql("fd_known_two", made.text)
        once = server.schema("fd_known_two")
        assert once == server.schema("fd_known_one")
        server.sql("fd_known_two", made.text)
        assert server.schema("fd_known_two") == once
    finally:
        server.drop("fd_known_one", "fd_known_two")


@pytest.mark.machine
@pytest.mark.parametrize("name", [name for name in CASES if "attached" in name or "made" in name])
def test_the_server_believes_the_check(server, name: str) -> None:
    """PostgreSQL says itself that it spared the scan."""
    base, migration = CASES[name]
    made = online_rewrite(migration, rows={}, known=known(base))
    assert made is not None
    server.make("fd_known_told", base)
    try:
        done = server.told("fd_known_told", "SET client_min_messages = debug1;\n" + made.text)
        implied = done.count("is implied by existing constraints")
        assert implied == (1 if name.startswith("made") else 2)
    finally:
        server.drop("fd_known_told")


def test_the_catalogue_of_the_caller_is_left_alone() -> None:
    catalogue = known(KEYED)
    online_rewrite("ALTER TABLE note ALTER COLUMN body SET NOT NULL;", rows={}, known=catalogue)
    assert "body" not in catalogue.tables["note"].not_null


def test_a_check_of_an_earlier_migration_spares_the_scan() -> None:
    """Cross-file: NOT VALID in one migration, VALIDATE in the next, SET NOT NULL in the third."""
    catalogue = known("CREATE TABLE t (a int);")
    kinds = []
    for migration in (
        "SET lock_timeout = '1s'; ALTER TABLE t ADD CONSTRAINT a_there CHECK (a IS NOT NULL) NOT VALID;",
        "ALTER TABLE t VALIDATE CONSTRAINT a_there;",
        "SET lock_timeout = '1s'; ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
    ):
        kinds.append([h.kind for h in script_hazards(script(migration), {}, catalogue)])
        catalogue.settle()
    assert kinds == [[], [], []]


def test_a_copy_of_a_catalogue_is_the_same_and_goes_its_own_way() -> None:
    base = "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL); CREATE VIEW v AS SELECT a FROM t; CREATE INDEX i ON t (a);"
    first = known(f"{base} ALTER TABLE t ADD CONSTRAINT c CHECK (a > 1) NOT VALID;")
    told = first.told()
    second = copy.deepcopy(first)
    assert vars(second).keys() == vars(first).keys() and second.told() == told
    for statement in statements("ALTER TABLE t VALIDATE CONSTRAINT c; ALTER TABLE t ADD b int; CREATE TABLE u (x int);"):
        second.take(statement)
    assert first.told() == told != second.told()
