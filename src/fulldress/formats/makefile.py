"""Makefiles as far as a reader needs them: which commands a target runs, prerequisites first, variables filled in.

Pure. Functions of make (``$(shell ...)``, ``$(wildcard ...)``), conditions and pattern rules are left as they are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fulldress.formats.late import late

NAMES = ("GNUmakefile", "makefile", "Makefile")
"""In the order in which make looks for them."""
MAX_TARGETS = 100
_SET = late(r"(?:export\s{1,9}|override\s{1,9})?([\w.-]{1,100})[ \t]{0,40}[:?+]{0,2}=(.*)")
_VARIABLE = late(r"\$[({]([\w.-]+)[)}]")


class Recipe(NamedTuple):
    """One line that make hands to a shell."""

    line: int
    command: str
    """Variables of make filled in, ``$$`` as ``$``, without the leading ``@``, ``-`` and ``+``."""


def recipes(text: str, targets: Sequence[str] = ()) -> list[Recipe]:
    """The commands of the targets (none: the first one of the file) and of what they depend on, in make's order."""
    rules, values = _read(text)
    first = next((name for name in rules if not name.startswith(".")), "")
    found: list[Recipe] = []
    done: set[str] = set()

    def make(name: str) -> None:
        if name in done or name not in rules or len(done) >= MAX_TARGETS:
            return
        done.add(name)
        needs, lines = rules[name]
        for need in needs:
            make(need)
        found.extend(Recipe(number, _filled(command, values)) for number, command in lines)

    for target in targets or (first,):
        make(target)
    return found


def _read(text: str) -> tuple[dict[str, tuple[list[str], list[tuple[int, str]]]], dict[str, str]]:
    """Rules (target -> prerequisites, lines) and variables of the file."""
    rules: dict[str, tuple[list[str], list[tuple[int, str]]]] = {}
    values: dict[str, str] = {"MAKE": "make"}
    current: list[str] = []
    for number, line in _joined(text):
        if line.startswith("\t"):
            for name in current:
                rules[name][1].append((number, line.strip().lstrip("@-+ ")))
        elif (setting := _SET.match(line)) is not None:
            values[setting[1]] = setting[2].strip()
        elif ":" in line and not line[:1].isspace() and not line.startswith("#"):
            names, _, rest = line.partition(":")
            listed, _, inline = rest.lstrip(":").partition("#")[0].partition(";")
            current = names.split()
            for name in current:
                needs, lines = rules.setdefault(name, ([], []))
                needs.extend(_filled(listed.replace("|", " "), values).split())
                lines.extend([(number, inline.strip().lstrip("@-+ "))] if inline.strip() else [])
        elif line.strip() and not line.lstrip().startswith("#"):
            current = []
    return rules, values


def _joined(text: str) -> list[tuple[int, str]]:
    """Lines with their number; those that end with a backslash go on in the next."""
    found: list[tuple[int, str]] = []
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        begun = begun if parts else number
        parts.append(line.removesuffix("\\") if not parts else line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            found.append((begun, " ".join(parts) if len(parts) > 1 else parts[0]))
            parts = []
    return found


def _filled(text: str, values: dict[str, str]) -> str:
    for _ in range(4):
        filled = _VARIABLE.sub(lambda m: values.get(m[1], m[0]), text)[:2000]
        if filled == text:
            break
        text = filled
    return text.replace("$$", "$")
