"""The package creates a user with a well-known password, or a program compares with one.

## What it does
Reads the rows that SQL files insert into tables of users and finds passwords in clear, in `md5('...')` or `crypt('...')`,
hashes of common passwords, and hashes that every installation shares; and, in programs, comparisons of a password with a
literal, or of anything with a word that is nothing but a password (`admin123`).

## Why it matters
After the upgrade there is an account that anyone who knows the product can use, at every customer.

## Example
```
INSERT INTO users (login, password) VALUES ('admin', 'admin123');
```

## Fix
Delete the row or lock the account directly after the upgrade; set a password of your own before the service listens.

## References
- CWE-1392 Use of Default Credentials; CWE-798
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from fulldress.formats.calls import split
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.secretreport import Spot, findings, redacted, severity_of
from fulldress.scan.places import standing
from fulldress.scan.reading import is_code, is_comment
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="default-credential",
    family="secret",
    title="Default credential",
    severity="high",
    confidence="likely",
)
_INSERT = Pattern(
    r"(?i)\binsert\s{1,9}into\s{1,9}[\w.\"`\[\]]{0,40}(user|account|login|admin|credential|operator|principal)[\w\"`\]]{0,20}\s{0,9}\("
)
_COMPARED = Pattern(
    r"(?i)(password|passwd|pwd)\w{0,12}[\]\)\"']{0,3}\s{0,3}(===?|\.equals\s?\(|\beq\b)\s{0,3}[\"'][^\"']{4}"
)
_TURNED = Pattern(
    r"(?i)[\"'][^\s\"']{4,60}[\"']\s{0,3}(===?\s{0,3}|\.equals\s?\(\s?)[\w.$>\[\"'-]{0,40}(password|passwd|pwd)\b"
)
_COPIED = Pattern(
    r"(?i)^copy\s{1,9}[\w.\"]{0,60}(user|account|login|admin|credential|operator|principal)[\w\"]{0,20}\s{0,9}\([^)\n]{0,900}"
    r"(pass|pwd|secret)[^)\n]{0,900}\)\s{1,9}from\s{1,9}stdin"
)
_WELL_KNOWN = sorted(
    word
    for word in secrets.DEFAULTS
    if re.fullmatch(r"[a-z@0]{5,14}\d{3,}|changeme|changeit|change_me|letmein|p@ssw0rd|passw0rd|minioadmin", word)
    and re.search(r"[a-z]{3}", word)
)
"""Words that are nothing but a password, whatever they are compared with."""
_KNOWN = Pattern(
    rf"(?i)(===?|\.equals\s?\(|\beq\b)\s{{0,3}}[\"']({'|'.join(_WELL_KNOWN)})[\"']|"
    rf"[\"']({'|'.join(_WELL_KNOWN)})[\"']\s{{0,3}}(===?|\.equals\s?\()"
)
LOOKS_FOR = (_INSERT, _COMPARED, _TURNED, _COPIED, _KNOWN)
_KNOWN_LITERAL = late(rf"(?i)[\"']({'|'.join(map(re.escape, _WELL_KNOWN))})[\"']")
_STATEMENT = late(r"(?is)insert\s+into\s+[^\s(]+\s*\((?P<columns>[^)]*)\)\s*values\s*(?P<rows>.{1,4000}?)(?:;|\Z)")
_COLUMN = late(
    r"(?i)^(\w*_)?(pass(word|wd|_?hash)?|(pw|pwd|pass(word|wd)?)_?(md5|sha\d*|crypt|digest|hash)|pwd|passwd|password_?hash|encrypted_password|password_digest|secret)$"
)
_LITERAL = late(r"(?is)^\s*(?:(?P<call>\w+)\s*\(\s*)?[eEnN]?'(?P<value>[^']{3,})'")
_HASH = late(
    r"^(\$2[aby]\$|\$argon2|\$6\$|\$5\$|\$1\$|pbkdf2|scrypt|\{bcrypt\}|\{SSHA|sha1\$)|^[0-9a-f]{32}$|^[0-9a-f]{40}$|^[0-9a-f]{64}$"
)
_COMPARISON = late(
    r"""(?i)(?:password|passwd|pwd)\w{0,12}[\])"']{0,3}\s{0,3}(?:===?|\.equals\s*\(|\beq\b)\s*["']([^"']{4,})["']"""
)
_TURNED_COMPARISON = late(
    r"""(?i)["']([^\s"']{4,60})["']\s{0,3}(?:===?\s{0,3}|\.equals\s?\(\s?)[\w.$>\["'-]{0,40}(?:password|passwd|pwd)\b"""
)
MAX_ROWS = 200
_FIX = "Lock the account or set a password of your own before the service listens; ask for a first-login change."
_CONSEQUENCE = "Anyone who knows the product can log in, at every installation."


