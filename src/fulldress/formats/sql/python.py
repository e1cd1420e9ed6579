"""Django's migrations as the SQL that they send, and the door for both kinds of Python migrations. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fulldress.formats.sql.alembic import Alembic, Args, called, constant, sql_type
from fulldress.formats.sql.shadow import Shadow, Sheet, name, names


def read_python(place: str, text: str) -> Shadow | None:
    """The SQL of an Alembic or Django migration; None for other Python."""
    alembic = re.search(r"(?m)^[^\S\n]*(?:from alembic|import alembic)", text) is not None
    django = "migrations.Migration" in text
    if not alembic and not django:
        return None
    try:
        tree = ast.parse(text)
        return Alembic().read(tree) if alembic else _Django(place).read(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Django:
    """One Django migration's ``operations``."""

    def __init__(self, place: str) -> None:
        self.sheet = Sheet()
        folders = place.split("/")
        self.app = folders[folders.index("migrations") - 1] if "migrations" in folders[1:] else "app"

    def read(self, tree: ast.Module) -> Shadow | None:
        single = True
        for owner in (n for n in tree.body if isinstance(n, ast.ClassDef)):
            for item in owner.body:
                target = item.targets[0] if isinstance(item, ast.Assign) else None
                label = target.id if isinstance(target, ast.Name) else ""
                if isinstance(item, ast.Assign) and label == "atomic":
                    single = constant(item.value) is not False
                elif isinstance(item, ast.Assign) and label == "operations" and isinstance(item.value, ast.List):
                    for call in _operations(item.value):
                        self._operation(call)
        return self.sheet.made("Django", single=single)

    def _table(self, model: object) -> str:
        return name(f"{self.app}_{str(model).lower()}")

    def _operation(self, call: ast.Call) -> None:
        action, args = called(call).rpartition(".")[2], Args(call)
        handler = getattr(self, f"_{action}", None)
        if handler is not None:
            handler(call.lineno, args)

    def _CreateModel(self, line: int, args: Args) -> None:
        self.sheet.put(line, f"CREATE TABLE {self._table(args.get(0, 'name'))} (id bigint)")

    def _DeleteModel(self, line: int, args: Args) -> None:
        self.sheet.put(line, f"DROP TABLE {self._table(args.get(0, 'name'))} CASCADE")

    def _AddField(self, line: int, args: Args) -> None:
        table, field = self._table(args.get(0, "model_name")), args.node(2, "field")
        if not isinstance(field, ast.Call) or called(field).endswith("ManyToManyField"):
            return
        options, kind = Args(field), called(field).rpartition(".")[2]
        link = kind in ("ForeignKey", "OneToOneField")
        column = name(f"{args.get(1, 'name')}_id" if link else args.get(1, "name"))
        words = [f"ALTER TABLE {table} ADD COLUMN {column} {sql_type(field)}"]
        if options.get(-1, "null") is not True:
            # Django computes a default once, sends it as a constant and drops it again.
            words.append("DEFAULT 'x' NOT NULL" if "default" in options.named else "NOT NULL")
        if options.get(-1, "unique") is True or kind == "OneToOneField":
            words.append("UNIQUE")
        if link and options.get(-1, "db_constraint") is not False:
            words.append(f"REFERENCES {self._parent(options.get(0, 'to'))}")
        self.sheet.put(line, " ".join(words))
        if (link and options.get(-1, "db_index") is not False) or options.get(-1, "db_index") is True:
            self.sheet.put(line, f"CREATE INDEX ON {table} ({column})")

    def _parent(self, target: object) -> str:
        app, _, model = str(target or "fd_run_time").rpartition(".")
        return name(f"{(app or self.app).lower()}_{model.lower()}")

    def _RemoveField(self, line: int, args: Args) -> None:
        self.sheet.put(line, f"ALTER TABLE {self._table(args.get(0, 'model_name'))} DROP COLUMN {name(args.get(1, 'name'))}")

    def _RenameField(self, line: int, args: Args) -> None:
        old, new = name(args.get(1, "old_name")), name(args.get(2, "new_name"))
        self.sheet.put(line, f"ALTER TABLE {self._table(args.get(0, 'model_name'))} RENAME COLUMN {old} TO {new}")

    def _RenameModel(self, line: int, args: Args) -> None:
        old, new = self._table(args.get(0, "old_name")), self._table(args.get(1, "new_name"))
        self.sheet.put(line, f"ALTER TABLE {old} RENAME TO {new}")

    def _AddIndex(self, line: int, args: Args, apart: str = "") -> None:
        index = args.node(1, "index")
        options = Args(index) if isinstance(index, ast.Call) else None
        fields = (options.get(-1, "fields") if options else None) or ["fd_run_time"]
        label = name(options.get(-1, "name")) if options and options.get(-1, "name") else ""
        keys = names([str(f).lstrip("-") for f in fields])
        self.sheet.put(line, f"CREATE INDEX {apart}{label} ON {self._table(args.get(0, 'model_name'))} ({keys})")

    def _AddIndexConcurrently(self, line: int, args: Args) -> None:
        self._AddIndex(line, args, "CONCURRENTLY ")

    def _AddConstraint(self, line: int, args: Args) -> None:
        node = args.node(1, "constraint")
        if not isinstance(node, ast.Call):
            return
        options = Args(node)
        label = f"CONSTRAINT {name(options.get(-1, 'name'))} " if options.get(-1, "name") else ""
        body = f"UNIQUE ({names(options.get(-1, 'fields') or ['fd_run_time'])})"
        if called(node).endswith("CheckConstraint"):
            body = "CHECK (fd_run_time > 0)"
        self.sheet.put(line, f"ALTER TABLE {self._table(args.get(0, 'model_name'))} ADD {label}{body}")

    def _RunSQL(self, line: int, args: Args) -> None:
        node = args.node(0, "sql")
        listed = node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node]
        for one in listed:
            first = one.elts[0] if isinstance(one, (ast.List, ast.Tuple)) and one.elts else one
            text, at = constant(first), line if len(listed) == 1 or first is None else first.lineno
            if isinstance(text, str):
                self.sheet.put(at, text)
            else:
                self.sheet.doubt(at, "RunSQL with SQL that the program puts together")

    def _AlterField(self, line: int, args: Args) -> None:
        # Whether its type changes, and from what, only the state before it tells.
        self.sheet.doubt(line, f"AlterField of {args.get(0, 'model_name')}.{args.get(1, 'name')}")

    def _RunPython(self, line: int, args: Args) -> None:
        target = args.node(0, "code")
        if not (isinstance(target, ast.Attribute) and target.attr == "noop"):
            self.sheet.doubt(line, "RunPython")


def _operations(listed: ast.List) -> Iterator[ast.Call]:
    """Operations, also those in SeparateDatabaseAndState's database part."""
    for item in listed.elts:
        if not isinstance(item, ast.Call):
            continue
        if called(item).endswith("SeparateDatabaseAndState"):
            inner = Args(item).node(0, "database_operations")
            if isinstance(inner, ast.List):
                yield from _operations(inner)
        else:
            yield item
