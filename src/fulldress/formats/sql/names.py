"""Small readings of parse nodes: names, types, expressions, conjuncts. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import postgast
from postgast import pg_query_pb2 as pb

from fulldress.formats.late import late
from fulldress.formats.sql.grammar import Unreadable, parse
from fulldress.formats.sql.nodes import find_nodes

_PLAIN = late(r"[a-z_][a-z0-9_$]*\Z")
_STEADY_WORDS = """
    now transaction_timestamp current_date date to_timestamp to_char to_date lower upper btrim ltrim
    rtrim trim md5 sha256 encode decode coalesce nullif length substr substring replace left right lpad
    rpad concat concat_ws abs round floor ceil ceiling trunc power sqrt mod greatest least timezone
    date_trunc date_part extract make_date make_interval make_timestamp make_timestamptz
    jsonb_build_object jsonb_build_array json_build_object to_json to_jsonb json_build_array
    array_append array_remove array_length cardinality format split_part regexp_replace position strpos
    hashtext digest initcap reverse repeat translate quote_ident quote_literal current_setting pg_typeof
"""
_STEADY = frozenset(_STEADY_WORDS.split())
"""Built-in functions that are stable or immutable; every other call counts as volatile."""


@lru_cache(maxsize=4096)
def ident(name: str) -> str:
    """A name as it must be written in SQL."""
    try:
        bare = bool(_PLAIN.match(name)) and parse(f"SELECT 1 AS {name} FROM {name}") is not None
    except Unreadable:
        bare = False
    return name if bare else '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def relation(var: Any) -> str:
    """Name of a RangeVar: ``schema.table``, without the schema when it is public."""
    schema = var.schemaname
    return var.relname if schema in ("", "public") else f"{schema}.{var.relname}"


def written(var: Any) -> str:
    """A RangeVar's name as SQL, with the schema exactly as the script gives it."""
    return ".".join(ident(part) for part in (var.schemaname, var.relname) if part)


def dotted(items: Any) -> str:
    """A list of String nodes as one name, without ``public``."""
    parts = [item.string.sval for item in items]
    return ".".join(parts[1:] if len(parts) > 1 and parts[0] == "public" else parts)


def type_of(type_name: Any) -> tuple[str, tuple[int, ...]]:
    """(name, modifiers) of a TypeName, without ``pg_catalog``: ``("varchar", (10,))``; arrays end in ``[]``."""
    name = type_name.names[-1].string.sval if type_name.names else ""
    mods = tuple(m.a_const.ival.ival for m in type_name.typmods)
    return name + "[]" * len(type_name.array_bounds), mods


def deparse(kind: str, node: Any) -> str:
    """One statement's node as SQL."""
    tree = pb.ParseResult()
    getattr(tree.stmts.add().stmt, kind).CopyFrom(node)
    return str(postgast.deparse(tree))


def expression(node: Any) -> str:
    """An expression's node as SQL."""
    stmt = pb.SelectStmt()
    stmt.target_list.add().res_target.val.CopyFrom(node)
    stmt.limit_option = pb.LIMIT_OPTION_DEFAULT
    stmt.op = pb.SETOP_NONE
    return deparse("select_stmt", stmt).removeprefix("SELECT ")


def volatile(node: Any) -> bool:
    """True when evaluating the expression twice may give two values (unknown functions count as volatile)."""
    calls = list(find_nodes(node, pb.FuncCall))
    return any(call.funcname[-1].string.sval.lower() not in _STEADY for call in calls)


def columns(node: Any) -> set[str]:
    """Names of the columns that an expression reads."""
    refs = find_nodes(node, pb.ColumnRef)
    return {ref.fields[-1].string.sval for ref in refs if ref.fields[-1].HasField("string")}


def conjuncts(node: Any) -> Iterator[Any]:
    """The terms of a WHERE clause that must all hold."""
    if node.HasField("bool_expr") and node.bool_expr.boolop == pb.AND_EXPR:
        for part in node.bool_expr.args:
            yield from conjuncts(part)
    elif node.WhichOneof("node"):
        yield node


def null_test(term: Any, kind: int) -> str:
    """The column of ``col IS [NOT] NULL``, or ""."""
    if not term.HasField("null_test") or term.null_test.nulltesttype != kind:
        return ""
    arg = term.null_test.arg
    return arg.column_ref.fields[-1].string.sval if arg.HasField("column_ref") else ""
