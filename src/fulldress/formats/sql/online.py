"""Pieces of SQL from which an online migration is made: psql-runnable, bounded, safe to run again. Pure text.

Everything runs outside a transaction block. A lock is asked for a second at most; whoever is refused gives up what it
holds, sleeps and asks again, a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Sequence

from fulldress.formats.sql.names import ident, literal

LOCK_TIMEOUT = "1s"
TRIES = 40
BATCH_PAGES = 16
"""Pages per backfill batch: about a thousand rows, locked for a few milliseconds."""
FEW = 1000
"""A pass that finds fewer rows than this is the last but one."""

HEADER = f"""\\set ON_ERROR_STOP on
SET lock_timeout = '{LOCK_TIMEOUT}';
"""

MUTEX_NAMESPACE = 1178881351
MUTEX_SECONDS = 300
MUTEX = f"""\\set ON_ERROR_STOP on
-- One migration at a time: the lock is held until this session ends.
DO $fd$
DECLARE
  fd_deadline timestamptz := clock_timestamp() + interval '{MUTEX_SECONDS} seconds';
BEGIN
  LOOP
    EXIT WHEN pg_try_advisory_lock({MUTEX_NAMESPACE}, hashtext(current_database()));
    IF clock_timestamp() > fd_deadline THEN
      RAISE EXCEPTION 'another migration is running: it has held the migration lock for {MUTEX_SECONDS} seconds';
    END IF;
    -- Polled, with a new snapshot each time: a blocking wait deadlocks with CREATE INDEX CONCURRENTLY.
    COMMIT;
    PERFORM pg_sleep(0.25);
  END LOOP;
END
$fd$;
"""


def polled_lock(key: str) -> str:
    """A wait for the advisory lock ``key`` (one or two numbers, as SQL) that polls, with a new snapshot each time."""
    return MUTEX.split("\n", 2)[2].replace(f"{MUTEX_NAMESPACE}, hashtext(current_database())", key).rstrip("\n")


def _block(body: str) -> str:
    tag = "$fd$"
    while tag in body:
        tag = tag[:-1] + "x$"
    return f"DO {tag}\n{body}\n{tag};"


def _indent(text: str, by: int) -> str:
    """Indents the first line of each statement; bodies of strings and functions are left as they are."""
    return " " * by + text


def attempt(*sql: str, unless: str = "", ignore: Sequence[str] = ()) -> str:
    """DDL in one short transaction, tried again while its lock is refused; skipped when ``unless`` holds."""
    lines = [_indent(f"{one.rstrip().rstrip(';')};", 6) for one in sql]
    if unless:
        lines = [f"      IF NOT ({unless}) THEN", *(f"  {line}" for line in lines), "      END IF;"]
    ignored = f"      WHEN {' OR '.join(ignore)} THEN\n        EXIT;\n" if ignore else ""
    tried = "\n".join(lines)
    return _block(
        f"""DECLARE
  fd_tries int := 0;
BEGIN
  LOOP
    BEGIN
{tried}
      EXIT;
    EXCEPTION
{ignored}      WHEN lock_not_available OR deadlock_detected THEN
        fd_tries := fd_tries + 1;
        IF fd_tries >= {TRIES} THEN
          RAISE;
        END IF;
    END;
    COMMIT;
    PERFORM pg_sleep(least(5.0, 0.05 * 1.3 ^ fd_tries) * (0.5 + random()));
  END LOOP;