def check(context: Context) -> Iterator[Finding]:
    """One finding for each row or comparison, or one for the file."""
    seen: dict[str, dict[int, Spot]] = {}
    for hit in context.hits(_INSERT):
        place = hit.entry.place
        if context.is_binary(hit.entry) or standing(place) in ("silent", "library"):
            continue
        data = context.read(hit.entry)
        start = max(0, hit.end - 120)
        start += max(0, data[start : hit.end].lower().rfind(b"insert"))  # not the statement before
        for spot in _seeded(
            place, data[start : hit.end + 4000].decode("utf-8", "surrogateescape"), data.count(b"\n", 0, start) + 1
        ):
            seen.setdefault(place, {}).setdefault(spot.line, spot)
    for line in context.lines(_COMPARED, _TURNED, _KNOWN):
        place = line.entry.place
        match = _COMPARISON.search(line.text) or _TURNED_COMPARISON.search(line.text)
        if match is None and _KNOWN in line.patterns:
            match = _KNOWN_LITERAL.search(line.text)
        if match is None or not is_code(place) or is_comment(line.text) or standing(place) != "acting":
            continue
        if secrets.worth(match[1]) == "real" or match[1].lower() in secrets.DEFAULTS - {
            "password",
            "secret",
            "user",
            "default",
        }:
            shown = redacted(line.text, match[1])
            spot = Spot(line.number, "a password is compared with a literal", shown, "medium", "likely")
            seen.setdefault(place, {}).setdefault(line.number, spot)
    for line in context.lines(_COPIED):
        text = context.text(line.entry) if standing(line.entry.place) not in ("silent", "library") else None
        for spot in _copied(line.entry.place, text or "", line.number):
            seen.setdefault(line.entry.place, {}).setdefault(spot.line, spot)
    for place, spots in seen.items():
        yield from findings(META.slug, place, [spots[n] for n in sorted(spots)], consequence=_CONSEQUENCE, fix=_FIX)


def _seeded(place: str, text: str, first: int) -> Iterator[Spot]:
    match = _STATEMENT.search(text)
    if match is None:
        return
    columns = [c.strip(' "`[]\n\r\t') for c in match["columns"].split(",")]
    for opening, following in pairwise([*(m.start() for m in re.finditer(r"\(", match["rows"])), len(match["rows"])]):
        del following
        values = split(match["rows"][opening + 1 :])
        if len(values) != len(columns):
            continue
        for column, value in zip(columns, values, strict=True):
            literal = _LITERAL.match(value) if _COLUMN.match(column) else None
            what = _what(literal) if literal is not None else ""
            severity = severity_of("weak" if "shared" in what else "real", standing(place)) if what else None
            if literal is not None and severity is not None:
                at = match.start("rows") + opening
                line = first + text.count("\n", 0, at)
                shown = redacted(text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0], literal["value"])
                yield Spot(line, f"a user with {what}", shown, severity, META.confidence)
                break


