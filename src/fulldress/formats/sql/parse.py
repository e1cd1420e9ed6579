"""Statements of a migration script, with their line, their transaction and the lock_timeout in force. Pure text.

Parsing is libpg_query's (PostgreSQL's own grammar). What it cannot read is kept as a statement of kind ``unparsed``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import postgast
from postgast import pg_query_pb2 as pb

from fulldress.formats.sql.grammar import Unreadable, parse, plpgsql
from fulldress.formats.sql.psql import Meta, plain

_UNITS = {"us": 0.001, "ms": 1.0, "": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_BEGINS = {pb.TRANS_STMT_BEGIN, pb.TRANS_STMT_START}
_ENDS = {pb.TRANS_STMT_COMMIT, pb.TRANS_STMT_ROLLBACK, pb.TRANS_STMT_PREPARE}


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a script. Statements inside a DO block follow it, with ``inside`` set."""

    text: str
    line: int
    kind: str
    """libpg_query's name: ``alter_table_stmt``, ``index_stmt`` ...; or ``unparsed``."""
    transaction: int = 0
    """Number of the transaction block it runs in; 0 when it commits by itself."""
    lock_timeout_ms: float = 0.0
    """lock_timeout in force when it runs, as far as the script sets it; 0 waits for ever."""
    inside: bool = False
    """It runs inside the DO block before it."""
    node: Any = None
    """The parse node (``pg_query_pb2``), or None."""

    @property
    def in_transaction(self) -> bool:
        """True when it runs in a transaction block, so that its locks last to the COMMIT."""
        return self.transaction > 0 or self.inside


class Script(msgspec.Struct, frozen=True):
    """A whole script: statements, psql meta-commands, and whether a transaction block stays open at its end."""

    statements: tuple[Statement, ...]
    metas: tuple[Meta, ...]
    open_at_end: bool

    @property
    def unparsed(self) -> tuple[Statement, ...]:
        """What the grammar refused."""
        return tuple(s for s in self.statements if s.kind == "unparsed")


def statements(text: str, *, single_transaction: bool = False) -> list[Statement]:
    """The statements of a script in order (``single_transaction`` as psql's -1 does it)."""
    return list(script(text, single_transaction=single_transaction).statements)


