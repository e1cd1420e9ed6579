"""``migration``: run a SQL file against a PostgreSQL database of the host, alone.

Always in a session that holds the product's advisory lock, so that two runners never migrate at once. The lock is polled
by short statements: a session that *waits* for it would hold a snapshot, and ``CREATE INDEX CONCURRENTLY`` waits for those.
"""

from __future__ import annotations

import re

from fulldress.model.plan import Step, StepScripts
from fulldress.steps._bash import HEAD, word
from fulldress.steps._contract import KindInfo, StepContext, bad

KIND = KindInfo(
    slug="migration",
    summary="run a SQL file against a database",
    required={"database": "name of the database"},
    optional={
        "place": "the SQL file in the adapted package",
        "content": "the SQL itself, instead of `place`",
        "down": "SQL that reverts it",
        "down-place": "file with the SQL that reverts it, instead of `down`",
        "verify-query": "query with one value that tells whether it is done",
        "verify-expect": "the value when it is done (default t)",
        "lock-wait-s": "how long to wait for another migration to end (default 30)",
        "user": "unix user that runs psql (default postgres)",
    },
)
LOCK = 0x46554C4C
"""Key of the advisory lock: "FULL"."""

_SQL = re.compile(r"[A-Za-z0-9_.$-]+\Z")

SESSION = r"""
fd_sql() {  # sql FILE: its statements in one session that holds the advisory lock
  local answer deadline=$((SECONDS + FD_LOCK_WAIT)) code=0
  coproc DB { cd / && exec runuser -u "$FD_DB_USER" -- psql -X -A -t -b -v ON_ERROR_STOP=1 -d "$FD_DB" 2>&1; }
  local pid=$DB_PID in=${DB[1]} out=${DB[0]}
  while :; do
    printf 'SELECT pg_try_advisory_lock(%s);\n' "$FD_LOCK" >&"$in" || { cat <&"$out"; return 1; }
    IFS= read -r answer <&"$out" || { echo "no answer from the database"; return 1; }
    [ "$answer" != t ] || break
    [ "$answer" = f ] || { echo "$answer"; cat <&"$out" & printf '\\q\n' >&"$in" || true; sleep 0.2; return 1; }
    [ $SECONDS -lt $deadline ] || { echo "another migration holds the lock"; printf '\\q\n' >&"$in"; return 1; }
    sleep 0.1
  done
  exec {keep}<&"$out"; cat <&"$keep" & local printer=$!
  { cat -- "$1"; printf '\n\\q\n'; } >&"$in" || true
  exec {in}>&-
  wait "$pid" || code=$?
  wait "$printer" || true
  exec {keep}<&-
  return $code
}
fd_query() { (cd / && runuser -u "$FD_DB_USER" -- psql -X -A -t -q -v ON_ERROR_STOP=1 -d "$FD_DB" -c "$1"); }
"""


def compile(step: Step, ctx: StepContext) -> StepScripts:
    """Up, down, and the query that tells which of them holds."""
    params = step.params
    database, user = str(params["database"]), str(params.get("user", "postgres"))
    if not _SQL.match(database) or not _SQL.match(user) or database.startswith("-"):
        raise bad(step, "`database` and `user` must be plain names")
    up = ctx.content(step, params)
    down = ctx.content(step, params, "down-place", "down") if "down" in params or "down-place" in params else ""
    wait = int(params.get("lock-wait-s", 30))
    head = f"{HEAD}FD_DB={word(database)} FD_DB_USER={word(user)} FD_LOCK={LOCK} FD_LOCK_WAIT={wait}{SESSION}"
    query = str(params.get("verify-query", ""))
    holds = f'[ "$(fd_query {word(query)})" = {word(params.get("verify-expect", "t"))} ]' if query else ""
    skip = f'if [ -e "$FD_UNDO/started" ] && {holds}; then echo "already done"; exit 0; fi\n' if query else ""
    undo = f'{head}[ -e "$FD_UNDO/started" ] || exit 0\nfd_sql "$FD_BLOBS"/{down}\n' if down else ""
    return StepScripts(
        id=step.id,
        do=f'{head}{skip}: >"$FD_UNDO/started"; sync "$FD_UNDO/started" "$FD_UNDO"\nfd_sql "$FD_BLOBS"/{up}\n',
        verify_before=f"{head}fd_query 'SELECT 1' >/dev/null\n",
        verify_after=f"{head}{holds}\n" if query else "",
        undo=undo,
        blobs=tuple(sha for sha in (up, down) if sha),
    )
