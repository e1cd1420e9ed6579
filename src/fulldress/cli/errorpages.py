"""The pages of errors for ``explain``, read from the source without importing it.

Three places give a slug: a class of the error tree, a ``slug="..."`` where an error is raised, and the table of reasons for
which a package is refused.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import fulldress
from fulldress import errors
from fulldress.formats.refusal import REASONS

_GIVES_A_SLUG = re.compile(rb"\bslug\s*=\s*[fr]?[\"']")
"""Most modules raise no error of their own; parsing them all would take a second."""


@cache
def error_pages() -> Mapping[str, str]:
    """Slug -> Markdown page, for every error that any part of the product can raise."""
    root = Path(fulldress.__file__).parent
    sources = (path.read_bytes() for path in sorted(root.rglob("*.py")) if "rules" not in path.parts)
    trees = [ast.parse(source) for source in sources if _GIVES_A_SLUG.search(source)]
    classes = {
        node.name: node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and _is_error(node)
    }
    pages = {slug: _page(slug, "", reason.why, reason.fix) for slug, reason in REASONS.items()}
    for tree in trees:
        for slug, page in _raised(tree, classes):
            pages.setdefault(slug, page)
    for node in classes.values():
        slug = _class_slug(node)
        if slug:
            kind = getattr(errors, node.name, None)
            code = f"\n\nExit code {kind.exit_code}." if kind is not None else ""
            pages[slug] = f"# {slug}\n\n{inspect.cleandoc(ast.get_docstring(node) or '')}{code}\n"
    return MappingProxyType(dict(sorted(pages.items())))


def _is_error(node: ast.ClassDef) -> bool:
    return (
        bool(_class_slug(node))
        and (node.name == "FulldressError" or bool(node.bases))
        and ast.get_docstring(node) is not None
    )


def _class_slug(node: ast.ClassDef) -> str:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            names = [t.id for t in statement.targets if isinstance(t, ast.Name)]
            if names == ["slug"] and isinstance(statement.value.value, str):
                return statement.value.value
    return ""


def _raised(tree: ast.Module, classes: dict[str, ast.ClassDef]) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes:
            given = {k.arg: k.value for k in node.keywords if k.arg}
            slug = _text(given.get("slug"))
            if slug:
                what = _text(node.args[0]) if node.args else ""
                general = inspect.cleandoc(ast.get_docstring(classes[node.func.id]) or "")
                yield slug, _page(slug, what, _text(given.get("why")), _text(given.get("fix")), general)


def _text(node: ast.expr | None) -> str:
    """The text of a literal; the variable parts of an f-string as ``…``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "…" for part in node.values)
    return ""


def _page(slug: str, what: str, why: str, fix: str, general: str = "") -> str:
    parts = [f"# {slug}", what[:1].upper() + what[1:], f"Why: {why}" if why else "", f"Fix: {fix}" if fix else "", general]
    return "\n\n".join(part for part in parts if part) + "\n"
