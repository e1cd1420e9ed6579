# Prints the state of this machine that no file tree shows: units, configuration, rows, schemas. Reads only.
# Arguments: boundary, number of databases, the databases, then globs. Run with bash -s. A section begins with a line
# `BOUNDARY name`; the boundary is random, so that no content can pretend to be one.
boundary=$1 count=$2
shift 2
databases=("${@:1:count}")
shift "$count"
export LC_ALL=C.UTF-8
shopt -s nullglob globstar
section() { printf '\n%s %s\n' "$boundary" "$*"; }
as_postgres() { runuser -u postgres -- env PGOPTIONS='-c statement_timeout=0 -c max_parallel_workers_per_gather=4' "$@"; }
# The text of a whole row is hashed, not the row: it exists for every type, and it tells 1.0 from 1.00, which hash equal.
rows() { # database
  as_postgres psql -XqAt -v ON_ERROR_STOP=1 -v VERBOSITY=terse -d "$1" 2>&1 <<'SQL'
\pset fieldsep '\t'
SET search_path = pg_catalog; SET DateStyle = 'ISO'; SET TimeZone = 'UTC'; SET bytea_output = 'hex'; SET extra_float_digits = 1; SET row_security = off;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT format('SELECT %L, count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM ONLY %s AS t', c.oid::regclass, c.oid::regclass)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\_t%' AND c.relispopulated ORDER BY c.oid::regclass::text \gexec
SELECT format('SELECT %L, last_value, is_called::int FROM %s', 'sequence ' || c.oid::regclass, c.oid::regclass)
  FROM pg_class c WHERE c.relkind = 'S' AND c.relpersistence <> 't' ORDER BY c.oid::regclass::text \gexec
COMMIT;
SELECT 'end', 0, 0;
SQL
}

section units; systemctl list-units --all --no-pager --output=json --type=service,socket,timer,path,target
section unit-files; systemctl list-unit-files --no-pager --output=json --type=service,socket,timer,path,target
section triggered; systemctl show --all '*.service' --property=Id --property=TriggeredBy

for database in "${databases[@]}"; do
  section "rows $database"; rows "$database"
  section "schema $database"; as_postgres pg_dump --schema-only --dbname="$database" </dev/null || printf '\nfailed\n'
done
[ "$count" = 0 ] || { section roles; as_postgres pg_dumpall --globals-only --no-role-passwords </dev/null || printf '\nfailed\n'; }

IFS=
for glob in "$@"; do
  for file in $glob; do [ -f "$file" ] && { section "config $file"; head -c 1048576 -- "$file"; }; done
done
section end
