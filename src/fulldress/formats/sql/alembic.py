"""Migrations in Python: what they share, and Alembic's ``op`` calls as the SQL that they send. Pure.

Only what a call says literally is read; a branch for another database is left out; loops and row functions are doubts.
"""

from __future__ import annotations

import ast
import copy
import re
from typing import Any

from fulldress.formats.sql.shadow import Shadow, Sheet, default, name, names

_OTHERS = {"mysql", "sqlite", "mssql", "oracle", "mariadb"}
_TYPES = {
    "integer": "integer",
    "biginteger": "bigint",
    "smallinteger": "smallint",
    "boolean": "boolean",
    "text": "text",
    "unicodetext": "text",
    "float": "double precision",
    "double": "double precision",
    "date": "date",
    "time": "time",
    "interval": "interval",
    "json": "json",
    "jsonb": "jsonb",
    "uuid": "uuid",
    "largebinary": "bytea",
    "datetime": "timestamptz",
    "timestamp": "timestamptz",
    "utcdatetime": "timestamptz",
    "integerfield": "integer",
    "positiveintegerfield": "integer",
    "bigintegerfield": "bigint",
    "smallintegerfield": "smallint",
    "booleanfield": "boolean",
    "textfield": "text",
    "floatfield": "double precision",
    "datefield": "date",
    "datetimefield": "timestamptz",
    "jsonfield": "jsonb",
    "uuidfield": "uuid",
    "binaryfield": "bytea",
    "autofield": "serial",
    "bigautofield": "bigserial",
    "foreignkey": "bigint",
    "onetoonefield": "bigint",
}
MAX_ROUNDS = 64
"""Loops over more names than that are not followed."""
_STRINGS = {"string", "unicode", "varchar", "charfield", "slugfield", "emailfield", "urlfield", "stringid", "filefield"}


def constant(node: ast.expr | None) -> Any:
    """The value of a literal expression; None when it is none."""
    if node is None:
        return None
    if (
        isinstance(node, ast.Call)
        and node.args
        and called(node).rpartition(".")[2] in ("text", "f", "quoted_name", "dedent")
    ):
        return constant(node.args[0])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("strip", "lstrip"):
        return constant(node.func.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_piece(value) for value in node.values)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None


def _piece(value: ast.expr) -> str:
    """A part of an f-string; the stand-in for what only the program knows."""
    inner = value.value if isinstance(value, ast.FormattedValue) else value
    return str(inner.value) if isinstance(inner, ast.Constant) else "fd_run_time"


def called(call: ast.Call) -> str:
    """The dotted name of what is called."""
    parts: list[str] = []
    node: ast.expr = call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return ".".join(reversed(parts))


class Args:
    """Arguments of a call by position or name."""

    def __init__(self, call: ast.Call, bound: str = "") -> None:
        self.args = list(call.args)
        self.named = {k.arg: k.value for k in call.keywords if k.arg}
        self.bound = bound
        """The table of a batch operation, which its calls leave out."""

    def node(self, at: int, key: str = "") -> ast.expr | None:
        """The argument as written; by its name first. None when it is not given."""
        if key in self.named:
            return self.named[key]
        return self.args[at] if 0 <= at < len(self.args) else None

    def get(self, at: int, key: str = "") -> Any:
        """The argument's value, as ``constant`` gives it."""
        return constant(self.node(at, key))


def sql_type(node: ast.expr | None, unknown: str = "text") -> str:
    """The SQL type of ``sa.String(10)``, ``models.CharField(max_length=10)``; ``unknown`` for one that is not known."""
    call = node if isinstance(node, ast.Call) else None
    if call is not None:
        word = called(call).rpartition(".")[2].lower()
    elif isinstance(node, (ast.Attribute, ast.Name)):
        word = (node.attr if isinstance(node, ast.Attribute) else node.id).lower()
    else:
        word = ""
    if word in _STRINGS:
        size = Args(call).get(0, "length") or Args(call).get(-1, "max_length") if call else None
        return f"varchar({size})" if isinstance(size, int) else "varchar"
    if word in ("numeric", "decimalfield") and call is not None:
        args = Args(call)
        digits, places = args.get(0, "max_digits"), args.get(1, "decimal_places")
        return f"numeric({digits}, {places})" if isinstance(digits, int) and isinstance(places, int) else "numeric"
    return _TYPES.get(word, unknown)


class _Bound(ast.NodeTransformer):
    """Puts a loop's value in the place of its variable."""

    def __init__(self, variable: str, value: str) -> None:
        self.variable, self.value = variable, value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id == self.variable and isinstance(node.ctx, ast.Load):
            return ast.copy_location(ast.Constant(self.value), node)
        return node


