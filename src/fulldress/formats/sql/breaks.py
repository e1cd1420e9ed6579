"""Hazards beside locks: what cannot run, what hides, what is locked on purpose, what the running version misses. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any

from postgast import pg_query_pb2 as pb

from fulldress.formats.late import late
from fulldress.formats.sql.altering import commands, constraints
from fulldress.formats.sql.dynamic import AT_RUN_TIME
from fulldress.formats.sql.kinds import Hazard, HazardKind, rows_of
from fulldress.formats.sql.locks import MODES, Effect, at_least
from fulldress.formats.sql.names import dotted, relation, type_of
from fulldress.formats.sql.nodes import find_nodes
from fulldress.formats.sql.parse import Script, Statement

_ALONE = {
    "vacuum_stmt",
    "createdb_stmt",
    "dropdb_stmt",
    "alter_system_stmt",
    "create_tablespace_stmt",
    "drop_table_space_stmt",
}
"""Statements that PostgreSQL refuses in a transaction block."""
_WHOLE = {pb.REINDEX_OBJECT_SCHEMA, pb.REINDEX_OBJECT_SYSTEM, pb.REINDEX_OBJECT_DATABASE}
_KNOWN = late(
    r"(?:pg_\w+|set_config|setval|nextval|currval|lastval|now|clock_timestamp|version|current_\w+|count|max|min|sum|avg|coalesce|"
    r"json\w*|jsonb\w*|array\w*|string_agg|format|concat\w*|lower|upper|length|to_\w+|generate_series|exists|has_\w+|"
    r"quote_\w+|md5|random|gen_random_uuid|unnest|row_number|date_\w+|extract|round|txid_\w+|obj_description|col_description|"
    r"regexp_\w+|replace|substr\w*|split_part|bool_\w+|every|greatest|least|nullif|uuid_\w+|inet_\w+|lo_\w+)\Z",
    re.IGNORECASE,
)
_OUTSIDE = late(r"(?:dblink\w*|http_\w+|pg_read_server_files|lo_export|pg_execute\w*)\Z", re.IGNORECASE)
_GONE = {
    pb.OBJECT_TABLE: "table",
    pb.OBJECT_VIEW: "view",
    pb.OBJECT_MATVIEW: "materialized view",
    pb.OBJECT_FUNCTION: "function",
    pb.OBJECT_PROCEDURE: "procedure",
    pb.OBJECT_TYPE: "type",
    pb.OBJECT_SEQUENCE: "sequence",
    pb.OBJECT_SCHEMA: "schema",
}


def other_hazards(parsed: Script, effects: list[Effect], rows: Mapping[str, int], fresh: Set[str]) -> Iterator[Hazard]:
    """The hazards that are not a matter of rewrites, scans and waiting."""
    made = _Made(parsed.statements, fresh)
    yield from _shape(parsed)
    yield from _enum_values(parsed.statements)
    for effect in effects:
        yield from _refused(effect.statement)
        yield from _explicit(effect, rows)
        yield from _hidden(effect.statement)
        yield from _breaking(effect.statement, made)
        yield from _required(effect.statement, made, rows)
        made.see(effect.statement)
    yield from _metas(parsed)
    yield from _style(parsed.statements, effects)


class _Made:
    """What the script itself makes: taking it away or renaming it breaks nobody."""

    def __init__(self, statements: tuple[Statement, ...], fresh: Set[str]) -> None:
        self.names = set(fresh)
        self.columns: set[tuple[str, str]] = set()
        self.emptied: set[str] = set()
        for s in statements:
            if s.kind == "view_stmt":
                self.names.add(relation(s.node.view))
            elif s.kind == "create_function_stmt":
                self.names.add(dotted(s.node.funcname))
            elif s.kind in ("create_enum_stmt", "composite_type_stmt"):
                self.names.add(dotted(s.node.type_name if s.kind == "create_enum_stmt" else []))
            elif s.kind == "alter_table_stmt":
                for cmd in commands(s.node):
                    if cmd.subtype == pb.AT_AddColumn:
                        self.columns.add((relation(s.node.relation), getattr(cmd, "def").column_def.colname))

    def see(self, s: Statement) -> None:
        """Follows which tables the script has emptied so far, by which name they go."""
        if s.kind == "delete_stmt" and not s.node.where_clause.WhichOneof("node"):
            self.emptied.add(relation(s.node.relation))
        elif s.kind == "truncate_stmt":
            self.emptied |= {relation(item.range_var) for item in s.node.relations}
        elif s.kind == "insert_stmt":
            self.emptied.discard(relation(s.node.relation))
        elif s.kind == "rename_stmt" and s.node.rename_type == pb.OBJECT_TABLE and relation(s.node.relation) in self.emptied:
            self.emptied.add(".".join([*relation(s.node.relation).split(".")[:-1], s.node.newname]))


def _hazard(kind: HazardKind, relation: str, statement: Statement, detail: str, *, mild: bool = False) -> Hazard:
    return Hazard(kind=kind, relation=relation, statement=statement, detail=detail, mild=mild)


def _shape(parsed: Script) -> Iterator[Hazard]:
    """BEGIN and COMMIT that do not pair."""
    opened = False
    last: Statement | None = None
    runner = bool(parsed.statements) and parsed.statements[0].transaction == 1 and _first_is_not_begin(parsed)
    for s in parsed.statements:
        if s.kind != "transaction_stmt" or s.inside:
            continue
        begins = s.node.kind in (pb.TRANS_STMT_BEGIN, pb.TRANS_STMT_START)
        ends = s.node.kind in (pb.TRANS_STMT_COMMIT, pb.TRANS_STMT_ROLLBACK)
        if begins and opened:
            what = "opens a transaction inside one: PostgreSQL only warns, and the first COMMIT ends both"
            yield _hazard("migration-cannot-run", "", s, what)
        elif ends and not opened and runner:
            what = "ends the transaction that the migration tool opened: what follows runs without one"
            yield _hazard("migration-cannot-run", "", s, what)
        elif ends and not opened:
            yield _hazard(
                "migration-cannot-run", "", s, "ends a transaction that nobody began: something is missing before it"
            )
        if begins:
            opened, last = True, s
        elif ends:
            opened = s.node.chain
    if opened and last is not None:
        what = "opens a transaction that is never committed: everything in it is undone when the session ends"
        yield _hazard("migration-cannot-run", "", last, what)


def _first_is_not_begin(parsed: Script) -> bool:
    return not (
        parsed.statements[0].kind == "transaction_stmt"
        and parsed.statements[0].node.kind in (pb.TRANS_STMT_BEGIN, pb.TRANS_STMT_START)
    )


def _enum_values(statements: tuple[Statement, ...]) -> Iterator[Hazard]:
    """A value that ALTER TYPE adds may not be used before its transaction commits."""
    added: dict[str, tuple[int, Statement]] = {}
    made = {dotted(s.node.type_name) for s in statements if s.kind == "create_enum_stmt"}
    for s in statements:
        if s.kind == "alter_enum_stmt" and s.node.new_val and not s.node.old_val:
            if s.transaction and dotted(s.node.type_name) not in made:
                added[s.node.new_val] = (s.transaction, s)
        elif added and s.node is not None and s.in_transaction:
            used = {c.sval.sval for c in find_nodes(s.node, pb.A_Const)} & set(added)
            for value in sorted(used):
                if added[value][0] == s.transaction:
                    detail = f"uses the enum value '{value}' in the transaction that adds it, which PostgreSQL refuses"
                    yield _hazard("migration-cannot-run", value, s, detail)
                    added.pop(value)


def _refused(s: Statement) -> Iterator[Hazard]:
    refused = s.kind in _ALONE or (s.kind == "reindex_stmt" and s.node.kind in _WHOLE)
    if s.kind == "vacuum_stmt" and not s.node.is_vacuumcmd:
        refused = False
    if s.kind == "cluster_stmt" and not s.node.HasField("relation"):
        refused = True
    if refused and s.in_transaction:
        what = " ".join(s.text.split()[:2]).upper()
        yield _hazard(
            "migration-cannot-run", "", s, f"is refused inside a transaction block ({what}), so the migration stops there"
        )


def _required(s: Statement, made: _Made, rows: Mapping[str, int]) -> Iterator[Hazard]:
    """ADD COLUMN ... NOT NULL without a value for the rows that exist."""
    if s.kind != "alter_table_stmt" or s.node.objtype != pb.OBJECT_TABLE:
        return
    name = relation(s.node.relation)
    if name in made.names or name in made.emptied or rows_of(rows, name) == 0:
        return
    for cmd in commands(s.node):
        column = getattr(cmd, "def").column_def
        given = (pb.CONSTR_DEFAULT, pb.CONSTR_IDENTITY, pb.CONSTR_GENERATED)
        if (
            cmd.subtype == pb.AT_AddColumn
            and constraints(column, pb.CONSTR_NOTNULL)
            and not any(constraints(column, kind) for kind in given)
            and "serial" not in type_of(column.type_name)[0]
        ):
            detail = f"demands a value of {column.colname} that no row of {name} has: it fails unless the table is empty"
            yield _hazard("migration-cannot-run", name, s, detail)


def _explicit(effect: Effect, rows: Mapping[str, int]) -> Iterator[Hazard]:
    s = effect.statement
    if s.kind == "refresh_mat_view_stmt" and effect.locks:
        name = relation(s.node.relation)
        if s.node.concurrent:
            detail = f"holds Exclusive on {name} while it reads it through: readers go on, another refresh waits"
            yield _hazard("lock-held-on-purpose", name, s, detail, mild=True)
        elif not s.node.skip_data:
            detail = f"fills {name} anew under AccessExclusive: nobody reads it until it is done"
            yield _hazard("lock-held-on-purpose", name, s, detail)
    elif s.kind == "lock_stmt" and effect.locks and at_least(MODES[s.node.mode - 1], "Share"):
        for name in effect.locks:
            count = rows_of(rows, name)
            if count is None or count > 0:
                blocked = "nobody reads or writes" if MODES[s.node.mode - 1] == "AccessExclusive" else "nobody writes"
                detail = f"takes {MODES[s.node.mode - 1]} on {name} to the COMMIT: {blocked} it until then"
                yield _hazard("lock-held-on-purpose", name, s, detail)


def _hidden(s: Statement) -> Iterator[Hazard]:
    if s.kind == "hidden":
        shown = " ".join(s.text.split()).replace(AT_RUN_TIME, "...")[:120]
        yield _hazard("migration-hides-statements", "", s, f"runs SQL that is put together at run time: {shown}")
    elif s.kind == "copy_stmt" and s.node.is_program:
        yield _hazard("migration-hides-statements", "", s, "starts a program on the database server (COPY ... PROGRAM)")
    elif s.kind in ("select_stmt", "call_stmt") and not s.inside:
        yield from _calls(s)


def _calls(s: Statement) -> Iterator[Hazard]:
    top = (
        [s.node.funccall]
        if s.kind == "call_stmt"
        else [item.res_target.val.func_call for item in s.node.target_list if item.res_target.val.HasField("func_call")]
    )
    for call in top:
        name = dotted(call.funcname)
        bare = name.rsplit(".", 1)[-1]
        if _OUTSIDE.match(bare):
            yield _hazard("migration-hides-statements", "", s, f"reaches outside this database by {bare}()")
        elif not _KNOWN.match(bare) and not name.startswith("pg_catalog.") and name not in s.opened:
            yield _hazard("migration-hides-statements", "", s, f"calls {name}(), which nobody here could read", mild=True)


def _metas(parsed: Script) -> Iterator[Hazard]:
    for meta in parsed.metas:
        words = meta.text.lower().split()
        shell = meta.name.startswith("!") or (meta.name in ("o", "g", "w") and "|" in meta.text)
        if shell or (meta.name == "copy" and "program" in words):
            s = Statement(text=meta.text, line=meta.line, kind="meta")
            yield _hazard("migration-hides-statements", "", s, f"starts a program from psql: {meta.text[:80]}")


def _breaking(s: Statement, made: _Made) -> Iterator[Hazard]:
    """What the version that still runs will look for in vain."""
    handler = _BREAKING.get(s.kind)
    if handler is not None:
        for name, detail in handler(s.node, made):
            yield _hazard("breaks-running-version", name, s, detail)


def _dropped(node: Any, made: _Made) -> Iterator[tuple[str, str]]:
    what = _GONE.get(node.remove_type)
    for item in node.objects if what else ():
        parts = item.list.items
        if item.HasField("object_with_args"):
            parts = item.object_with_args.objname
        elif item.HasField("type_name"):
            parts = item.type_name.names
        name = item.string.sval if item.HasField("string") else dotted(parts)
        if name and name not in made.names:
            yield name, f"drops the {what} {name}: what still uses it fails from then on"


def _renamed(node: Any, made: _Made) -> Iterator[tuple[str, str]]:
    kinds = {pb.OBJECT_TABLE: "table", pb.OBJECT_COLUMN: "column", pb.OBJECT_VIEW: "view", pb.OBJECT_TYPE: "type"}
    what = kinds.get(node.rename_type)
    if what is None:
        return
    name = relation(node.relation) if node.HasField("relation") else dotted(node.object.list.items)
    if name in made.names or (name, node.subname) in made.columns:
        return
    old = node.subname if what == "column" else name
    yield name, f"renames the {what} {old} to {node.newname}: the version that still runs asks for {old}"


def _altered(node: Any, made: _Made) -> Iterator[tuple[str, str]]:
    name = relation(node.relation)
    for cmd in commands(node) if name not in made.names else ():
        if cmd.subtype == pb.AT_DropColumn and (name, cmd.name) not in made.columns:
            yield name, f"drops {name}.{cmd.name}: the version that still runs asks for it, and its content is lost"


def _truncated(node: Any, made: _Made) -> Iterator[tuple[str, str]]:
    more = " and all tables that refer to it" if node.behavior == pb.DROP_CASCADE else ""
    for item in node.relations:
        name = relation(item.range_var)
        if name not in made.names:
            yield name, f"empties {name}{more} under AccessExclusive: the rows are lost, people see an empty table"


def _enum(node: Any, made: _Made) -> Iterator[tuple[str, str]]:
    if node.old_val and dotted(node.type_name) not in made.names:
        yield (
            dotted(node.type_name),
            f"renames the enum value '{node.old_val}': the version that still runs writes the old one",
        )


def _dropped_database(node: Any, _made: _Made) -> Iterator[tuple[str, str]]:
    yield node.dbname, f"drops the database {node.dbname}"


_BREAKING: dict[str, Callable[[Any, _Made], Iterator[tuple[str, str]]]] = {
    "drop_stmt": _dropped,
    "rename_stmt": _renamed,
    "alter_table_stmt": _altered,
    "truncate_stmt": _truncated,
    "alter_enum_stmt": _enum,
    "dropdb_stmt": _dropped_database,
}


def _style(statements: tuple[Statement, ...], effects: list[Effect]) -> Iterator[Hazard]:
    """Choices that are hard to take back later; nothing stops for them."""
    for s in statements:
        if s.kind == "create_enum_stmt":
            name = dotted(s.node.type_name)
            yield _hazard(
                "schema-choice", name, s, f"makes the enum {name}: a value can never be taken out again", mild=True
            )
        columns = s.kind in ("create_stmt", "alter_table_stmt") and "json" in s.text.lower()
        for column in find_nodes(s.node, pb.ColumnDef) if columns else ():
            if type_of(column.type_name)[0] == "json":
                detail = f"makes {column.colname} json: DISTINCT, GROUP BY and = fail on it; jsonb has them"
                yield _hazard("schema-choice", relation(s.node.relation), s, detail, mild=True)
    reading: dict[str, Effect] = {}
    for effect in effects:
        for name in effect.scans if effect.statement.kind == "alter_table_stmt" else ():
            if not at_least(effect.locks.get(name, "AccessShare"), "Share"):
                continue
            if name in reading and reading[name].statement is not effect.statement:
                detail = (
                    f"reads through {name} again, as line {reading[name].statement.line} did: one ALTER TABLE reads once"
                )
                yield _hazard("schema-choice", name, effect.statement, detail, mild=True)
            reading.setdefault(name, effect)
