"""Files that the vendor's people left behind by mistake.

## What it does
Finds version control folders, shell and database histories, core dumps, editors' and patches' backups, and logs. One
finding a kind, with the count and the first places.

## Why it matters
A history or a repository holds what was typed and deleted, passwords among them; a core dump holds the memory of a
program. A backup beside a configuration file is read by programs that take every file of a folder.

## Example
```
opt/lims/.git/config
opt/lims/conf/app.properties.bak
```

## Fix
Take them out; `fulldress adapt` does. What a history or a repository shows must be treated as known to others.

## References
- CWE-538, CWE-530 Exposure of Backup File
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Cure, Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.places import is_test
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="leftover-file",
    family="archive",
    title="Files left behind by mistake",
    severity="medium",
    confidence="certain",
)


class _Kind(NamedTuple):
    """One kind of leftover."""

    what: str
    names: re.Pattern[str]
    severity: Severity


_KINDS = (
    _Kind("a version control folder", late(r"(^|[/!])\.(git|svn|hg|bzr)/"), "medium"),
    _Kind(
        "a history of commands",
        late(r"(^|[/!])\.(bash|zsh|sh|psql|mysql|python|node_repl|rediscli|sqlite)_history$"),
        "medium",
    ),
    _Kind(
        "a backup of an editor or a patch",
        late(r"\.(bak|orig|rej|old|save|dpkg-(old|dist|new)|rpm(save|new))$|~$"),
        "low",
    ),
    _Kind("an editor's swap file", late(r"(^|[/!])\.[^/]+\.sw[op]$"), "low"),
    _Kind("a desktop's litter", late(r"(^|[/!])(\.DS_Store|Thumbs\.db|desktop\.ini|__MACOSX/[^!]*)$"), "info"),
    _Kind("a log", late(r"(^|[/!])(nohup\.out|hs_err_pid\d+\.log|npm-debug\.log|yarn-error\.log)$"), "low"),
)
_ENDS = (
    *("~", ".bak", ".orig", ".rej", ".old", ".save", ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".rpmsave", ".rpmnew"),
    *("Thumbs.db", "desktop.ini", "nohup.out", ".log"),
)
_HISTORIES = (".git/", ".svn/", ".hg/", ".bzr/")
_CORE = Pattern(r"\A\x7fELF[\x00-\xff]{12}\x04\x00", once=True)
"""An ELF file of type 4: a memory dump."""
LOOKS_FOR = (_CORE,)
_DOC = late(r"(^|[/!])usr/share/(doc|man)/|(^|/)(changelog|news)[^/]*\.old$", re.IGNORECASE)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind."""
    candidates = _candidates(context)
    for kind in _KINDS:
        found = [e for e in candidates if kind.names.search(e.place) and _counts(e, kind)]
        yield from _said(kind.what, found, kind.severity)
    yield from _said("a core dump", context.matching(_CORE), "high")


def _candidates(context: Context) -> list[Entry]:
    """All that one of the kinds passes, and little else: packages have very many names."""
    found = [e for e in context.files if e.place.startswith(".")]
    found += [*context.holding("/.", "__macosx/", *_HISTORIES), *context.ending(*_ENDS)]
    return [e for e in sorted({e.place: e for e in found}.values(), key=lambda e: e.place) if _perhaps(e.place)]


def _perhaps(place: str) -> bool:
    hidden = place.startswith(".", place.rfind("/") + 1)
    return hidden or place.endswith(_ENDS) or "__MACOSX/" in place or any(folder in place for folder in _HISTORIES)


def _counts(entry: Entry, kind: _Kind) -> bool:
    return entry.size > 0 and not _DOC.search(entry.place) and (kind.severity == "medium" or not is_test(entry.place))


def _said(what: str, entries: list[Entry], severity: Severity) -> Iterator[Finding]:
    if not entries:
        return
    more = f", and {len(entries) - 1} more files of the kind" if len(entries) > 1 else ""
    yield Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"{entries[0].place.rpartition('/')[2]} is {what}{more}",
        place=entries[0].place,
        excerpt="; ".join(e.place for e in entries[:6]),
        consequence="It shows what the vendor's people typed, deleted or had in memory; programs may read it.",
        fix="Take it out; treat secrets in it as known. Ask the vendor how it got there.",
        curable=_removable(entries[0]),
    )


def _removable(entry: Entry) -> bool:
    """Not from a wheel, a JAR or an image of a library: those list what they hold."""
    return not re.search(r"\.(whl|jar|war|ear|nupkg)!/", entry.place)


def cure(context: Context, finding: Finding) -> Cure | None:
    """Take out every file of the finding's kind."""
    for kind in _KINDS:
        if f" is {kind.what}" in finding.title:
            gone = [e.place for e in context.files if kind.names.search(e.place) and _counts(e, kind) and _removable(e)]
            return Cure(edits=dict.fromkeys(gone), note=f"without {kind.what}") if gone else None
    dumps = [e.place for e in context.matching(_CORE) if _removable(e)]
    return Cure(edits=dict.fromkeys(dumps), note="without core dumps") if dumps else None


_DUMP = b"\x7fELF\2\1\1" + bytes(9) + b"\4\0\x3e\0" + bytes(40)
BAD = (
    {"opt/x/.git/config": "[core]\n", "a": "x"},
    {"home/.bash_history": "mysql -p\n", "a": "x"},
    {"conf/app.properties.bak": "a=1\n", "conf/app.properties": "a=2\n"},
    {"opt/x/core.123": _DUMP, "a": "x"},
)
GOOD = (
    {".gitignore": "x\n", "a/.gitkeep": "x"},
    {"a.deb!/usr/share/doc/x/changelog.old": "x\n"},
    {"tests/data/x.orig": "x\n"},
    {"bin/tool": b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\x3e\0" + bytes(40)},
)