def _rounds(loop: ast.For) -> list[list[ast.stmt]]:
    """The bodies of a loop over a few written names, one for each; [] for every other loop."""
    values = constant(loop.iter)
    if not isinstance(loop.target, ast.Name) or not isinstance(values, (list, tuple)) or len(values) > MAX_ROUNDS:
        return []
    if not all(isinstance(value, str) for value in values):
        return []
    return [[_Bound(loop.target.id, value).visit(copy.deepcopy(stmt)) for stmt in loop.body] for value in values]


class Alembic:
    """One revision's ``upgrade``."""

    def __init__(self) -> None:
        self.sheet = Sheet()
        self.batches: dict[str, tuple[str, str]] = {}

    def read(self, tree: ast.Module) -> Shadow | None:
        """The SQL that ``upgrade`` would send; None for a module without one."""
        functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
        if "upgrade" not in functions:
            return None
        self._body(functions["upgrade"].body)
        pieces = self.sheet.pieces
        if not any(sql == "COMMIT" for _, sql in pieces):
            return self.sheet.made("Alembic", single=True)
        # An autocommit_block ends Alembic's transaction and begins another: all three are written out.
        self.sheet.pieces = [(pieces[0][0], "BEGIN"), *pieces, (pieces[-1][0], "COMMIT")]
        return self.sheet.made("Alembic", single=False)

    def _body(self, body: list[ast.stmt]) -> None:
        for stmt in body:
            self._statement(stmt)

    def _statement(self, stmt: ast.stmt) -> None:
        if isinstance(stmt, ast.If):
            self._branch(stmt)
        elif isinstance(stmt, ast.With):
            self._with(stmt)
        elif isinstance(stmt, ast.For) and (rounds := _rounds(stmt)):
            for body in rounds:
                self._body(body)
        elif isinstance(stmt, (ast.For, ast.While)):
            if any(isinstance(c, ast.Call) and called(c).rpartition(".")[2] == "execute" for c in ast.walk(stmt)):
                self.sheet.doubt(stmt.lineno, "statements sent in a loop")
            self._body(stmt.body)
        elif isinstance(stmt, ast.Try):
            self._body([*stmt.body, *stmt.orelse, *stmt.finalbody])
        elif not isinstance(stmt, (ast.FunctionDef, ast.ClassDef, ast.Return)):
            for call in (n for n in ast.walk(stmt) if isinstance(n, ast.Call)):
                self._call(call)

    def _branch(self, stmt: ast.If) -> None:
        words = {n.value for n in ast.walk(stmt.test) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        negative = any(isinstance(n, (ast.NotEq, ast.NotIn, ast.Not)) for n in ast.walk(stmt.test))
        if "offline" in ast.dump(stmt.test):
            self._body(stmt.orelse)
        elif "postgresql" in words:
            self._body(stmt.orelse if negative else stmt.body)
        elif words & _OTHERS:
            self._body(stmt.body if negative else stmt.orelse)
        else:
            self._body([*stmt.body, *stmt.orelse])

    def _with(self, stmt: ast.With) -> None:
        apart = False
        for item in stmt.items:
            call = item.context_expr
            last = called(call).rpartition(".")[2] if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and last == "batch_alter_table" and isinstance(item.optional_vars, ast.Name):
                args = Args(call)
                self.batches[item.optional_vars.id] = (
                    str(args.get(0, "table_name") or "fd_run_time"),
                    args.get(-1, "schema") or "",
                )
            apart = apart or last == "autocommit_block"
        if apart:
            self.sheet.put(stmt.lineno, "COMMIT")
        self._body(stmt.body)
        if apart:
            self.sheet.put(stmt.end_lineno or stmt.lineno, "BEGIN")

    def _call(self, call: ast.Call) -> None:
        owner, _, action = called(call).rpartition(".")
        if action in ("execute", "exec_driver_sql"):
            text = constant(call.args[0]) if call.args else None
            if isinstance(text, str):
                self.sheet.put(call.lineno, re.sub(r"(?<!:):(\w+)", r"'\1'", text))
            elif call.args:
                self.sheet.doubt(call.lineno, "a statement that the program puts together")
            return
        if owner != "op" and not owner.endswith(".op") and owner not in self.batches:
            return
        handler = getattr(self, f"_{action}", None)
        if handler is not None:
            table, schema = self.batches.get(owner, ("", ""))
            handler(call, Args(call), name(table, schema) if table else "")

    def _target(self, args: Args, bound: str, at: int) -> tuple[str, int]:
        """(table, how many positions the following arguments move)."""
        if bound:
            return bound, 0
        return name(args.get(at, "table_name") or args.get(-1, "source_table") or "fd_run_time", args.get(-1, "schema")), 1

    def _add_column(self, call: ast.Call, args: Args, bound: str) -> None:
        table, step = self._target(args, bound, 0)
        column = args.node(step, "column")
        if isinstance(column, ast.Call):
            self.sheet.put(call.lineno, f"ALTER TABLE {table} ADD COLUMN {_column(column)}")

    def _drop_column(self, call: ast.Call, args: Args, bound: str) -> None:
        table, step = self._target(args, bound, 0)
        self.sheet.put(
            call.lineno, f"ALTER TABLE {table} DROP COLUMN {name(args.get(step, 'column_name') or 'fd_run_time')}"
        )

    def _alter_column(self, call: ast.Call, args: Args, bound: str) -> None:
        table, step = self._target(args, bound, 0)
        column = name(args.get(step, "column_name") or "fd_run_time")
        alter, known = f"ALTER TABLE {table} ALTER COLUMN {column}", args.named
        if "type_" in known:
            using = args.get(-1, "postgresql_using")
            old, new = sql_type(known.get("existing_type"), ""), sql_type(known["type_"], "")
            same = "existing_type" in known and ast.dump(known["existing_type"]) == ast.dump(known["type_"])
            # A type that the program makes up elsewhere is not called a change.
            if new and not same and (using or not _widens(old, new)):
                self.sheet.put(call.lineno, f"{alter} TYPE {new}" + (f" USING {using}" if using else ""))
        if args.get(-1, "nullable") is False:
            if args.get(-1, "existing_nullable") is not False:
                self.sheet.put(call.lineno, f"{alter} SET NOT NULL")
        elif args.get(-1, "nullable") is True and args.get(-1, "existing_nullable") is not True:
            self.sheet.put(call.lineno, f"{alter} DROP NOT NULL")
        if "server_default" in known:
            self.sheet.put(call.lineno, f"{alter} {_set_default(known['server_default'])}")
        if args.get(-1, "new_column_name"):
            new = name(args.get(-1, "new_column_name"))
            self.sheet.put(call.lineno, f"ALTER TABLE {table} RENAME COLUMN {column} TO {new}")

    def _create_index(self, call: ast.Call, args: Args, bound: str) -> None:
        table, step = self._target(args, bound, 1)
        listed = args.node(1 + step, "columns")
        keys = [constant(item) for item in listed.elts] if isinstance(listed, (ast.List, ast.Tuple)) else []
        unique = "UNIQUE " if args.get(-1, "unique") else ""
        apart = "CONCURRENTLY " if args.get(-1, "postgresql_concurrently") else ""
        index = name(args.get(0, "index_name") or "fd_run_time")
        self.sheet.put(
            call.lineno, f"CREATE {unique}INDEX {apart}{index} ON {table} ({names([k or 'fd_run_time' for k in keys])})"
        )

    def _drop_index(self, call: ast.Call, args: Args, _bound: str) -> None:
        apart = "CONCURRENTLY " if args.get(-1, "postgresql_concurrently") else ""
        self.sheet.put(call.lineno, f"DROP INDEX {apart}{name(args.get(0, 'index_name') or 'fd_run_time')}")

    def _create_foreign_key(self, call: ast.Call, args: Args, bound: str) -> None:
        table, step = self._target(args, bound, 1)
        parent = name(args.get(1 + step, "referent_table") or "fd_run_time", args.get(-1, "referent_schema"))
        keys = names(args.get(2 + step, "local_cols") or "fd_run_time")
        late = " NOT VALID" if args.get(-1, "postgresql_not_valid") else ""
        label = f"CONSTRAINT {name(args.get(0, 'constraint_name'))} " if args.get(0, "constraint_name") else ""
        self.sheet.put(call.lineno, f"ALTER TABLE {table} ADD {label}FOREIGN KEY ({keys}) REFERENCES {parent}{late}")

    def _constraint(self, call: ast.Call, args: Args, bound: str, kind: str) -> None:
        table, step = self._target(args, bound, 1)
        value = args.get(1 + step, "condition" if kind == "CHECK" else "columns")
        inner = (value or "fd_run_time IS NULL") if kind == "CHECK" else names(value or "fd_run_time")
        label = f"CONSTRAINT {name(args.get(0, 'constraint_name'))} " if args.get(0, "constraint_name") else ""
        late = " NOT VALID" if args.get(-1, "postgresql_not_valid") else ""
        self.sheet.put(call.lineno, f"ALTER TABLE {table} ADD {label}{kind} ({inner}){late}")

    def _create_unique_constraint(self, call: ast.Call, args: Args, bound: str) -> None:
        self._constraint(call, args, bound, "UNIQUE")

    def _create_check_constraint(self, call: ast.Call, args: Args, bound: str) -> None:
        self._constraint(call, args, bound, "CHECK")

    def _create_primary_key(self, call: ast.Call, args: Args, bound: str) -> None:
        self._constraint(call, args, bound, "PRIMARY KEY")

    def _drop_constraint(self, call: ast.Call, args: Args, bound: str) -> None:
        table, _ = self._target(args, bound, 1)
        label = name(args.get(0, "constraint_name") or "fd_run_time")
        self.sheet.put(call.lineno, f"ALTER TABLE {table} DROP CONSTRAINT {label}")

    def _create_table(self, call: ast.Call, args: Args, _bound: str) -> None:
        table = name(args.get(0, "table_name") or "fd_run_time", args.get(-1, "schema"))
        columns = [a for a in args.args[1:] if isinstance(a, ast.Call)]
        parts = [_column(c) for c in columns if called(c).rpartition(".")[2] == "Column"]
        for call_ in columns:
            if called(call_).rpartition(".")[2] == "ForeignKeyConstraint":
                keys, parents = Args(call_).get(0, "columns"), Args(call_).get(1, "refcolumns")
                if keys and parents:
                    parts.append(f"FOREIGN KEY ({names(keys)}) REFERENCES {name(str(parents[0]).rpartition('.')[0])}")
        self.sheet.put(call.lineno, f"CREATE TABLE {table} ({', '.join(parts)})")

    def _drop_table(self, call: ast.Call, args: Args, _bound: str) -> None:
        self.sheet.put(call.lineno, f"DROP TABLE {name(args.get(0, 'table_name') or 'fd_run_time', args.get(-1, 'schema'))}")

    def _rename_table(self, call: ast.Call, args: Args, _bound: str) -> None:
        old, new = args.get(0, "old_table_name"), args.get(1, "new_table_name")
        self.sheet.put(call.lineno, f"ALTER TABLE {name(old or 'fd_run_time')} RENAME TO {name(new or 'fd_run_time')}")


def _widens(old: str, new: str) -> bool:
    """True when the change is one of length only, upwards (the values stay as they are)."""
    before, after = re.match(r"varchar\((\d+)\)", old), re.match(r"varchar(?:\((\d+)\))?$", new)
    if new == old or (old.startswith("varchar") and new == "text"):
        return True
    return bool(before and after and (not after.group(1) or int(after.group(1)) >= int(before.group(1))))


def _set_default(node: ast.expr) -> str:
    value = constant(node)
    return "DROP DEFAULT" if value is None or value is False else f"SET DEFAULT {_default(node)}"


def _default(node: ast.expr) -> str:
    """A server default as SQL: text() is an expression, a string is a value."""
    if isinstance(node, ast.Call):
        what = called(node)
        if what.rpartition(".")[2] in ("text", "literal_column"):
            return str(constant(node))
        if ".func." in f".{what}":
            return f"{what.rpartition('.')[2]}()"
        return "NULL"
    value = constant(node)
    return default(value) if value is not None else "NULL"


def _column(call: ast.Call) -> str:
    """``sa.Column(...)`` as a column definition."""
    args = Args(call)
    rest = [a for a in args.args[1:] if not (isinstance(a, ast.Call) and called(a).rpartition(".")[2] == "ForeignKey")]
    keys = [a for a in args.args[1:] if isinstance(a, ast.Call) and called(a).rpartition(".")[2] == "ForeignKey"]
    words = [name(args.get(0, "name") or "fd_run_time"), sql_type(args.named.get("type_") or (rest[0] if rest else None))]
    given = args.named.get("server_default")
    if given is not None and (constant(given) is not None or isinstance(given, ast.Call)):
        words.append(f"DEFAULT {_default(given)}")
    if args.get(-1, "nullable") is False and not args.get(-1, "primary_key"):
        words.append("NOT NULL")
    if args.get(-1, "primary_key"):
        words.append("PRIMARY KEY")
    if args.get(-1, "unique"):
        words.append("UNIQUE")
    for key in keys:
        target = str(constant(key.args[0]) if key.args else "fd_run_time.id")
        words.append(f"REFERENCES {name(target.rpartition('.')[0] or target)}")
    return " ".join(words)
