"""What goes wrong when a migration runs while people work: its effects read as hazards, ranked by statement. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from postgast import pg_query_pb2 as pb

from fulldress.formats.late import late
from fulldress.formats.sql.altering import commands, constraints
from fulldress.formats.sql.breaks import other_hazards
from fulldress.formats.sql.catalogue import Catalogue
from fulldress.formats.sql.kinds import Hazard, HazardKind, rows_of
from fulldress.formats.sql.locks import Effect, at_least, lock_effects
from fulldress.formats.sql.names import conjuncts, relation
from fulldress.formats.sql.nodes import find_nodes
from fulldress.formats.sql.parse import Script, Statement, script

SMALL_ROWS = 10_000
"""Tables with fewer rows are scanned, rewritten and indexed within milliseconds."""
PATIENT_MS = 10_000.0
"""A longer lock_timeout is none: everybody queues behind the waiting statement meanwhile."""
_KEYS = late(r"(?:\w*_)?(?:id|key|uuid|code|name|version|slug)\Z", re.IGNORECASE)
_INDEXED = {pb.CONSTR_UNIQUE, pb.CONSTR_PRIMARY, pb.CONSTR_EXCLUSION}
_MUTEX = late(r"\bpg_(?:try_)?advisory_(?:xact_)?lock\s*\(|\block\s+table\s+\S*(?:migration|version)", re.IGNORECASE)


def small(rows: Mapping[str, int], name: str) -> bool:
    """True when the table is known to be too small to matter."""
    count = rows_of(rows, name)
    return count is not None and 0 <= count < SMALL_ROWS


def has_mutex(text: str) -> bool:
    """True when the script takes an advisory lock (or locks its version table) itself."""
    return any(_MUTEX.search(s.text) for s in script(text).statements)


def hazards(text: str, rows: Mapping[str, int] | None = None) -> list[Hazard]:
    """The hazards of a migration script, in order of its statements."""
    return list(script_hazards(script(text), rows or {}))


def script_hazards(parsed: Script, rows: Mapping[str, int], known: Catalogue | None = None) -> Iterator[Hazard]:
    """The hazards of a script that is already parsed. ``known`` is what scripts before it showed; it is moved on."""
    effects = lock_effects(parsed.statements, known)
    fresh = _created(parsed.statements)
    for effect in effects:
        yield from _single(effect, rows, fresh)
    yield from _transactions(effects, rows, fresh)
    yield from other_hazards(parsed, effects, rows, fresh)


def _created(statements: tuple[Statement, ...]) -> set[str]:
    return {relation(s.node.relation) for s in statements if s.kind == "create_stmt" and not s.node.if_not_exists} | {
        relation(s.node.into.rel) for s in statements if s.kind == "create_table_as_stmt"
    }


def _single(effect: Effect, rows: Mapping[str, int], fresh: Set[str]) -> Iterator[Hazard]:
    statement = effect.statement
    yield from _heavy(effect, rows)
    if statement.kind in ("update_stmt", "delete_stmt") and unbounded(statement, rows, fresh):
        name = relation(statement.node.relation)
        yield Hazard(
            kind="unbounded-backfill",
            relation=name,
            statement=statement,
            detail=f"every row that it touches in {name} stays locked until the whole statement commits",
        )
    yield from _timeout(effect)
    if concurrently(statement) and statement.in_transaction:
        yield Hazard(
            kind="concurrently-in-transaction",
            relation=next(iter(effect.locks), ""),
            statement=statement,
            detail="CONCURRENTLY is refused inside a transaction block, so the step fails in production",
        )
    elif concurrently(statement) and statement.lock_timeout_ms > 0:
        yield Hazard(
            kind="concurrently-in-transaction",
            relation=next(iter(effect.locks), ""),
            statement=statement,
            detail="a lock_timeout in force cancels the CONCURRENTLY build and leaves an invalid index behind",
        )


def concurrently(statement: Statement) -> bool:
    """True for CREATE/DROP/REINDEX ... CONCURRENTLY."""
    if statement.kind in ("index_stmt", "drop_stmt"):
        return bool(statement.node.concurrent)
    return statement.kind == "reindex_stmt" and any(p.def_elem.defname == "concurrently" for p in statement.node.params)


def _timeout(effect: Effect) -> Iterator[Hazard]:
    statement = effect.statement
    if not effect.locks or not at_least(effect.strongest, "Share") or statement.kind == "select_stmt":
        return
    if 0 < statement.patience_ms <= PATIENT_MS:
        return
    name = next(r for r, mode in effect.locks.items() if mode == effect.strongest)
    others = [f"{mode} on {r}" for r, mode in effect.locks.items() if r != name and at_least(mode, "Share")]
    and_on = f" (and {', '.join(others[:3])})" if others else ""
    later = "every later query" if effect.strongest == "AccessExclusive" else "every later write"
    yield Hazard(
        kind="migration-without-lock-timeout",
        relation=name,
        statement=statement,
        detail=f"while it waits for its {effect.strongest} lock on {name}{and_on}, {later} on {name} queues behind it",
    )


def _heavy(effect: Effect, rows: Mapping[str, int]) -> Iterator[Hazard]:
    statement = effect.statement
    if statement.kind in ("truncate_stmt", "select_stmt", "refresh_mat_view_stmt"):
        return
    for name in effect.rewrites:
        if not small(rows, name):
            detail = f"writes every row of {name} anew under an AccessExclusive lock: no read, no write until it is done"
            yield Hazard(kind="table-rewrite", relation=name, statement=statement, detail=detail)
    for name in effect.scans:
        if name in effect.rewrites or small(rows, name) or not at_least(effect.locks.get(name, "AccessShare"), "Share"):
            continue
        kind = _scan_kind(statement)
        blocked = "reads and writes wait" if effect.locks[name] == "AccessExclusive" else "writes wait"
        detail = f"reads through all of {name} under {an(effect.locks[name])} lock: {blocked} until it is done"
        yield Hazard(kind=kind, relation=name, statement=statement, detail=detail)


def an(mode: str) -> str:
    """A lock mode with its article."""
    return f"an {mode}" if mode[0] in "AE" else f"a {mode}"


def _scan_kind(statement: Statement) -> HazardKind:
    if statement.kind in ("index_stmt", "reindex_stmt"):
        return "index-blocks-writes"
    if statement.kind != "alter_table_stmt":
        return "constraint-validates-under-lock"
    listed = commands(statement.node)
    if any(cmd.subtype == pb.AT_SetNotNull or _takes_index(cmd) for cmd in listed):
        return "not-null-scan"
    if any(builds_index(cmd) for cmd in listed):
        return "index-blocks-writes"
    return "constraint-validates-under-lock"


def _takes_index(cmd: Any) -> bool:
    """PRIMARY KEY USING INDEX: its scan is that of SET NOT NULL."""
    return cmd.subtype == pb.AT_AddConstraint and bool(getattr(cmd, "def").constraint.indexname)


def builds_index(cmd: Any) -> bool:
    """True when an ALTER TABLE command builds an index: UNIQUE, PRIMARY KEY, EXCLUDE without USING INDEX."""
    definition = getattr(cmd, "def")
    if cmd.subtype == pb.AT_AddConstraint:
        return definition.constraint.contype in _INDEXED and not definition.constraint.indexname
    return cmd.subtype == pb.AT_AddColumn and any(constraints(definition.column_def, kind) for kind in _INDEXED)


def unbounded(statement: Statement, rows: Mapping[str, int], fresh: Set[str] = frozenset()) -> bool:
    """True for an UPDATE or DELETE that may touch a large part of an old table in one go."""
    node = statement.node
    name = relation(node.relation)
    if name in fresh or small(rows, name):
        return False
    return not any(_bounds(term) for term in conjuncts(node.where_clause))


def _bounds(term: Any) -> bool:
    """A term that keeps the number of rows small: a key's equality, a ctid range, a LIMIT in a subquery."""
    if any(ref.fields[-1].string.sval == "ctid" for ref in find_nodes(term, pb.ColumnRef)):
        return True
    if any(sub.HasField("limit_count") for sub in find_nodes(term, pb.SelectStmt)):
        return True
    if not term.HasField("a_expr") or term.a_expr.kind not in (pb.AEXPR_OP, pb.AEXPR_IN):
        return False
    if [part.string.sval for part in term.a_expr.name] != ["="]:
        return False
    sides = (term.a_expr.lexpr, term.a_expr.rexpr)
    named = [s.column_ref.fields[-1].string.sval for s in sides if s.HasField("column_ref")]
    return any(_KEYS.match(name) for name in named) and len(named) == 1


