# Prints the state of this machine that no file tree shows: units, configuration, rows, schemas. Reads only.
# Arguments: boundary, number of databases, the databases, then globs. Run with bash -s. A section begins with a line
# `BOUNDARY name`; the boundary is random, so that no content can pretend to be one. $rows_sql is set before (rows.py).
boundary=$1 count=$2
shift 2
databases=("${@:1:count}")
shift "$count"
export LC_ALL=C.UTF-8
shopt -s nullglob globstar
section() { printf '\n%s %s\n' "$boundary" "$*"; }
port= owner=postgres
as_owner() { runuser -u "$owner" -- env ${port:+PGPORT="$port"} PGOPTIONS='-c statement_timeout=0 -c max_parallel_workers_per_gather=4' "$@"; }
ask() { as_owner psql -XqAt -v ON_ERROR_STOP=1 -v VERBOSITY=terse -d "$1" 2>&1; } # database; the query comes on stdin
# All databases of a cluster: the declared ones, which must be there, then whatever else it holds.
databases_of() { # prefix, declared databases
  local prefix=$1 first=${2:-postgres} database; shift
  { printf '%s\n' "$@"; ask "$first" <<<"SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"; } |
    awk 'NF && !seen[$0]++' | while IFS= read -r database; do
    section "rows $prefix$database"; printf '%s\n%s' "\\pset fieldsep '\\t'" "$rows_sql" | ask "$database"
    section "schema $prefix$database"; as_owner pg_dump --create --schema-only --dbname="$database" </dev/null || printf '\nfailed\n'
  done
  section "roles $prefix"; as_owner pg_dumpall --globals-only --no-role-passwords </dev/null || printf '\nfailed\n'
  section "passwords $prefix"; ask "$first" <<<"SELECT rolname || E'\t' || md5(coalesce(rolpassword, '')) FROM pg_authid ORDER BY 1"
  section "settings $prefix"
  ask "$first" <<<"SELECT name || E'\t' || setting FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' ORDER BY 1"
}
# Every PostgreSQL cluster that runs here; the one that commands find by themselves carries no prefix.
clusters() {
  local usual version name number status
  usual=$(ask "${databases[0]}" <<<'SHOW port')
  databases_of '' "${databases[@]}"
  command -v pg_lsclusters >/dev/null || return 0
  pg_lsclusters --no-header | while read -r version name number status owner _; do
    [ "$status" = online ] && [ "$number" != "$usual" ] && { port=$number; databases_of "$version/$name:"; }
  done
}

section units; systemctl list-units --all --no-pager --output=json --type=service,socket,timer,path,target
section unit-files; systemctl list-unit-files --no-pager --output=json --type=service,socket,timer,path,target
section triggered; systemctl show --all '*.service' --property=Id --property=TriggeredBy

[ "$count" = 0 ] || clusters

IFS=
for glob in "$@"; do
  for file in $glob; do [ -f "$file" ] && { section "config $file"; head -c 1048576 -- "$file"; }; done
done
section end
