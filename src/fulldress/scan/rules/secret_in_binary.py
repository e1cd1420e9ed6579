"""A secret is inside a binary: an executable, a Java class, compiled Python, a database.

## What it does
Reads the strings of binaries where the search found the beginning of a secret (a URL with a password, `password=...` as
drivers take it) and says in which section it lies; reads the constants of Java classes and compiled Python and the rows of
SQLite databases, where a name such as `db.password` has a value of a password's form in its company.

## Why it matters
A binary is read by `strings` in a second; its secret cannot be changed without a new build.

## Example
```
$ strings agent | grep password=
```

## Fix
Rotate it, and have the vendor read it from outside. A binary is not patched.

## References
- CWE-798 Use of Hard-coded Credentials; CWE-547
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import binaries
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Confidence, Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.anytext import TOKENS, may_hold, secrets_of, shaped
from fulldress.scan.places import standing
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="secret-in-binary",
    family="secret",
    title="Secret inside a binary",
    severity="high",
    confidence="likely",
)
_URL = Pattern(r"://[^\s/:@'\"<>$%]{0,60}:[^\s/@'\"<>%{]{4,60}@[A-Za-z0-9]")
_ASSIGNED = Pattern(r"(?i)(password|passwd|pwd|secret|token|api_?key)=[A-Za-z0-9!#&*+,.:;?@^_~-]{6}")
_WIDE = Pattern(r"(?i)p\x00a\x00s\x00s\x00w\x00(o\x00r\x00)?d\x00=\x00[!-~]\x00[!-~]\x00[!-~]\x00[!-~]\x00")
_CLASS = Pattern(r"\A\xca\xfe\xba\xbe\x00\x00\x00[\x2d-\x60]", once=True)
_SQLITE = Pattern(r"\ASQLite format 3\x00", once=True)
LOOKS_FOR = (_URL, _ASSIGNED, _WIDE, _CLASS, _SQLITE, *TOKENS)
_TELLING = late(r"(?i)passw|pwd.|secret|[a-z_]pass$")
MAX_BYTES = 64 << 20
MAX_CLASS = 4 << 20
MAX_HITS = 200


def check(context: Context) -> Iterator[Finding]:
    """One finding for each binary."""
    told: set[str] = set()
    hits: dict[str, int] = {}
    for hit in context.hits(_URL, _ASSIGNED, _WIDE):
        place = hit.entry.place
        hits[place] = hits.get(place, 0) + 1
        if place in told or hits[place] > MAX_HITS or not context.is_binary(hit.entry) or standing(place) != "acting":
            continue
        near = context.around(hit, before=300, after=300)
        at = min(300, hit.end)
        text = near.replace(b"\0", b"").decode("latin-1") if hit.pattern is _WIDE else binaries.printable(near, at - 1)
        what = _first(text)
        if what:
            told.add(place)
            part = binaries.section(context.read(hit.entry), hit.end - 1) if hit.entry.size <= MAX_BYTES else ""
            yield _finding(hit.entry, what, f"at byte {hit.end}{f', section {part}' if part else ''}", "likely")
    tokens = {entry.sha256 for entry in context.matching(*TOKENS)}
    for entry in _structured(context):
        if (
            entry.place not in told
            and "/lib/python" not in entry.place
            and standing(entry.place.replace("__pycache__/", "")) == "acting"
        ):
            what = next(_in_company(context.read(entry), entry.sha256 in tokens), "")
            if what:
                yield _finding(entry, what, "", "possible" if "company" in what else "likely")


def _structured(context: Context) -> Iterator[Entry]:
    for entry in context.matching(_CLASS, _SQLITE):
        if entry.size <= (MAX_CLASS if entry.place.endswith(".class") else MAX_BYTES):
            yield entry
    for entry in context.ending(".pyc"):
        if entry.kind != "container" and entry.size <= MAX_CLASS:
            yield entry


def _first(text: str) -> str:
    return next((what for what, value in secrets_of(text) if not re.search(r"[%{}$<>\\]", value)), "")


def _in_company(data: bytes, has_token: bool) -> Iterator[str]:
    """What a class, code object or row gives away."""
    groups: list[binaries.Group | None]
    if data[:6] != b"SQLite" and not has_token and not may_hold(data):
        return
    lower = data.lower()
    telling = b"pass" in lower or b"pwd" in lower or b"secret" in lower
    if data[:4] == b"\xca\xfe\xba\xbe":
        found = binaries.of_class(data, names=telling)
        for name, value in found.constants:
            if secrets.is_secret_key(name) and secrets.worth(value) == "real" and re.search(r"\d", value):
                yield f"the value of {name}"
        groups = [found.group]
    elif data[:6] == b"SQLite":
        yield from _rows(data)
        return
    else:
        groups = [binaries.of_pyc(data)]
    for group in groups:
        if group is None:
            continue
        for text in group.texts:
            what = _first(text) if len(text) > 8 and (":" in text or "=" in text) else ""
            if what:
                yield what
        named = next(
            (
                n
                for n in (group.names if telling else ())
                if _TELLING.search(n) and re.fullmatch(r"[\w.-]{3,60}", n) and secrets.is_secret_key(n)
            ),
            "",
        )
        if named and any(shaped(text) for text in group.texts):
            yield f"a password's form in the company of {named}"


def _rows(data: bytes) -> Iterator[str]:
    """Rows of settings: a name that says secret, and a value behind it."""
    groups = list(binaries.of_sqlite(data))
    columns = {
        c for g in groups for t in g.texts if t[:12].upper() == "CREATE TABLE" for c in re.findall(r"[(,]\s*[\"`]?(\w+)", t)
    }
    column = next((c for c in sorted(columns) if secrets.is_secret_key(c) and re.search(r"(?i)passw|pwd|secret", c)), "")
    if column and any(shaped(text) for group in groups for text in group.texts):
        yield f"a password's form in the company of the column {column}"
    for group in groups:
        for name, value in zip(group.texts, group.texts[1:], strict=False):
            if (
                len(name) < 80
                and secrets.is_secret_key(name)
                and re.fullmatch(r"[\w.:-]+", name)
                and secrets.worth(value) == "real"
            ):
                yield f"the value of {name} in a table"
        for text in group.texts:
            what = _first(text) if re.search(r"://|=|-----|_", text) else ""
            if what:
                yield what


def _finding(entry: Entry, what: str, where: str, confidence: Confidence) -> Finding:
    severity: Severity = META.severity if confidence == "likely" else "medium"
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=confidence,
        title=f"{what} inside {entry.place.rpartition('/')[2]}",
        place=entry.place,
        excerpt=f"{secrets.HIDDEN} {where}".strip(),
        consequence="`strings` shows it to everyone who has the package; changing it takes a new build.",
        fix="Rotate it, and have the vendor read it from outside.",
    )


def _sample_class(*texts: str) -> bytes:
    pool = b"".join(b"\x01" + len(t).to_bytes(2, "big") + t.encode() for t in texts)
    pool += b"".join(b"\x08" + n.to_bytes(2, "big") for n in range(1, len(texts) + 1))
    return b"\xca\xfe\xba\xbe\0\0\0\x3d" + (2 * len(texts) + 1).to_bytes(2, "big") + pool + bytes(20)


_PYC = bytes(16) + b"".join(b"\xda" + bytes([len(t)]) + t for t in (b"PASSWORD", b"Zm8-sKw2pQ"))
BAD = (
    {"bin/agent": b"\x7fELF\0\0\0user=app password=geheim1 host=db\0"},
    {"bin/agent": b"\x7fELF\0\0\0postgresql://app:geheim1@db/app\0"},
    {"bin/agent.exe": b"MZ\0\0" + "Server=x;Password=geheim1;".encode("utf-16-le") + b"\0\0"},
    {"a/Db.class": _sample_class("app/Db", "db.password", "Zm8-sKw2pQ")},
    {"a/Db.class": _sample_class("jdbc:mysql://db/app?user=a&password=geheim1")},
    {"app/__pycache__/s.cpython-311.pyc": _PYC},
)
GOOD = (
    {"bin/agent": b"\x7fELF\0\0\0password=%s host=%s\0usage: --password=PASSWORD\0http://user:pass@example.com/\0"},
    {"a/Db.class": _sample_class("app/Db", "db.password", "Password is required", "getPassword", "UTF-8", "SHA-256")},
    {"site-packages/x/s.pyc": _PYC, "x.db": b"SQLite format 3\0" + bytes(200)},
)
