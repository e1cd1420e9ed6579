"""The walls of the house: floors import only from below, stages never import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "fulldress"
STAGES = ("intake", "inventory", "scan", "adapt", "plan", "rehearse", "run")
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", ""),
    ("model",),
    ("formats", "measure", "ports"),
    ("store",),
    ("steps",),
    ("adapters",),
    ("engine", "enginework", "enginequeue"),
    (*STAGES, "doctor"),
    ("flow",),
    ("status",),
    ("report",),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "fulldress":
                found += [(node.lineno, f"fulldress.{alias.name}") for alias in node.names if alias.name != "__version__"]
            else:
                found.append((node.lineno, node.module))
    return [(line, name) for line, name in found if name.split(".")[0] == "fulldress"]


def files() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = ("fulldress", *path.relative_to(SRC).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_room_has_a_floor() -> None:
    assert {room(module_of(p)) for p in files()} - set(LEVEL) == set()


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SRC)))
def test_a_room_imports_only_from_below(path: Path) -> None:
    own = room(module_of(path))
    wrong = [
        f"line {line}: {name}"
        for line, name in imports(path)
        if room(name) != own and (LEVEL[room(name)] > LEVEL[own] or (room(name) in STAGES and own in STAGES))
    ]
    assert wrong == []


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SRC)))
def test_a_module_says_what_it_is_for_and_stays_small(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(tree(path)), "a module opens with what it is for and what it may not do"
    assert len(text.splitlines()) <= 600


def outside(path: Path) -> set[str]:
    """The modules of others that a file imports, in either form; what only types need (``TYPE_CHECKING``) counts too."""
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] != "fulldress"}


IO = {
    *("os", "pathlib", "socket", "ssl", "subprocess", "asyncio", "multiprocessing", "threading", "signal", "fcntl"),
    *("sqlite3", "tempfile", "shutil", "http", "urllib.request", "random", "secrets", "time", "asyncssh"),
}
PURE = {"pathlib.PurePosixPath", "pathlib.PurePath"}
"""Paths as names, which touch no file system."""


def does_io(path: Path) -> set[str]:
    names = outside(path) - PURE
    if any(name in PURE for name in outside(path)):
        names -= {"pathlib"}
    return {name for name in names if name in IO or name.split(".")[0] in IO}


def nouns_and_parsers() -> list[Path]:
    return sorted((SRC / "model").glob("*.py")) + sorted((SRC / "formats").rglob("*.py"))


@pytest.mark.parametrize("path", nouns_and_parsers(), ids=lambda p: str(p.relative_to(SRC)))
def test_nouns_and_parsers_do_no_io(path: Path) -> None:
    assert does_io(path) == set()


@pytest.mark.parametrize("path", nouns_and_parsers(), ids=lambda p: str(p.relative_to(SRC)))
def test_nouns_and_parsers_open_nothing(path: Path) -> None:
    called = {n.func.id for n in nodes(path) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert called & {"open", "print", "input", "exec", "eval", "__import__"} == set()


def test_nobody_names_a_rule() -> None:
    """The sweep finds rules by their folder; what several of them need lies beside it."""
    named = [
        f"{p.relative_to(SRC)}:{line}"
        for p in files()
        for line, name in imports(p)
        if name.startswith("fulldress.scan.rules.")
    ]
    assert named == []


RULES = sorted(p for p in (SRC / "scan" / "rules").glob("*.py") if p.stem != "__init__")


@pytest.mark.parametrize("path", RULES, ids=lambda p: p.stem)
def test_a_rule_knows_the_context_and_no_other_rule(path: Path) -> None:
    """So that one file added is a rule more, and one removed a rule less."""
    rooms = {".".join(name.split(".")[1:3]) for _, name in imports(path)}
    assert not [r for r in rooms if r.split(".")[0] not in ("errors", "model", "formats", "scan")]
    assert "scan.rules" not in rooms
    assert does_io(path) == set()


def test_nothing_but_the_command_line_ends_or_prints() -> None:
    """Everything else returns what it found or raises; entries of child processes (``__main__``) are programs themselves."""
    loud = []
    for path in files():
        if room(module_of(path)) == "cli" or '__name__ == "__main__"' in path.read_text():
            continue
        for node in nodes(path):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.exit", "exit", "quit", "click.echo"):
                loud.append(f"{path.relative_to(SRC)}:{node.lineno}")
    assert loud == []


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SRC)))
def test_no_function_is_longer_than_sixty_lines(path: Path) -> None:
    tall = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert tall == []


def called_by_others(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Public classes, functions and methods. Not the signatures of a Protocol: its class says what they do."""
    for node in tree(path).body:
        inside = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else []
        for one in (node, *inside):
            if (
                not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                or ast.unparse(one.body[0]) == "..."
            ):
                continue
            if not one.name.startswith(("_", "visit_")):
                yield one


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SRC)))
def test_what_others_call_is_described(path: Path) -> None:
    assert [one.name for one in called_by_others(path) if not ast.get_docstring(one)] == []


def test_few_broad_excepts() -> None:
    broad = [
        f"{path.relative_to(SRC)}:{node.lineno}"
        for path in files()
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    ]
    assert len(broad) <= 8, broad
