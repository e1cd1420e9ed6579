"""Which other files of the same program a line of a program reads in: modules of Python, files that Node requires. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.model.package import Entry
from fulldress.scan.reading import is_vendored, named
from fulldress.scan.rule import Context

_PYTHON = late(r"\s*(?:from\s+([\w.]+)\s+import\s+([\w, \t(]+)|import\s+([\w.]+))")
"""One module for each line: who imports several in one line imports the standard library."""
_NODE = late(r"""(?:\brequire\s*\(|\bfrom|\bimport)\s*['"](\.{1,2}/[^'"\n]{1,200})['"]""")
_ENDS = ("", ".js", ".mjs", ".cjs", ".ts", ".json", "/index.js")


def is_python(place: str, text: str) -> bool:
    """True for a program in Python."""
    return place.endswith(".py") or re.match(r"#![^\n]*python", text) is not None


def imported(context: Context, line: str, place: str, *, python: bool) -> Iterator[Entry]:
    """The files that a line reads in, as far as they are the program's own."""
    folder = posixpath.dirname(place)
    if python:
        match = _PYTHON.match(line)
        if match is not None:
            for module in _modules(match):
                yield from _module(context, module, folder)
        return
    if place.endswith((".js", ".mjs", ".cjs", ".ts")):
        for found in _NODE.findall(line):
            path = posixpath.normpath(posixpath.join(folder, found))
            yield from [e for end in _ENDS if (e := context.entry(path + end)) is not None and e.kind == "file"][:1]


def _modules(match: re.Match[str]) -> list[str]:
    """Names of modules: those of ``from x import a, b as c`` may be modules of the package x, or names in it."""
    base = match[1] or match[3] or ""
    names = [words[0] for part in (match[2] or "").strip("( ").split(",") if (words := part.split())]
    return [base, *(f"{base}.{name}" if base.strip(".") else f"{base}{name}" for name in names)]


def _module(context: Context, module: str, folder: str) -> Iterator[Entry]:
    dots = len(module) - len(module.lstrip("."))
    path = module.lstrip(".").replace(".", "/")
    top = path.partition("/")[0]
    if not path:
        return
    if dots:
        roots = ["/".join(folder.split("/")[: len(folder.split("/")) - dots + 1])]
    elif f"/{top}/" in f"/{folder}/":
        roots = [folder, f"/{folder}/".rpartition(f"/{top}/")[0].lstrip("/")]
    else:
        roots = [folder]
    candidates = [f"{root}/{path}{end}".lstrip("/") for root in roots for end in (".py", "/__init__.py")]
    found = [e for place in candidates if (e := context.entry(place)) is not None and e.kind == "file"]
    yield from found or _launched(context, path, folder)


def _launched(context: Context, path: str, folder: str) -> list[Entry]:
    """What a script of a ``bin`` folder starts: the only module of that name that the same archive brings."""
    if not folder.endswith("bin") or is_vendored(f"{folder}/"):
        return []
    archive = folder.rpartition("!")[0]
    places = [e for e in named(context, f"{path.rpartition('/')[2]}.py") if e.place.endswith(f"/{path}.py")]
    return [e for e in places if e.place.rpartition("!")[0] == archive][:1]
