"""A program under the name of a text, a picture or a document.

## What it does
Compares the first bytes of every file with the ending of its name: programs (ELF, Windows, macOS, Java classes) and
scripts under endings of texts, pictures, documents and data; archives under such endings.

## Why it matters
Nobody looks for a program in `logo.png`, and neither do filters by name. What a script then runs or renames is not what
was reviewed.

## Example
```
resources/logo.png   ELF program
```

## Fix
Ask the vendor what it is and who runs it. Do not install it until that is answered.

## References
- CWE-646 Reliance on File Name or Extension; ATT&CK T1036.008 Masquerade File Type
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.places import is_test, standing
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="type-mismatch",
    family="archive",
    title="Programs under the name of something else",
    severity="high",
    confidence="certain",
)
_PROGRAM = Pattern(r"\A(\x7fELF|MZ|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe\x00\x00\x00[\x2d-\x50])", once=True)
_SCRIPT = Pattern(r"\A#! ?/[a-z/]{3,30}", once=True)
LOOKS_FOR = (_PROGRAM, _SCRIPT)
_PICTURE = late(r"(?i)\.(png|jpe?g|gif|bmp|ico|webp|tiff?|mp[34]|wav|ogg|woff2?|ttf|otf|pdf|docx?|xlsx?|pptx?|rtf)$")
_ELSE = frozenset(
    (
        *(
            "png",
            "jpg",
            "jpeg",
            "gif",
            "bmp",
            "ico",
            "webp",
            "tif",
            "tiff",
            "mp3",
            "mp4",
            "wav",
            "ogg",
            "woff",
            "woff2",
            "ttf",
        ),
        *("otf", "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "rtf", "txt", "md", "rst", "csv", "tsv", "log", "json"),
        *(
            "xml",
            "yml",
            "yaml",
            "ini",
            "conf",
            "cfg",
            "properties",
            "sql",
            "htm",
            "html",
            "css",
            "pem",
            "crt",
            "asc",
            "toml",
        ),
    )
)
"""Suffixes of pictures, sounds, documents and texts."""
_OFFICE = late(r"(?i)\.(docx|xlsx|pptx|od[tsp])$")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind of thing that is found under another name."""
    programs = [e for e in context.matching(_PROGRAM) if _named_else(e.place) and _is_program(context, e)]
    scripts = [e for e in context.matching(_SCRIPT) if _PICTURE.search(e.place)]
    archives = [
        e
        for e in context.files
        if e.kind == "container" and _named_else(e.place) and not _OFFICE.search(e.place) and not is_test(e.place)
    ]
    yield from _said([e for e in programs if not is_test(e.place)], "a program", "high")
    yield from _said([e for e in scripts if not is_test(e.place)], "a script", "high")
    yield from _said(archives, "an archive", "medium")
    yield from _said(_no_archives(context), "no archive", "medium", _FAILS)


_FAILS = "The step that opens or installs it fails in the window."
_ARCHIVES = (
    ".jar",
    ".war",
    ".ear",
    ".whl",
    ".zip",
    ".deb",
    ".rpm",
    ".tar",
    ".tgz",
    ".tar.gz",
    ".tar.xz",
    ".tar.bz2",
    ".tar.zst",
)


def _no_archives(context: Context) -> list[Entry]:
    """Named like an archive, and nothing that anybody could open: often the page that said that it was not found."""
    left = {part.place for part in context.package.not_inspected}
    return [
        e
        for e in context.ending(*_ARCHIVES)
        if e.kind == "file"
        and e.size
        and e.place not in left
        and standing(e.place) == "acting"
        and not context.head(e, 4).startswith((b"PK", b"\x1f\x8b"))
    ]


def _named_else(place: str) -> bool:
    _, dot, end = place.rpartition(".")
    return bool(dot) and end.lower() in _ELSE


def _is_program(context: Context, entry: Entry) -> bool:
    """Two letters make no Windows program: its header must be where the first one says."""
    data = context.read(entry)
    if data[:2] != b"MZ":
        return True
    at = int.from_bytes(data[0x3C:0x40], "little")
    return data[at : at + 4] == b"PE\0\0"


_PASSED_OVER = "It was passed over by everybody who goes by names, and something in the package may still run it."


def _said(entries: list[Entry], what: str, severity: Severity, consequence: str = _PASSED_OVER) -> Iterator[Finding]:
    if not entries:
        return
    name = entries[0].place.rpartition("/")[2]
    more = f", and {len(entries) - 1} more" if len(entries) > 1 else ""
    yield Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"{name} is {what}, whatever its name says{more}",
        place=entries[0].place,
        excerpt="; ".join(e.place for e in entries[:6]),
        consequence=consequence,
        fix="Ask the vendor what it is and who runs it; do not install it before that.",
    )


_PE = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + bytes(20)
_ELF = b"\x7fELF\2\1\1" + bytes(60)
BAD = (
    {"img/logo.png": _ELF},
    {"doc/manual.pdf": _PE},
    {"img/icon.gif": "#!/bin/sh\ncurl x\n"},
    {"conf/app.conf": _ELF},
    {"lib/driver.jar": "<html><body>404 Not Found</body></html>"},
)
GOOD = (
    {"bin/tool": _ELF, "setup.exe": _PE, "lib/x.so": _ELF},
    {"notes.txt": "MZ is the beginning of a DOS program\n" * 4},
    {"run.txt": "#!/bin/sh\n# an example that is shown\n"},
    {"tests/data/elf.txt": _ELF},
)