def _transactions(effects: list[Effect], rows: Mapping[str, int], fresh: Set[str]) -> Iterator[Hazard]:
    """Locks pile up: what one statement locked stays locked while later statements of its transaction work."""
    held: dict[int, dict[str, Effect]] = {}
    told: set[int] = set()
    for effect in effects:
        number = effect.statement.transaction
        if not number or number in told:
            continue
        mine = held.setdefault(number, {})
        holder = next(iter(mine.items()), None)
        why = _prolongs(effect, mine, rows, fresh)
        if holder and why:
            told.add(number)
            name, first = holder
            yield Hazard(
                kind="long-lock-transaction",
                relation=name,
                statement=first.statement,
                detail=f"its {first.locks[name]} lock on {name} is kept to the COMMIT, while {why}",
            )
        for name, mode in effect.locks.items():
            if at_least(mode, "Share") and not small(rows, name):
                mine.setdefault(name, effect)


def _prolongs(effect: Effect, mine: dict[str, Effect], rows: Mapping[str, int], fresh: Set[str]) -> str:
    statement, line = effect.statement, effect.statement.line
    if statement.kind in ("update_stmt", "delete_stmt") and unbounded(statement, rows, fresh):
        return f"line {line} changes the rows of {relation(statement.node.relation)}"
    busy = [name for name in (*effect.rewrites, *effect.scans) if not small(rows, name)]
    if busy:
        return f"line {line} reads or writes all of {busy[0]}"
    if "pg_sleep" in statement.text:
        return f"line {line} sleeps"
    if statement.kind == "select_stmt" and statement.node.from_clause and any(name not in fresh for name in effect.locks):
        return f"line {line} reads {', '.join(sorted(effect.locks))}"
    strong = [name for name, mode in effect.locks.items() if at_least(mode, "Share") and not small(rows, name)]
    others = [name for name in strong if name not in mine]
    return f"line {line} waits for a lock on {others[0]}" if others else ""