END"""
    )


def batches(table: str, head: str, todo: str, *, prefix: str = "", settle: bool = False) -> str:
    """An UPDATE or DELETE in batches of pages, each committed and followed by a pause as long as itself.

    ``head`` ends before WHERE; ``todo`` says which rows still need it. Rows move while others write, so passes repeat until
    one finds little; a last statement with one snapshot over all then takes what is left. ``settle``: the values may never
    compare equal; when passes do not get smaller, stop with a warning.
    """
    restless = f"""
  IF fd_total >= {FEW} THEN
    RAISE WARNING 'the backfill of {table.replace("'", "''")} does not settle: % rows change in each pass', fd_total;
    RETURN;
  END IF;"""
    ranged = f"""WHERE {prefix}ctid >= format('(%s,0)', fd_from)::tid
            AND {prefix}ctid < format('(%s,0)', fd_from + {BATCH_PAGES})::tid"""
    return _block(
        f"""DECLARE
  fd_from bigint;
  fd_pages bigint;
  fd_done bigint;
  fd_total bigint;
  fd_before bigint;
  fd_tries int := 0;
  fd_began timestamptz;
BEGIN
  LOOP
    SELECT coalesce(max(pg_relation_size(relid)), 0) INTO fd_pages
      FROM (SELECT relid FROM pg_partition_tree({literal(table)})
            UNION ALL SELECT {literal(table)}::regclass) AS fd_parts (relid);
    fd_pages := fd_pages / current_setting('block_size')::int;
    fd_from := 0;
    fd_total := 0;
    WHILE fd_from < fd_pages LOOP
      fd_began := clock_timestamp();
      BEGIN
        {head}
          {ranged}
            AND {todo};
        GET DIAGNOSTICS fd_done = ROW_COUNT;
        fd_total := fd_total + fd_done;
        fd_from := fd_from + {BATCH_PAGES};
        fd_tries := 0;
{_REFUSED}
      COMMIT;
      IF fd_done > 0 THEN
        PERFORM pg_sleep(least(1.0, extract(epoch FROM clock_timestamp() - fd_began)) + 0.02 * fd_tries);
      END IF;
    END LOOP;
    EXIT WHEN fd_total < {FEW} OR fd_total * 2 > fd_before;
    fd_before := fd_total;
  END LOOP;{restless if settle else ""}
{_remainder(head, todo, prefix)}END"""
    )


def _remainder(head: str, todo: str, prefix: str) -> str:
    """One snapshot over all, as often as it is refused: what moved out of the way of the batches."""
    return f"""  LOOP
    BEGIN
      -- One snapshot over all: rows that moved out of the way of the batches.
      {head}
        WHERE {prefix}ctid >= '(0,0)'::tid AND {todo};
      EXIT;
{_REFUSED}
    COMMIT;
    PERFORM pg_sleep(0.1 * fd_tries);
  END LOOP;
"""


_REFUSED = f"""      EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        fd_tries := fd_tries + 1;
        IF fd_tries >= {TRIES} THEN
          RAISE;
        END IF;
        fd_done := 1;
      END;"""


def concurrent_index(create: str, index: str, *, table: str) -> str:
    """CREATE INDEX CONCURRENTLY done safely: an invalid left-over is dropped first, validity is checked after."""
    name = literal(index)
    return f"""SET lock_timeout = 0;
SELECT format('DROP INDEX CONCURRENTLY %s', indexrelid::regclass)
  FROM pg_index WHERE indexrelid = to_regclass({name}) AND NOT indisvalid \\gexec
{create.rstrip(";")};
{
        _block(f'''BEGIN
  IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass({name})
                 AND indrelid = {literal(table)}::regclass AND indisvalid) THEN
    RAISE EXCEPTION 'index % is not valid on its table: run this migration again', {name};
  END IF;
END''')
    }
SET lock_timeout = '{LOCK_TIMEOUT}';"""


PARTITION, PART_INDEX = "fd_partition", "fd_part_index"
"""Stand-ins in the index of a partition, replaced when the partitions are known."""


def partition_indexes(table: str, index: str, ending: str, create: str) -> str:
    """CONCURRENTLY for every partition of a table, each attached to the index of the whole; safe to run again.

    ``ending``: what PostgreSQL puts behind a partition's name to name its index.
    """
    parts = f"""FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid JOIN pg_namespace n ON n.oid = relnamespace
  WHERE inhparent = {literal(table)}::regclass"""
    long = f"left(c.relname, 40) || '_' || left(md5(c.relname || {literal(ending)}), 8)"
    label = f"CASE WHEN length(c.relname) <= {63 - len(ending)} THEN c.relname || {literal(ending)} ELSE {long} END"
    missing = f"""AND NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid
                  WHERE i.inhparent = {literal(index)}::regclass AND x.indrelid = c.oid)"""
    text = f"replace(replace({literal(create)}, '{PARTITION}', c.oid::regclass::text), '{PART_INDEX}', quote_ident({label}))"
    return f"""SET lock_timeout = 0;
