"""The SQL that proves rows equal: one number per table, and, where two numbers differ, the keys of the rows that do.

Text only; whoever runs it does so as the server's own superuser, in a read-only transaction. What is compared, and why not
the text of each row: docs/adr/0021-what-equal-rows-means.md.
"""

from __future__ import annotations

from collections.abc import Sequence

BUCKETS = 4096
"""Rows of a table are summed in so many heaps by their keys, so that the few that differ are found at any size."""

SETTINGS = """
SET search_path = pg_catalog; SET DateStyle = 'ISO'; SET TimeZone = 'UTC'; SET bytea_output = 'hex';
SET extra_float_digits = 1; SET row_security = off; SET statement_timeout = 0;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
"""

_PLAIN = (
    *("bool", '"char"', "int2", "int4", "int8", "oid", "name", "text", "varchar", "uuid", "bytea"),
    *("date", "time", "timestamp", "timestamptz", "macaddr", "inet", "cidr"),
)
"""Types of which two equal values have equal bytes, so that the server's own hash of them tells all there is."""

_PLAIN_OIDS = ", ".join(f"'pg_catalog.{name}'::regtype" for name in _PLAIN)

_COLUMN = f"""
CASE WHEN current_setting('server_version_num')::int < 140000
       OR y.oid IN ({_PLAIN_OIDS}) AND coalesce(l.collprovider <> 'i', true) THEN format('t.%I', a.attname)
     WHEN p.oid IS NOT NULL THEN format('%I.%I(t.%I)', s.nspname, p.proname, a.attname)
     ELSE format('t.%I::text', a.attname) END
"""

HASH_OF_A_ROW = f"""
(SELECT format(CASE WHEN current_setting('server_version_num')::int >= 140000
                    THEN 'hash_record_extended(ROW(%s), 0)' ELSE 'hashtextextended(ROW(%s)::text, 0)' END,
               coalesce(string_agg({_COLUMN}, ', ' ORDER BY a.attnum), ''))
   FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN pg_proc p ON p.oid = y.typsend
   LEFT JOIN pg_namespace s ON s.oid = p.pronamespace LEFT JOIN pg_collation l ON l.oid = a.attcollation
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
"""
"""SQL text: the expression that hashes a row ``t`` of the table ``c.oid``. Values of types that have several forms of one
value (1.0 and 1.00, 0 and -0, jsonb, char(n), citext, ICU collations) are hashed as the bytes a client would be sent."""

TABLES = f"""
{SETTINGS}
SELECT format('SELECT %1$L, count(*), coalesce(sum(%2$s), 0) FROM ONLY %1$s AS t', c.oid::regclass, {HASH_OF_A_ROW})
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\\_t%' AND c.relispopulated ORDER BY c.oid::regclass::text \\gexec
SELECT format('SELECT %L, last_value, is_called::int FROM %s', 'sequence ' || c.oid::regclass, c.oid::regclass)
  FROM pg_class c WHERE c.relkind = 'S' AND c.relpersistence <> 't' ORDER BY c.oid::regclass::text \\gexec
SELECT 'SELECT ''large objects'', count(*),
  coalesce(sum(hashtextextended(loid || '':'' || pageno || encode(data, ''hex''), 0)), 0)
  FROM pg_largeobject' WHERE EXISTS (SELECT FROM pg_largeobject_metadata) \\gexec
COMMIT;
SELECT 'end', 0, 0;
"""
"""For psql: ``name TAB count TAB sum`` of every table, then of every sequence, then a last line; all of one moment."""


def literal(text: str) -> str:
    """SQL text of a string."""
    return "'" + text.replace("'", "''") + "'"


def buckets(table: str) -> str:
    """For psql: ``bucket TAB count TAB sum`` of a table with a primary key; nothing for one without."""
    return _generated(table, f"'SELECT %1$s & {BUCKETS - 1}, count(*), sum(%2$s) FROM ONLY %3$s AS t GROUP BY 1 ORDER BY 1'")


def bucket_rows(table: str, numbers: Sequence[int]) -> str:
    """For psql: ``key TAB hash`` of the rows in some buckets. The key reads ``id=7, part=2``."""
    some = ", ".join(str(int(number)) for number in numbers)
    return _generated(table, f"'SELECT %4$s, %2$s FROM ONLY %3$s AS t WHERE (%1$s & {BUCKETS - 1}) IN ({some})'")


def row_columns(table: str, keys: Sequence[str]) -> str:
    """For psql: ``key TAB column TAB digest of its text`` for a few rows: which columns of a row differ."""
    some = ", ".join(literal(key) for key in keys).replace("'", "''").replace("%", "%%")
    text = f"'SELECT %4$s, v.k, v.d FROM ONLY %3$s AS t CROSS JOIN LATERAL (VALUES %5$s) v(k, d) WHERE %4$s IN ({some})'"
    return _generated(table, text)


def _generated(table: str, template: str) -> str:
    """A query over a table whose columns are not known here: 1 hash of the key, 2 of the row, 3 table, 4 key, 5 columns."""
    return f"""{SETTINGS}
SELECT format({template}, k.hashed, {HASH_OF_A_ROW}, c.oid::regclass, k.shown, k.columns)
  FROM pg_class c CROSS JOIN LATERAL (
    SELECT format('hashtextextended(concat(%s), 0)', string_agg(format('t.%I', a.attname), ', '',''::text, '
                  ORDER BY a.attnum) FILTER (WHERE a.attnum = ANY (i.indkey))) AS hashed,
           format('concat(%s)', string_agg(format('%L::text, t.%I', a.attname || '=', a.attname), ', '', ''::text, '
                  ORDER BY a.attnum) FILTER (WHERE a.attnum = ANY (i.indkey))) AS shown,
           string_agg(format('(%L, md5(t.%I::text))', a.attname, a.attname), ', ' ORDER BY a.attnum) AS columns
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
     WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum > 0 AND NOT a.attisdropped) k
 WHERE c.oid = {literal(table)}::regclass AND k.hashed IS NOT NULL \\gexec
COMMIT;
"""
