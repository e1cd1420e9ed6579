"""The walls of the house: floors import only from below, stages never import each other."""

from __future__ import annotations

import ast
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
    ("engine", "enginework"),
    (*STAGES, "doctor"),
    ("flow",),
    ("status",),
    ("report",),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
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
    if not text.strip():
        return
    assert ast.get_docstring(ast.parse(text)), "a module opens with what it is for and what it may not do"
    assert len(text.splitlines()) <= 600


def test_nouns_do_no_io() -> None:
    forbidden = {"os", "io", "pathlib", "socket", "subprocess", "asyncio", "sqlite3", "tempfile", "shutil"}
    for path in sorted((SRC / "model").glob("*.py")) + sorted((SRC / "formats").rglob("*.py")):
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_bytes()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert names & forbidden - {"io"} == set(), path


def test_few_broad_excepts() -> None:
    broad = [
        f"{path.relative_to(SRC)}:{node.lineno}"
        for path in files()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    ]
    assert len(broad) <= 8, broad
