"""SQL inside SQL: bodies of DO blocks and functions, EXECUTE, what a SELECT hands to \\gexec. Pure.

What is written as a literal, a ``format()`` or a concatenation is read with a stand-in where names come in at run time;
what cannot be read is handed on as a statement of kind ``hidden``, so that nobody takes silence for safety.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from postgast import pg_query_pb2 as pb

from fulldress.formats.late import late
from fulldress.formats.sql.grammar import Unreadable, parse, plpgsql
from fulldress.formats.sql.names import dotted
from fulldress.formats.sql.nodes import find_nodes

AT_RUN_TIME = "fd_run_time"
"""Stands for a name that only the running migration knows."""
MAX_DEPTH = 4
"""Functions that call functions are followed so far."""

_PLACE = late(r"%(?:(\d+)\$)?[-\d*$]*([IsL%])")
Found = tuple[str, str, Any]
"""(kind, text, node) of a statement; ``("hidden", text, None)`` when it cannot be read."""


def bodies(
    kind: str, text: str, node: Any, functions: Mapping[str, str], depth: int = 0
) -> Iterator[tuple[str, str, Any, int]]:
    """(kind, text, node, line offset) of the statements that a DO block runs, or the known functions that a query calls."""
    if depth >= MAX_DEPTH:
        return
    if kind == "do_stmt":
        yield from _block(text, functions, depth)
        return
    for name in called(node) if functions else ():
        if name in functions:
            for inner in _function(functions[name], functions, depth + 1):
                yield (*inner[:3], 0)


def called(node: Any) -> list[str]:
    """The functions that a query or CALL names, each once."""
    calls = [node.funccall] if isinstance(node, pb.CallStmt) else find_nodes(node, pb.FuncCall)
    return list(dict.fromkeys(dotted(call.funcname) for call in calls if call.funcname))


def _function(text: str, functions: Mapping[str, str], depth: int) -> Iterator[tuple[str, str, Any, int]]:
    """The statements in the body of a CREATE FUNCTION in SQL or PL/pgSQL."""
    try:
        node = parse(text).stmts[0].stmt.create_function_stmt
    except (Unreadable, IndexError):
        return
    options = {option.def_elem.defname: option.def_elem.arg for option in node.options}
    language = options["language"].string.sval if "language" in options else "sql"
    if language == "plpgsql":
        yield from _block(text, functions, depth)
    elif language == "sql" and "as" in options and options["as"].list.items:
        body = options["as"].list.items[0].string.sval
        yield from _statements(body, 0, functions, depth)


def _block(text: str, functions: Mapping[str, str], depth: int) -> Iterator[tuple[str, str, Any, int]]:
    try:
        tree = plpgsql(text)
    except Unreadable:
        yield "hidden", " ".join(text.split())[:200], None, 0
        return
    for query, line, dynamic in _queries(tree):
        offset = max(0, line - 1)
        if not dynamic:
            yield from _statements(query, offset, functions, depth)
            continue
        for kind, body, node in _executed(query):
            yield kind, body, node, offset


def _statements(body: str, offset: int, functions: Mapping[str, str], depth: int) -> Iterator[tuple[str, str, Any, int]]:
    try:
        found = list(parse(body).stmts)
    except Unreadable:
        return
    for item in found:
        kind = item.stmt.WhichOneof("node")
        node = getattr(item.stmt, kind)
        yield kind, body.strip(), node, offset
        if kind in ("select_stmt", "call_stmt"):
            for inner in bodies(kind, body, node, functions, depth + 1):
                yield (*inner[:3], offset)


def _queries(tree: Any, line: int = 1) -> list[tuple[str, int, bool]]:
    """(query, line, dynamic) of every statement of a PL/pgSQL tree that runs SQL."""
    found: list[tuple[str, int, bool]] = []
    _collect(tree, line, found)
    return found


def _collect(tree: Any, line: int, found: list[tuple[str, int, bool]]) -> None:
    if type(tree) is list:
        for item in tree:
            _collect(item, line, found)
        return
    for name, value in tree.items():
        kind = type(value)
        if kind is dict:
            line = value.get("lineno", line)
        elif kind is not list:
            continue
        if name == "PLpgSQL_stmt_execsql":
            found.append((value["sqlstmt"]["PLpgSQL_expr"]["query"], line, False))
        elif name == "PLpgSQL_stmt_perform" or name == "PLpgSQL_stmt_call":
            found.append((value["expr"]["PLpgSQL_expr"]["query"], line, False))
        elif name == "PLpgSQL_stmt_dynexecute":
            found.append((value["query"]["PLpgSQL_expr"]["query"], line, True))
        else:
            _collect(value, line, found)


def _executed(expression: str) -> Iterator[Found]:
    """What ``EXECUTE expression`` runs."""
    try:
        target = parse(f"SELECT {expression}").stmts[0].stmt.select_stmt.target_list[0].res_target.val
    except (Unreadable, IndexError):
        yield "hidden", expression[:200], None
        return
    yield from sent_text(target)


def sent_text(value: Any) -> Iterator[Found]:
    """The statements in an expression that makes SQL text."""
    try:
        text = template(value)
    except RecursionError:
        text = AT_RUN_TIME
    try:
        if text.strip() == AT_RUN_TIME:
            raise Unreadable(text)
        stmts = list(parse(text).stmts)
    except Unreadable:
        yield "hidden", text, None
        return
    for item in stmts:
        kind = item.stmt.WhichOneof("node")
        yield kind, text.strip(), getattr(item.stmt, kind)


def template(value: Any) -> str:
    """The text that an expression makes, with the stand-in for what comes in at run time."""
    if value.HasField("a_const"):
        return str(value.a_const.sval.sval)
    if value.HasField("type_cast"):
        return template(value.type_cast.arg)
    if value.HasField("a_expr") and [n.string.sval for n in value.a_expr.name] == ["||"]:
        return template(value.a_expr.lexpr) + template(value.a_expr.rexpr)
    if value.HasField("func_call") and value.func_call.args:
        name, args = value.func_call.funcname[-1].string.sval, value.func_call.args
        if name == "format":
            return _formatted(template(args[0]), args[1:])
        if name in ("concat", "concat_ws"):
            return "".join(template(arg) for arg in args[name == "concat_ws" :])
        if name == "replace" and len(args) == 3 and args[1].HasField("a_const"):
            return template(args[0]).replace(args[1].a_const.sval.sval or "\0", template(args[2]))
        if name == "quote_ident":
            return _formatted("%I", args)
        if name == "quote_literal":
            return _formatted("%L", args)
    return AT_RUN_TIME


def _formatted(text: str, args: Sequence[Any]) -> str:
    """What ``format()`` makes: literals are filled in, everything else stays a stand-in."""
    following = iter(range(len(args)))

    def one(found: re.Match[str]) -> str:
        if found[2] == "%":
            return "%"
        at = int(found[1]) - 1 if found[1] else next(following, -1)
        value = args[at] if 0 <= at < len(args) else None
        said = template(value) if value is not None else AT_RUN_TIME
        if AT_RUN_TIME in said or not said:
            return "''" if found[2] == "L" else AT_RUN_TIME
        if found[2] == "L":
            return "'" + said.replace("'", "''") + "'"
        plain = found[2] == "s" or re.fullmatch(r"[a-z_][a-z0-9_$]*", said)
        return said if plain else '"' + said.replace('"', '""') + '"'

    return _PLACE.sub(one, text)
