"""A list of checksums does not tell the truth about the files beside it.

## What it does
Reads lists of sums in the package and in the archives inside it (`SHA256SUMS` and its kin in GNU and BSD form, `RECORD` of
Python packages, `md5sums` of Debian packages) and compares: files that differ, files that are listed but gone, files that no
line names, lists whose sums can be forged. MD5 and SHA-1 sums are computed for lists of up to 64 MiB of files.

## Why it matters
Whoever changed a file after the list was made did not make the list anew: a patched build, a damaged copy, or an intruder.
A file that no line names can be exchanged without anybody noticing.

## Example
```
app-1.2.dist-info/RECORD: app/main.py is not what it says
```

## Fix
Ask the vendor for a package whose list fits; compare the file with the one of the previous release.

## References
- CWE-353 Missing Support for Integrity Check; Python packaging: recording installed projects
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import checksums
from fulldress.formats.checksums import Listed
from fulldress.formats.late import late
from fulldress.formats.links import leads_to
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.places import standing
from fulldress.scan.reading import memo
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="checksum-mismatch",
    family="archive",
    title="A checksum list does not fit the files beside it",
    severity="high",
    confidence="certain",
)
MAX_HASHED = 64 << 20
_RECORD = late(r"(^|[/!])[^/!]+\.dist-info/RECORD$")
_MD5SUMS = late(r"(^|[/!])DEBIAN/md5sums$")
_NAME = late(r"(?i)sum|sha\d|md5|^RECORD$")
"""Passes every name of a list, in one look at each of very many names."""
_MANIFEST = late(r"(?i)(^|[/!])(manifest|checksums?|files|integrity|package|release)\.json$")
_ENDS = ("anifest.json", "hecksums.json", "hecksum.json", "iles.json", "ntegrity.json", "elease.json", "ackage.json")
MAX_MANIFEST = 4 << 20
_UNLISTED = late(r"\.dist-info/(RECORD(\.jws|\.p7s)?|direct_url\.json|INSTALLER|REQUESTED)$|\.pyc$|(^|/)DEBIAN(/|$)|^etc/")
_SIGNATURE = (".asc", ".sig", ".p7s", ".minisig", ".sign", ".gpg", ".sigstore", ".sigstore.json", ".pub")


class _List(NamedTuple):
    """One list: what it is about and the lines."""

    entry: Entry
    root: str
    """Places of the files that it speaks of begin so."""
    lines: list[Listed]
    complete: bool
    """True for forms that must name every file beside them."""


def check(context: Context) -> Iterator[Finding]:
    """Up to four findings a list: changed, gone, not named, weak."""
    for found in (*_lists(context), *_manifests(context)):
        inside = {
            entry.place.removeprefix(found.root): entry
            for entry in _contents(context).get(found.entry.place.rpartition("!/")[0], ())
            if entry.place.startswith(found.root)
        }
        yield from _compared(context, found, inside)
        if found.entry.place.endswith(".json"):
            continue  # what a manifest leaves out it need not have meant to name
        yield from _uncovered(context, found, inside)
        if any(found.root + line.path == found.entry.place for line in found.lines if line.algorithm):
            yield _finding(found, "low", f"{_name(found)} has a sum of itself, which cannot fit", [_name(found)])


def _contents(context: Context) -> dict[str, list[Entry]]:
    """Files by the archive that they lie in."""

    def make() -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in context.package.entries:
            if entry.kind in ("file", "container", "hardlink"):
                found.setdefault(entry.place.rpartition("!/")[0], []).append(entry)
        return found

    return memo(context, "contents of archives", make)


def _links(context: Context) -> dict[str, str]:
    """Where links lead: ``sha256sum`` writes of a link what the file at its end holds."""
    return memo(context, "where links lead", lambda: leads_to(context.package.entries))


def _lists(context: Context) -> Iterator[_List]:
    for entry in context.naming("sum", "sha", "md5", "record"):
        name = entry.place[max(entry.place.rfind("/"), entry.place.rfind("!")) + 1 :]
        if not _NAME.search(name):
            continue
        folder = entry.place.removesuffix(name)
        if _RECORD.search(entry.place):
            root = folder[: folder.rstrip("/").rfind("/") + 1]
            yield _List(entry, root, _record(context.text(entry) or ""), True)
        elif _MD5SUMS.search(entry.place):
            yield _List(entry, folder.removesuffix("DEBIAN/"), checksums.parse_any(context.text(entry) or ""), True)
        elif checksums.is_any_list(name) and (lines := checksums.parse_any(context.text(entry) or "", name)):
            yield _List(entry, folder, lines, False)


def _manifests(context: Context) -> Iterator[_List]:
    """Sums in JSON count as a list when most of what they name is there: other files have digests in them, too."""
    for entry in context.ending(
        "anifest.json", "hecksums.json", "hecksum.json", "files.json", "ntegrity.json", "elease.json"
    ):
        text = context.text(entry) if _MANIFEST.search(entry.place) and entry.size <= MAX_MANIFEST else None
        lines = checksums.parse_json(text) if text is not None and standing(entry.place) == "acting" else []
        folder = entry.place[: max(entry.place.rfind("/"), entry.place.rfind("!")) + 1]
        there = sum(context.entry(folder + line.path) is not None for line in lines)
        if lines and there * 2 >= len(lines):
            yield _List(entry, folder, lines, False)


def _record(text: str) -> list[Listed]:
    found = []
    for row in csv.reader(text.splitlines()):
        if len(row) < 2:
            continue
        algorithm, _, value = row[1].partition("=")
        try:
            digest = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
        except (binascii.Error, ValueError):
            digest = ""
        found.append(Listed(algorithm if digest else "", digest, posixpath.normpath(row[0])))
    return found


def _compared(context: Context, found: _List, inside: dict[str, Entry]) -> Iterator[Finding]:
    hashed = {line.path for line in found.lines if line.algorithm not in ("", "sha256")}
    size = sum(e.size for n, e in inside.items() if n in hashed)
    compute = size <= MAX_HASHED
    changed, gone = [], []
    for algorithm, digest, path in found.lines:
        entry = inside.get(path) or context.entry(_links(context).get(found.root + path, ""))
        if entry is not None and entry.kind == "hardlink":
            entry = context.entry(_links(context).get(entry.place, ""))
        if entry is None:
            gone.append(path)
        elif entry.place == found.entry.place or not algorithm or (algorithm != "sha256" and not compute):
            continue
        elif _digest(context, entry, algorithm) != digest:
            changed.append(path)
    judged = _judged(context, found)
    if changed and not judged:
        yield _finding(found, "high", f"{_first(changed)} not what {_name(found)} says", changed)
    gone = [g for g in gone if not g.startswith("..") and not g.endswith(".pyc")]
    if gone and not judged:
        yield _finding(
            found, "medium" if found.complete else "low", f"{_first(gone)} missing, but listed in {_name(found)}", gone
        )


def _judged(context: Context, found: _List) -> bool:
    """True for the strong lists that the trust verdict has judged, with what they leave uncovered."""
    return context.is_judged and not found.complete and not _weak(found) and not found.entry.place.endswith(".json")


def _digest(context: Context, entry: Entry, algorithm: str) -> str:
    if algorithm == "sha256":
        return entry.sha256
    try:
        return hashlib.new(algorithm, context.read(entry), usedforsecurity=False).hexdigest()
    except ValueError:
        return ""


def _uncovered(context: Context, found: _List, inside: dict[str, Entry]) -> Iterator[Finding]:
    named = {line.path for line in found.lines}
    rest = sorted(
        n for n, e in inside.items() if n not in named and e.place != found.entry.place and not n.endswith(_SIGNATURE)
    )
    rest = [n for n in rest if not _UNLISTED.search(n)]
    if rest and not _judged(context, found) and (found.complete or len(named & inside.keys()) >= len(inside) / 2):
        severity: Severity = "medium" if found.complete and not _MD5SUMS.search(found.entry.place) else "low"
        yield _finding(found, severity, f"{_first(rest)} named by no line of {_name(found)}", rest)
    if _weak(found) and not found.complete:
        yield _finding(found, "low", f"{_name(found)} holds only sums that can be forged (MD5, SHA-1)", [])


def _weak(found: _List) -> bool:
    return all(line.algorithm in checksums.WEAK for line in found.lines)


def _first(paths: list[str]) -> str:
    return f"{paths[0]} is" if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more are"


def _name(found: _List) -> str:
    return posixpath.basename(found.entry.place)


def _finding(found: _List, severity: Severity, title: str, paths: list[str]) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=title,
        place=found.entry.place,
        excerpt="; ".join(paths[:6]),
        consequence="The files are not those that the list was made for, or could be exchanged without anybody noticing.",
        fix="Ask the vendor for a package whose list fits, made with SHA-256 over every file.",
    )


def _sum(data: bytes, algorithm: str) -> str:
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def _row(path: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(data)}\n"


BAD = (
    {"SHA256SUMS": f"{_sum(b'1', 'sha256')}  a\n", "a": "2"},
    {
        "SHA256SUMS": f"SHA256 (a) = {_sum(b'1', 'sha256')}\r\nSHA256 (b) = {_sum(b'2', 'sha256')}\r\n",
        "a": "1",
        "b": "2",
        "c": "3",
    },
    {"MD5SUMS": f"{_sum(b'1', 'md5')}  a\n", "a": "1"},
    {"SHA256SUMS": f"{_sum(b'1', 'sha256')}  a\n{_sum(b'', 'sha256')}  SHA256SUMS\n", "a": "1"},
    {"manifest.json": f'{{"files": [{{"path": "bin/a", "sha256": "{_sum(b"1", "sha256")}"}}]}}', "bin/a": "2"},
    {"manifest.json": f'{{"files": {{"a.sh": {{"sha256": "sha256:{_sum(b"1", "sha256")}"}}}}}}', "a.sh": "2"},
    {"x.whl!/x-1.dist-info/RECORD": _row("x/a.py", b"1") + "x-1.dist-info/RECORD,,\n", "x.whl!/x/a.py": "2"},
    {"x.whl!/x-1.dist-info/RECORD": _row("x/a.py", b"1"), "x.whl!/x/a.py": "1", "x.whl!/x/evil.py": "1"},
    {"a.deb!/DEBIAN/md5sums": f"{_sum(b'1', 'md5')}  usr/bin/a\n", "a.deb!/usr/bin/a": "2"},
    {"a.deb!/DEBIAN/md5sums": f"{_sum(b'1', 'md5')}  usr/bin/a\n", "a.deb!/DEBIAN/control": "x"},
)
GOOD = (
    {"manifest.json": f'{{"files": [{{"path": "bin/a", "sha256": "{_sum(b"1", "sha256")}"}}]}}', "bin/a": "1", "b": "2"},
    {"manifest.json": f'{{"images": [{{"name": "x/y", "digest": "sha256:{_sum(b"1", "sha256")}"}}]}}', "a": "1"},
    {"SHA256SUMS": f"{_sum(b'1', 'sha256')} *./a\r\n", "a": "1", "SHA256SUMS.asc": "x"},
    {"x.whl!/x-1.dist-info/RECORD": _row("x/a.py", b"1") + "x-1.dist-info/RECORD,,\n", "x.whl!/x/a.py": "1"},
    {
        "a.deb!/DEBIAN/md5sums": f"{_sum(b'1', 'md5')}  usr/bin/a\n",
        "a.deb!/usr/bin/a": "1",
        "a.deb!/etc/a.conf": "conffile",
        "a.deb!/DEBIAN/control": "x",
    },
    {"sums.txt": "no list", "sha256.c": "int x;"},
)