def script(text: str, *, single_transaction: bool = False) -> Script:
    """Reads a psql script. Never raises on bad SQL."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    bare = plain(clean)
    state = _State(1 if single_transaction else 0)
    found: list[Statement] = []
    for body, line, node in _raw(bare.sql, bare.cuts):
        found.extend(state.take(body, line, node))
    return Script(tuple(found), bare.metas, state.explicit)


def _raw(sql: str, cuts: tuple[int, ...]) -> Iterator[tuple[str, int, Any]]:
    """(text, line, node) per statement: the whole text at once, or piece by piece when the whole is refused."""
    try:
        yield from list(_parsed(sql, 1))
    except Unreadable:
        start = 0
        for cut in (*cuts, len(sql)):
            piece, line = sql[start:cut], sql.count("\n", 0, start) + 1
            start = cut + 1
            try:
                yield from list(_parsed(piece, line))
            except Unreadable:
                lead = len(piece) - len(piece.lstrip())
                yield piece.strip(), line + piece.count("\n", 0, lead), None


def _parsed(sql: str, first: int) -> Iterator[tuple[str, int, Any]]:
    data = sql.encode()
    for raw in parse(sql).stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(data)
        line = first + data.count(b"\n", 0, raw.stmt_location)
        body = data[raw.stmt_location : end].decode()
        lead = len(body) - len(body.lstrip())
        yield body.strip(), line + body.count("\n", 0, lead), raw.stmt


class _State:
    """What a session carries from one statement to the next."""

    def __init__(self, implicit: int) -> None:
        self.count = implicit
        self.current = implicit
        self.explicit = False
        self.session = 0.0
        self.local: float | None = None

    def take(self, body: str, line: int, node: Any) -> Iterator[Statement]:
        kind = node.WhichOneof("node") if node is not None else "unparsed"
        if kind == "transaction_stmt":
            self._transaction(node.transaction_stmt)
        timeout = self.session if self.local is None else self.local
        inner = getattr(node, kind) if node is not None else None
        base = Statement(text=body, line=line, kind=kind, transaction=self.current, lock_timeout_ms=timeout, node=inner)
        yield base
        if kind == "variable_set_stmt":
            self._set(inner)
        elif kind == "select_stmt":
            self._set_config(inner)
        elif kind == "do_stmt":
            yield from _body(base)

    def _transaction(self, stmt: Any) -> None:
        if stmt.kind in _BEGINS:
            self.explicit = True
            self.count += 1
            self.current = self.count
        elif stmt.kind in _ENDS:
            self.explicit = False
            self.current = 0
            self.local = None

    def _set(self, stmt: Any) -> None:
        if stmt.kind == pb.VAR_RESET_ALL or (stmt.name.lower() == "lock_timeout" and stmt.kind != pb.VAR_SET_VALUE):
            self.session, self.local = 0.0, None
        elif stmt.name.lower() == "lock_timeout" and stmt.args:
            self._value(milliseconds(stmt.args[0].a_const), local=stmt.is_local)

    def _set_config(self, stmt: Any) -> None:
        for call in postgast.find_nodes(stmt, pb.FuncCall):
            name = call.funcname[-1].string.sval if call.funcname else ""
            if name == "set_config" and len(call.args) == 3 and call.args[0].a_const.sval.sval.lower() == "lock_timeout":
                self._value(milliseconds(call.args[1].a_const), local=call.args[2].a_const.boolval.boolval)

    def _value(self, value: float, *, local: bool) -> None:
        if not local:
            self.session, self.local = value, None
        elif self.current:
            # SET LOCAL outside a transaction block is a warning and nothing else.
            self.local = value


def milliseconds(const: Any) -> float:
    """A timeout setting in milliseconds: ``'2s'``, ``2000``, ``'500 ms'``; 0 when it is off or unreadable."""
    if const.WhichOneof("val") == "ival":
        return float(const.ival.ival)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*", const.sval.sval)
    return float(found.group(1)) * _UNITS[found.group(2) or ""] if found else 0.0


def _body(block: Statement) -> Iterator[Statement]:
    """The SQL inside a DO block: static statements, and EXECUTE of a literal."""
    try:
        tree = plpgsql(block.text)
    except Unreadable:
        return
    timeout = block.lock_timeout_ms
    commits = "PLpgSQL_stmt_commit" in str(tree)
    for count, (query, offset) in enumerate(_queries(tree)):
        try:
            raw = list(parse(query).stmts)
        except Unreadable:
            continue
        for item in raw:
            kind = item.stmt.WhichOneof("node")
            node = getattr(item.stmt, kind)
            # A DO block is one transaction unless it commits; its own number keeps the locks apart from others'.
            number = block.transaction or -(block.line * 1000 + (count if commits else 0))
            yield Statement(
                text=query.strip(),
                line=block.line + max(0, offset - 1),
                kind=kind,
                transaction=number,
                lock_timeout_ms=timeout,
                inside=True,
                node=node,
            )


def _queries(tree: Any, line: int = 1) -> Iterator[tuple[str, int]]:
    if isinstance(tree, list):
        for item in tree:
            yield from _queries(item, line)
        return
    if not isinstance(tree, dict):
        return
    for name, value in tree.items():
        if isinstance(value, dict):
            line = value.get("lineno", line)
        if name == "PLpgSQL_stmt_execsql":
            yield value["sqlstmt"]["PLpgSQL_expr"]["query"], line
        elif name == "PLpgSQL_stmt_dynexecute":
            yield from _literal(value["query"]["PLpgSQL_expr"]["query"], line)
        else:
            yield from _queries(value, line)


def _literal(expression: str, line: int) -> Iterator[tuple[str, int]]:
    """``EXECUTE 'ALTER ...'`` and ``EXECUTE format('ALTER ...')`` without placeholders."""
    try:
        tree = parse(f"SELECT {expression}")
    except Unreadable:
        return
    target = tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val
    if target.HasField("func_call") and target.func_call.args:
        target = target.func_call.args[0]
    if target.HasField("a_const"):
        yield target.a_const.sval.sval, line