SELECT format('DROP INDEX CONCURRENTLY %s', x.indexrelid::regclass)
  FROM pg_index x JOIN pg_inherits ON inhrelid = x.indrelid
  WHERE inhparent = {literal(table)}::regclass AND NOT x.indisvalid \\gexec
SELECT {text}
  {parts}
  {missing} \\gexec
SELECT format('ALTER INDEX %s ATTACH PARTITION %I.%I', {literal(index)}, n.nspname, {label})
  {parts}
  {missing} \\gexec
{
        _block(f'''BEGIN
  IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass({literal(index)}) AND indisvalid) THEN
    RAISE EXCEPTION 'index % is not valid: a partition is itself partitioned, or came in meanwhile', {literal(index)};
  END IF;
END''')
    }
SET lock_timeout = '{LOCK_TIMEOUT}';"""


def partition(parent: str, child: str, sql: str, checks: Sequence[tuple[str, str]]) -> list[str]:
    """A partition attached (or made) by ``sql``; ``checks``: (table, condition) that are proved before and dropped after."""
    name = "fd_partition_bound"
    mine = f"inhparent = {literal(parent)}::regclass AND inhrelid = to_regclass({literal(child)})"
    there = f"EXISTS (SELECT FROM pg_inherits WHERE {mine})"
    pieces = []
    for table, condition in checks:
        add = f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID"
        pieces.append(attempt(add, unless=f"{there} OR {has_constraint(table, name)}"))
        pieces.append(attempt(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}", unless=there))
    pieces.append(attempt(sql, unless=there))
    return [*pieces, *(attempt(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}") for table, _ in checks)]


def without_timeout(sql: str) -> str:
    """A statement that must wait as long as it needs, because a cancelled one leaves rubbish (CONCURRENTLY)."""
    return f"SET lock_timeout = 0;\n{sql.rstrip(';')};\nSET lock_timeout = '{LOCK_TIMEOUT}';"


def has_constraint(table: str, name: str) -> str:
    """SQL: does the table have this constraint?"""
    return f"EXISTS (SELECT FROM pg_constraint WHERE conrelid = {literal(table)}::regclass AND conname = {literal(name)})"


def is_not_null(table: str, column: str) -> str:
    """SQL: is the column NOT NULL already?"""
    where = f"attrelid = {literal(table)}::regclass AND attname = {literal(column)} AND NOT attisdropped"
    return f"EXISTS (SELECT FROM pg_attribute WHERE {where} AND attnotnull)"


def not_null(table: str, column: str, *, again: str = "") -> list[str]:
    """SET NOT NULL without a scan under lock: a CHECK, validated while others work, stands in for the scan.

    ``again``: a backfill of the column, run once more when nobody can write NULL any longer.
    """
    name = f"fd_{column}_not_null".encode()[:63].decode("utf-8", "ignore")
    done, alter = is_not_null(table, column), f"ALTER TABLE {table}"
    check = f"{alter} ADD CONSTRAINT {ident(name)} CHECK ({ident(column)} IS NOT NULL) NOT VALID"
    strict = f"{alter} ALTER COLUMN {ident(column)} SET NOT NULL"
    return [
        attempt(check, unless=f"{done} OR {has_constraint(table, name)}"),
        *([again] if again else []),
        attempt(f"{alter} VALIDATE CONSTRAINT {ident(name)}", unless=done),
        attempt(strict, f"{alter} DROP CONSTRAINT IF EXISTS {ident(name)}"),
    ]
