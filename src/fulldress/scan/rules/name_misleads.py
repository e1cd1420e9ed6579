"""File names that are not what they look like, or that a program takes for something else.

## What it does
Looks at every name in the package and in the archives inside it for letters that only look like a slash or a dot,
letters of no width, a component that begins with a hyphen or a tilde, and names that Windows changes or reserves
(`CON`, a dot or a blank at the end, `LONGNA~1`). Names that would leave their folder are refused before any rule runs.

## Why it matters
A look-alike separator hides a path in plain sight. `-rf` becomes an option as soon as a script says `*`. On a share or a
Windows host, a name that is changed there falls on another file.

## Example
```
scripts/-rf
```

## Fix
Ask the vendor for other names; until then quote every expansion and write `./*` in scripts that touch the folder.

## References
- Unicode Technical Standard 39 (confusables); CWE-176, CWE-88
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from fulldress.formats.late import late
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="name-misleads",
    family="archive",
    title="File names that are not what they look like",
    severity="high",
    confidence="certain",
)
_SEPARATORS = frozenset("\u2044\u2215\u29f8\u2571\uff0f\u2024\uff0e\u2025\u2026\ufe52\u29f5\u2216\ufe68\uff3c")
"""Letters that look like a slash, a backslash or dots, or become them when a name is normalised (NFKC)."""
_RESERVED = late(r"(?i)^(con|prn|nul|com\d|lpt\d)(\..*)?$")
_SHORT = late(r"^[^~]{1,6}~\d(\.[^.]{1,3})?$")
_RESERVED_PART = late(r"(?i)/(?:con|prn|nul|com\d|lpt\d)[./!\n]")
_ENDINGS = ("./", " /", ".!/", " !/")
TOGETHER = 500
"""Names that are looked at together: one look at all of them would need as much memory as they."""
_OPTION = late(r"^-[A-Za-z-]")
_WINDOWS = (".exe", ".dll", ".msi", ".bat", ".cmd", ".ps1")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each way of misleading, at the first name."""
    windows = any(e.place.lower().endswith(_WINDOWS) for e in context.holding(*_WINDOWS))
    found: dict[str, list[str]] = {}
    judged: dict[str, str] = {"": ""}
    folders: dict[str, list[str]] = {"": []}
    """Folders occur again and again, and so do names: each is judged once."""
    for entry in _suspects(context.package.entries, windows):
        folder, _, name = entry.place.rpartition("/")
        ways = _above(folder, windows, judged, folders)
        way = _judged(name, windows, judged)
        for told in (*ways, way) if way else ways:
            found.setdefault(told, []).append(entry.place)
    for way, places in found.items():
        yield _finding(way, list(dict.fromkeys(places)))


def _suspects(entries: Sequence[Entry], windows: bool) -> list[Entry]:
    """Those whose place holds what every misleading name holds: most packages have very many names, and none such."""
    signs = ("~", "/-", *(_ENDINGS if windows else ()))

    def suspect(places: str) -> bool:
        return (
            not places.isascii()
            or any(sign in places for sign in signs)
            or (windows and _RESERVED_PART.search(places) is not None)
        )

    found: list[Entry] = []
    for at in range(0, len(entries), TOGETHER):
        some = entries[at : at + TOGETHER]
        if suspect("/" + "/\n/".join([entry.place for entry in some]) + "/"):
            found += [entry for entry in some if suspect(f"/{entry.place}/")]
    return found


def _above(folder: str, windows: bool, judged: dict[str, str], folders: dict[str, list[str]]) -> list[str]:
    """The ways of a folder's parts; those of the folder around it are known when it has a neighbour."""
    ways = folders.get(folder)
    if ways is None:
        around, _, last = folder.rpartition("/")
        ways = folders.get(around)
        if ways is None:
            parts = f"{around}/".replace("!/", "/").split("/")
            ways = folders[around] = [way for part in parts if (way := _judged(part, windows, judged))]
        way = _judged(last.removesuffix("!"), windows, judged)
        folders[folder] = ways = [*ways, way] if way else ways
    return ways


def _judged(part: str, windows: bool, judged: dict[str, str]) -> str:
    way = judged.get(part)
    if way is None:
        way = judged[part] = _way(part, windows)
    return way


def _way(part: str, windows: bool) -> str:
    if not part.isascii():
        if any(c in _SEPARATORS for c in part) and not _plain_dots(part):
            return "look like a path"
        if any(unicodedata.category(c) == "Cf" for c in part):
            return "hold letters of no width"
    if part[0] == "~" or _OPTION.match(part):
        return "begin with a hyphen or a tilde"
    if _SHORT.match(part) or (windows and (_RESERVED.match(part) or part[-1] in ". ")):
        return "are changed or reserved on Windows"
    return ""


def _plain_dots(part: str) -> bool:
    """An ellipsis at the end of words is typography, no path."""
    return part.rstrip("\u2026").replace("\u2026", "") == part.replace("\u2026", "") and not any(
        c in _SEPARATORS - {"\u2026"} for c in part
    )


_SEVERITY: dict[str, Severity] = {
    "look like a path": "high",
    "hold letters of no width": "medium",
    "begin with a hyphen or a tilde": "medium",
    "are changed or reserved on Windows": "low",
}


def _finding(way: str, places: list[str]) -> Finding:
    return Finding(
        rule=META.slug,
        severity=_SEVERITY[way],
        confidence=META.confidence,
        title=f"{len(places)} name{'s' * (len(places) > 1)} that {way if len(places) > 1 else _singular(way)}",
        place=places[0],
        excerpt="; ".join(places[:6]),
        consequence="A person or a program takes it for something else than it is: another path, an option, another file.",
        fix="Ask the vendor for plain names; quote expansions and write ./* in scripts that touch these folders.",
    )


def _singular(way: str) -> str:
    verb, _, rest = way.partition(" ")
    return f"{'is' if verb == 'are' else verb + 's'} {rest}"


BAD = (
    {"etc\u2215cron.d\u2215x": "x"},
    {"a/scr\u200bipt.sh": "x"},
    {"scripts/-rf": "x"},
    {"a.deb!/opt/~root": "x"},
    {"setup.exe": "MZ", "data/NUL.txt": "x"},
    {"data/PROGRA~1/x": "x"},
)
GOOD = (
    {"Änderungen.txt": "x", "日本語.md": "x", "a-b": "x", "x~": "x"},
    {"kernel/aux.c": "x", "con.txt": "x", "docs/to be continued\u2026": "x"},
    {"a/main.c.~1~": "x"},
)