def _copied(place: str, text: str, number: int) -> Iterator[Spot]:
    """The rows behind ``COPY users (...) FROM stdin`` of a dump."""
    lines = text.split("\n")[number - 1 : number + MAX_ROWS]
    columns = [c.strip(' "') for c in lines[0].partition("(")[2].partition(")")[0].split(",")] if lines else []
    for at, row in enumerate(lines[1:], number + 1):
        values = row.split("\t")
        if row.startswith("\\.") or len(values) != len(columns):
            return
        found = next((v for c, v in zip(columns, values, strict=True) if _COLUMN.match(c) and v != "\\N" and _known(v)), "")
        severity = severity_of("real", standing(place)) if found else None
        if severity is not None:
            yield Spot(at, f"a user with {_known(found)}", redacted(row, found), severity, META.confidence)


def _what(literal: re.Match[str]) -> str:
    value = literal["value"]
    if literal["call"] and literal["call"].lower() in ("current_setting", "getenv", "coalesce", "nullif"):
        return ""
    if literal["call"] and literal["call"].lower() in _HASHES_IT:
        return "a password that everybody with the package knows"
    return _known(value)


_HASHES_IT = (
    "md5",
    "sha",
    "sha1",
    "sha2",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "crypt",
    "password",
    "digest",
    "hashbytes",
)
"""Functions of a database: what stands in them is the password itself."""


def _known(value: str) -> str:
    """What a value in the column of passwords is."""
    if value.lower() in _known_hashes():
        return "the hash of a common password"
    if _HASH.match(value):
        return "a password hash that every installation shares"
    if value in ("!", "*") or not secrets.worth(value):
        return ""
    return "a common password" if value.lower() in secrets.DEFAULTS else "a password in clear"


@cache
def _known_hashes() -> frozenset[str]:
    """Unsalted digests of the passwords that are tried first."""
    words = [w.encode() for w in secrets.DEFAULTS]
    kinds = (hashlib.md5, hashlib.sha1, hashlib.sha256)
    return frozenset(kind(word, usedforsecurity=False).hexdigest() for word in words for kind in kinds)


BAD = (
    {"app/auth.py": "def ok(u, p):\n    return u == 'admin' and p == 'admin123'\n"},
    {"sql/seed.sql": "INSERT INTO users (login, password) VALUES ('admin', 'admin123');\n"},
    {"sql/seed.sql": "insert into app_user(id, passwd)\nvalues (1, md5('geheim1')), (2, md5('geheim1'));\n"},
    {"sql/seed.sql": "INSERT INTO accounts (login, password_hash) VALUES ('a', '0192023a7bbd73250516f069df18b500');\n"},
    {"sql/dump.sql": "COPY public.users (id, login, password) FROM stdin;\n1\tadmin\tadmin123\n\\.\n"},
    {"src/Auth.java": 'return "geheim1".equals(password);\n'},
    {"app/auth.py": 'if user == "admin" and password == "geheim1":\n    ok()\n'},
    {"sql/a.sql": "insert into users (n) values (1);\ninsert into users (n, pass) values (2, md5('vendor'));\n"},
    {"sql/b.sql": "INSERT INTO app_user (login, pw_hash)\nVALUES ('adm', crypt('netz', gen_salt('bf')));\n"},
)
GOOD = (
    {"app/mode.py": "if kind == 'admin' or state == 'default' or host == 'elastic':\n    run()\n"},
    {"sql/seed.sql": "INSERT INTO users (login, password) VALUES ('a', :'pw');\nINSERT INTO users (login) VALUES ('a');\n"},
    {"sql/seed.sql": "INSERT INTO users (login, password) VALUES ('admin', '!');\n"},
    {"sql/dump.sql": "COPY users (id, login, password) FROM stdin;\n1\tadmin\t\\N\n\\.\n2\tb\tadmin123\n"},
    {"tests/test_auth.py": 'assert password == "geheim1"\n', "app/a.py": 'if kind == "password1":\n    pass\n'},
)
