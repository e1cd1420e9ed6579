"""A setting stands twice in one file, with different values.

## What it does
Reads the package's YAML, properties, INI and environment files and finds keys that are given twice in the same map or
section with different values. Lists, documents of one YAML file, templates, translations and files over 128 KiB are left
out.

## Why it matters
Which of the two holds depends on the program that reads it: most take the last, some the first, and strict ones refuse the
whole file at the start. Whoever changes the wrong one changes nothing.

## Example
```
retry: 3
retry: 5
```

## Fix
Ask the vendor which one is meant, and keep only that.

## References
- YAML 1.2, 3.2.1.1 (mapping keys are unique); java.util.Properties
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.model.finding import Finding
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.places import standing
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="config-key-duplicate",
    family="configuration",
    title="Setting stands twice in one file",
    severity="low",
    confidence="certain",
)
_ENDS = (".yaml", ".yml", ".properties", ".ini", ".env", ".cfg", ".toml")
MAX_BYTES = 128 << 10
MAX_FILES = 300
_YAML = late(r"^( *)(?:([A-Za-z_][\w.-]*)|\"([^\"]+)\"|'([^']+)'):(?:\s+(.*))?$")
_ITEM = late(r"^( *)- ")
_FLAT = late(r"^\s*([A-Za-z_][\w.-]*)\s*[=:]\s*(.*?)\s*$")
_SECTION = late(r"^\s*\[([^\]]+)\]\s*$")
_TABLE = late(r"^\[([\w.\" -]+)\]\s*(?:#.*)?$")
_TEMPLATE = late(r"\{\{|\{%|<%|@[A-Z_]{3,}@")
_BLOCK = late(r"(?:^|\s)[|>][+-]?\d?\s*(?:#.*)?$")


class _Twice(NamedTuple):
    key: str
    first: int
    line: int


def check(context: Context) -> Iterator[Finding]:
    """One finding for each file, at its first key that stands twice."""
    looked = 0
    for entry in context.files:
        if not entry.place.endswith(_ENDS) or entry.size > MAX_BYTES or entry.kind == "container" or not _setting(entry):
            continue
        looked += 1
        if looked > MAX_FILES:
            return
        text = context.text(entry)
        if text is not None and not _TEMPLATE.search(text):
            twice = list(_reader(entry.place)(text))
            if twice:
                yield _finding(entry, text, twice)


def _setting(entry: Entry) -> bool:
    return standing(entry.place) == "acting" and "/.github/" not in entry.place


def _finding(entry: Entry, text: str, twice: list[_Twice]) -> Finding:
    first = twice[0]
    refused = entry.place.endswith(".toml")
    others = ", ".join(f"{t.key} (lines {t.first} and {t.line})" for t in twice[1:5])
    return Finding(
        rule=META.slug,
        severity="medium" if refused else META.severity,
        confidence=META.confidence,
        title=f"{first.key} stands twice in {entry.place.rpartition('/')[2]}, on lines {first.first} and {first.line}",
        place=entry.place,
        line=first.line,
        excerpt=secrets.hidden(text.split("\n")[first.line - 1].strip())[:200],
        consequence=(
            "TOML forbids it: the program refuses the file and does not start."
            if refused
            else "Which one holds depends on the program that reads it."
        )
        + (f" So do {others}." if others else ""),
        fix="Ask the vendor which one is meant, and keep only that.",
    )


def _reader(place: str) -> Callable[[str], Iterator[_Twice]]:
    if place.endswith(".toml"):
        return _toml
    return _yaml if place.endswith((".yaml", ".yml")) else _flat


def _toml(text: str) -> Iterator[_Twice]:
    """Tables that are opened twice; keys of several lines and strings are left alone."""
    seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        heading = _TABLE.match(line)
        if heading is not None and seen.setdefault(heading[1].replace(" ", ""), number) != number:
            yield _Twice(f"[{heading[1]}]", seen[heading[1].replace(" ", "")], number)
        elif line.startswith("[["):
            seen.clear()  # tables below belong to the next item of the array


def _flat(text: str) -> Iterator[_Twice]:
    """Properties, INI and environment files: by section."""
    seen: dict[tuple[str, str], tuple[int, str]] = {}
    section, goes_on = "", False
    for number, line in enumerate(text.split("\n"), 1):
        continued, goes_on = goes_on, line.endswith("\\")
        if continued or line.lstrip().startswith(("#", ";", "!")) or line[:1] in (" ", "\t"):
            continue
        heading = _SECTION.match(line)
        if heading is not None:
            section = heading[1]
        elif (pair := _FLAT.match(line)) is not None:
            before = seen.setdefault((section, pair[1]), (number, pair[2]))
            if before[1] != pair[2]:
                yield _Twice(pair[1], before[0], number)


def _yaml(text: str) -> Iterator[_Twice]:
    """Maps by their indentation; a map ends where a line stands further left, or an item begins."""
    maps: list[tuple[int, dict[str, tuple[int, str]]]] = []
    block = -1
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.lstrip()
        indent = len(line) - len(bare)
        if not bare or bare.startswith("#") or (block >= 0 and indent > block):
            continue
        block = -1
        if line.startswith(("---", "...")):
            maps = []
            continue
        while (item := _ITEM.match(line)) is not None:  # an item is a map of its own, two columns further in
            maps = [m for m in maps if m[0] <= len(item[1])]
            line = f"{item[1]}  {line[item.end() :]}"
            indent = len(line) - len(line.lstrip())
        pair = _YAML.match(line)
        maps = [m for m in maps if m[0] <= indent]
        if pair is None:
            continue
        if not maps or maps[-1][0] < indent:
            maps.append((indent, {}))
        key, value = pair[2] or pair[3] or pair[4], (pair[5] or "").strip()
        before = maps[-1][1].setdefault(key, (number, value))
        if before[0] != number and (before[1] != value or not value):
            yield _Twice(key, before[0], number)
        block = indent if _BLOCK.search(value) else -1


BAD = (
    {"etc/x.toml": "[core]\na = 1\n[api]\nb = 1\n[core] # again\na = 2\n"},
    {"conf/a.yaml": "smtp:\n  host: a\nretry: 3\nretry: 5\n"},
    {"conf/a.yml": "a:\n  - name: x\n    port: 1\n    port: 2\n"},
    {"conf/app.properties": "a.b=1\nc=2\na.b=3\n"},
    {"conf/app.ini": "[x]\nk = 1\nk = 2\n"},
)
GOOD = (
    {"etc/x.toml": "[core]\na = 1\n[core.log]\na = 1\n[[job]]\n[job.env]\na = 1\n[[job]]\n[job.env]\na = 2\n"},
    {"conf/a.yaml": "a:\n  host: x\nb:\n  host: y\n---\na: 2\n"},
    {"conf/a.yml": "a:\n  - name: x\n    port: 1\n  - name: y\n    port: 2\nt: |\n  k: 1\n  k: 2\n"},
    {"conf/app.properties": "a=1\na=1\n# b=1\nb=2\nlong=x,\\\n  c=1\nc=2\n", "conf/x.ini": "[a]\nk=1\n[b]\nk=2\n"},
    {"conf/t.yaml": "{% if x %}\na: 1\n{% else %}\na: 2\n{% endif %}\n", "messages_de.properties": "a=1\na=2\n"},
)
