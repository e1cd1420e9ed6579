"""Statements of a migration script, with their line, their transaction and the lock_timeout in force. Pure text.

Parsing is libpg_query's (PostgreSQL's own grammar). What it cannot read is kept as a statement of kind ``unparsed``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from postgast import pg_query_pb2 as pb

from fulldress.formats.late import late
from fulldress.formats.sql.dynamic import bodies, called, sent_text
from fulldress.formats.sql.grammar import Unreadable, parse
from fulldress.formats.sql.names import dotted
from fulldress.formats.sql.nodes import find_nodes
from fulldress.formats.sql.psql import Meta, Plain, plain

_UNITS = {"us": 0.001, "ms": 1.0, "": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_COMMITS = late(r"(?i)\b(?:commit|rollback)\s*(?:;|work|and)")
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
    statement_timeout_ms: float = 0.0
    """statement_timeout in force, which bounds a wait for a lock as well; 0 for none."""
    inside: bool = False
    """It runs inside the DO block or function call before it, or is sent by psql's \\gexec."""
    alone: bool = False
    """Sent by \\gexec: it commits by itself though it is ``inside``."""
    opened: tuple[str, ...] = ()
    """Functions that it calls and whose bodies follow it."""
    node: Any = None
    """The parse node (``pg_query_pb2``), or None."""

    @property
    def in_transaction(self) -> bool:
        """True when it runs in a transaction block, so that its locks last to the COMMIT."""
        return self.transaction > 0 or (self.inside and not self.alone)

    @property
    def patience_ms(self) -> float:
        """How long it waits for a lock at most; 0 for ever."""
        set_ones = [value for value in (self.lock_timeout_ms, self.statement_timeout_ms) if value > 0]
        return min(set_ones, default=0.0)


class Script(msgspec.Struct, frozen=True):
    """A whole script: statements, psql meta-commands, and whether a transaction block stays open at its end."""

    statements: tuple[Statement, ...]
    metas: tuple[Meta, ...]
    open_at_end: bool

    @property
    def unparsed(self) -> tuple[Statement, ...]:
        """What the grammar refused."""
        return tuple(s for s in self.statements if s.kind == "unparsed")


class Session(msgspec.Struct, frozen=True):
    """What a script finds when it starts: how its runner calls it, and what other scripts left behind."""

    single_transaction: bool = False
    """As psql's -1, and as most migration tools do it."""
    lock_timeout_ms: float = 0.0
    """From PGOPTIONS, ALTER ROLE ... SET, ALTER DATABASE ... SET."""
    functions: Mapping[str, str] = {}
    """Functions that exist already: name -> their CREATE FUNCTION."""


def statements(text: str, *, single_transaction: bool = False) -> list[Statement]:
    """The statements of a script in order (``single_transaction`` as psql's -1 does it)."""
    return list(script(text, single_transaction=single_transaction).statements)


def script(text: str, *, single_transaction: bool = False, session: Session | None = None) -> Script:
    """Reads a psql script. Never raises on bad SQL."""
    bare, raw = _read(text.encode("utf-8", "replace").decode("utf-8"))
    state = _State(session or Session(single_transaction))
    found: list[Statement] = []
    sends = [meta.line for meta in bare.metas if meta.name == "gexec"]
    for body, line, node in raw:
        found.extend(state.take(body, line, node))
        if sends and found[-1].kind == "select_stmt" and sends[0] <= line + body.count("\n") + 1:
            sends.pop(0)
            found.extend(_sent(found[-1]))
    return Script(tuple(found), bare.metas, state.explicit)


MAX_KEPT = 1 << 20
"""Characters of scripts whose parse trees are kept: a tree is some fifty times as large as its text."""
_Raw = tuple[str, int, Any]
_kept: dict[str, tuple[Plain, list[_Raw]]] = {}
"""Text -> what it was read as, for the next one who asks: every rule of migrations does. The trees are only looked at."""


def _read(text: str) -> tuple[Plain, list[_Raw]]:
    if text in _kept:
        return _kept[text]
    bare = plain(text)
    read = bare, list(_raw(bare.sql, bare.cuts))
    if len(text) <= MAX_KEPT:
        while sum(map(len, _kept)) + len(text) > MAX_KEPT:
            del _kept[next(iter(_kept))]
        _kept[text] = read
    return read


def _sent(query: Statement) -> Iterator[Statement]:
    """What \\gexec sends, as far as its query shows it."""
    for item in query.node.target_list:
        for kind, text, node in sent_text(item.res_target.val):
            yield msgspec.structs.replace(query, kind=kind, text=text, node=node, inside=True, alone=True)


def _raw(sql: str, cuts: tuple[int, ...]) -> Iterator[_Raw]:
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


def _parsed(sql: str, first: int) -> Iterator[_Raw]:
    data = sql.encode()
    line, counted = first, 0
    for raw in parse(sql).stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(data)
        line, counted = line + data.count(b"\n", counted, raw.stmt_location), raw.stmt_location
        body = data[raw.stmt_location : end].decode()
        lead = len(body) - len(body.lstrip())
        yield body.strip(), line + body.count("\n", 0, lead), raw.stmt


class _Settings(NamedTuple):
    """The two timeouts."""

    lock: float = 0.0
    statement: float = 0.0


_FIELDS = {"lock_timeout": "lock", "statement_timeout": "statement"}


class _State:
    """What a session carries from one statement to the next."""

    def __init__(self, session: Session) -> None:
        self.count = self.current = 1 if session.single_transaction else 0
        self.explicit = False
        self.default = self.session = self.before = _Settings(lock=session.lock_timeout_ms)
        """Set at connection; set now; set when the transaction began (a ROLLBACK goes back to it)."""
        self.local: _Settings | None = None
        self.functions = dict(session.functions)

    def take(self, body: str, line: int, node: Any) -> Iterator[Statement]:
        kind = node.WhichOneof("node") if node is not None else "unparsed"
        if kind == "transaction_stmt":
            self._transaction(node.transaction_stmt)
        now = self.local or self.session
        inner = getattr(node, kind) if node is not None else None
        base = Statement(
            text=body,
            line=line,
            kind=kind,
            transaction=self.current,
            lock_timeout_ms=now.lock,
            statement_timeout_ms=now.statement,
            opened=tuple(n for n in called(inner) if n in self.functions)
            if self.functions and kind in ("select_stmt", "call_stmt")
            else (),
            node=inner,
        )
        yield base
        if kind == "variable_set_stmt":
            self._set(inner)
        elif kind == "discard_stmt":
            self.session, self.local = self.default, None
        elif kind == "create_function_stmt" and inner is not None:
            self.functions[dotted(inner.funcname)] = body
        if kind in ("select_stmt", "call_stmt") and "set_config" in body.lower():
            self._set_config(inner)
        if kind in ("select_stmt", "call_stmt", "do_stmt"):
            yield from self._inside(base)

    def _inside(self, base: Statement) -> Iterator[Statement]:
        commits = base.kind == "do_stmt" and _COMMITS.search(base.text) is not None
        for count, (kind, text, node, offset) in enumerate(bodies(base.kind, base.text, base.node, self.functions)):
            # A DO block is one transaction unless it commits; its own number keeps the locks apart from others'.
            number = base.transaction or -(base.line * 1000 + (count if commits else 0))
            line = base.line + max(0, offset)
            yield msgspec.structs.replace(base, kind=kind, text=text, node=node, line=line, transaction=number, inside=True)

    def _transaction(self, stmt: Any) -> None:
        if stmt.kind in _BEGINS:
            if not self.current:
                self.count += 1
                self.current, self.before = self.count, self.session
            self.explicit = True
        elif stmt.kind in _ENDS:
            if stmt.kind == pb.TRANS_STMT_ROLLBACK and self.current:
                self.session = self.before
            self.explicit = False
            self.current = 0
            self.local = None

    def _set(self, stmt: Any) -> None:
        field = _FIELDS.get(stmt.name.lower(), "")
        if stmt.kind == pb.VAR_RESET_ALL:
            self.session, self.local = self.default, None
        elif field and stmt.kind == pb.VAR_SET_VALUE and stmt.args:
            self._value(field, milliseconds(stmt.args[0].a_const), local=stmt.is_local)
        elif field:
            self._value(field, getattr(self.default, field), local=stmt.is_local)

    def _set_config(self, stmt: Any) -> None:
        for call in find_nodes(stmt, pb.FuncCall):
            name = call.funcname[-1].string.sval if call.funcname else ""
            if name == "set_config" and len(call.args) == 3:
                field = _FIELDS.get(call.args[0].a_const.sval.sval.lower(), "")
                if field:
                    self._value(field, milliseconds(call.args[1].a_const), local=call.args[2].a_const.boolval.boolval)

    def _value(self, field: str, value: float, *, local: bool) -> None:
        if not local:
            self.session = self.session._replace(**{field: value})
            self.local = None
        elif self.current:
            # SET LOCAL outside a transaction block is a warning and nothing else.
            self.local = (self.local or self.session)._replace(**{field: value})


def milliseconds(const: Any) -> float:
    """A timeout setting in milliseconds: ``'2s'``, ``2000``, ``'500 ms'``; 0 when it is off or unreadable."""
    if const.WhichOneof("val") == "ival":
        return float(const.ival.ival)
    return milliseconds_of(const.sval.sval)


def milliseconds_of(text: str) -> float:
    """The same for a setting's text."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*", text)
    return float(found.group(1)) * _UNITS[found.group(2) or ""] if found else 0.0
