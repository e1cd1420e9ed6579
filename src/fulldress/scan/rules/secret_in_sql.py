"""A password is written into an SQL statement.

## What it does
Finds passwords in `CREATE` and `ALTER ROLE` or `USER`, user mappings and server options of foreign data wrappers, `dblink`
connections, subscriptions, `IDENTIFIED BY` and `SET PASSWORD`, in SQL files and in the SQL inside scripts and programs.
A verifier (`SCRAM-SHA-256$...`, `md5...`) is not the password but lets it be guessed: `low`.

## Why it matters
The database gets a password that everyone with the package knows; it also lands in the server's log and in the history
of the migration tool.

## Example
```
ALTER ROLE lims PASSWORD 'Winter2024';
```

## Fix
Create the role without a password, and set it on the host from a secret: `\\password`, or a variable of `psql`.

## References
- CWE-798 Use of Hard-coded Credentials; PostgreSQL documentation, CREATE ROLE
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats.calls import split
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Cure, Finding
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.anytext import shaped
from fulldress.scan.credentials.secretreport import Spot, findings, redacted, severity_of
from fulldress.scan.database import migration_programs
from fulldress.scan.places import standing
from fulldress.scan.reading import current_text, edited, is_comment
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="secret-in-sql",
    family="secret",
    title="Password in an SQL statement",
    severity="high",
    confidence="certain",
)
_STATEMENTS = (
    Pattern(r"(?i)[\s,(]password\s{0,9}=?\s{0,9}[eEnN]?'{1,2}[^']{3}"),
    Pattern(r"(?i)\bidentified\s{1,9}(with\s{1,9}\S{1,40}\s{1,9})?(by|as)\s{1,9}(password\s{1,9})?['\"]?[^\s'\"]{3}"),
    Pattern(r"(?i)\bdblink\w{0,30}\s{0,4}\([^;]{0,200}password\s{0,4}="),
    Pattern(r"(?i)\b(connection|primary_conninfo|conninfo)\s{0,9}=?\s{0,9}'[^';]{0,200}password\s{0,4}="),
    Pattern(r"(?i)\bset\s{1,9}password\s{1,9}(for\s{1,9}[^\s=]{1,60}\s{0,9})?=\s{0,9}(password\s{0,4}\()?\s{0,4}'"),
)
_FORMS = (
    late(
        r"(?is)\b(?:role|user|group|mapping|options|server|login|add)\b[^;]{0,300}?[\s,(]password\s*=?\s*"
        r"(?:[eEnN]?'(?P<v>[^']{3,})'|(?<=[\s=])''(?P<w>[^']{3,})'')"
    ),
    late(
        r"(?is)\bidentified\s+(?:with\s+\S+\s+)?(?:by|as)\s+(?:password\s+)?(?:'(?P<v>[^']+)'|\"(?P<w>[^\"]+)\"|"
        r"(?P<x>(?!values\b|externally\b|globally\b|password\b|random\b)[A-Za-z]\w*\d\w*)\b)"
    ),
    late(r"(?is)\bdblink\w*\s*\([^;]{0,200}?password\s*=\s*(?P<v>[^\s';]{3,})"),
    late(r"(?is)\b(?:connection|primary_conninfo|conninfo)\s*=?\s*'[^';]{0,200}?password\s*=\s*(?P<v>[^\s';]{3,})"),
    late(r"(?is)\bset\s+password\s+(?:for\s+[^\s=]+\s*)?=\s*(?:password\s*\()?\s*'(?P<v>[^']{3,})'"),
)
_ROW = Pattern(r"(?i)'[\w.-]{0,40}(passw(or)?d|passwd|secret|api_?key|token)'\s{0,4},\s{0,4}[eEnN]?'[^'\s]{8}")
_SETTING = late(r"(?i)'(?P<k>[\w.-]{0,40}(?:passw(?:or)?d|passwd|secret|api_?key|token))'\s*,\s*[en]?'(?P<v>[^'\s]{8,})'")
_INTO_SETTINGS = late(r"(?i)\binsert\s+into\s+[\w.\"`]*(?:setting|config|param|option|propert|credential|account|secret)")
_INSERT = late(r"(?is)\binsert\s+into\s+[\w.\"`]+\s*\(([^()]{1,2000})\)\s*values\s*")
_SECRET_COLUMN = late(
    r"(?i)^(?:\w*_)?(?:passw(?:or)?d|passwd|pwd|pass|secret|api_?key|token|access_?key"
    r"|private_?key|credentials?)$"
)
_HASHED = late(
    r"(?i)\b(?:crypt|pgp_sym_encrypt|encrypt|aes_encrypt|md5|sha[12]|sha2|password"
    r"|hashbytes)\s*\(\s*(?:'\w+'\s*,\s*)?'([^']{4,})'"
)
"""A password that the statement itself hashes, and so holds in clear."""
LOOKS_FOR = (*_STATEMENTS, _ROW, *migration_programs.LOOKS_FOR)
MAX_SEED = 1 << 20
"""Characters of a script in which rows are looked at: larger ones are dumps."""
_VERIFIER = late(r"^(SCRAM-SHA-256\$|md5[0-9a-f]{32}$|\*[0-9A-F]{40}$|\$[0-9a-z]+\$)")
_FIX = "Create the role without it, and set the password on the host from a secret."


def check(context: Context) -> Iterator[Finding]:
    """One finding for each statement, or one for the file."""
    seen: dict[str, dict[int, Spot]] = {}
    _rows(context, seen)
    _columns(context, seen)
    for hit in context.hits(*_STATEMENTS):
        place = hit.entry.place
        if context.is_binary(hit.entry) or standing(place) in ("silent", "library"):
            continue
        data = context.read(hit.entry)
        start = max(0, hit.end - 420)
        text = data[start : hit.end + 200].decode("utf-8", "surrogateescape")
        for value, at in _values(text):
            line = data.count(b"\n", 0, start + len(text[:at].encode("utf-8", "surrogateescape"))) + 1
            spot = _spot(place, line, text, value, at)
            if spot is not None and spot.curable and _quoted(data[:start].decode("utf-8", "replace") + text, start + at):
                spot = spot._replace(curable=False)
            if spot is not None:
                seen.setdefault(place, {}).setdefault(line, spot)
    for place, spots in seen.items():
        ordered = [spots[line] for line in sorted(spots)]
        if any(spot.curable for spot in ordered) and not migration_programs.for_psql(context, place):
            ordered = [spot._replace(curable=False) for spot in ordered]
        yield from findings(META.slug, place, ordered, fix=_FIX)


def _rows(context: Context, seen: dict[str, dict[int, Spot]]) -> None:
    """Rows of settings: ``('smtp_password', '...')``."""
    for line in context.lines(_ROW):
        place, found = line.entry.place, _SETTING.search(line.text)
        if found is None or not place.endswith(".sql") or standing(place) in ("silent", "library") or is_comment(line.text):
            continue
        meant = shaped(found["v"]) or (
            _INTO_SETTINGS.search(line.text) is not None and re.search(r"\d", found["v"]) is not None
        )
        severity = severity_of(secrets.worth(found["v"]), standing(place)) if meant else None
        if severity is not None:
            shown = redacted(line.text, found["v"])
            spot = Spot(line.number, f"the value of {found['k']} in a row", shown, severity, "likely")
            seen.setdefault(place, {}).setdefault(line.number, spot)


def _columns(context: Context, seen: dict[str, dict[int, Spot]]) -> None:
    """Rows under a column that is named so: ``INSERT INTO endpoint (url, secret) VALUES ('...', '...')``."""
    for entry in context.ending(".sql"):
        place = entry.place
        if standing(place) in ("silent", "library") or entry.size > MAX_SEED:
            continue
        text = context.text(entry) or ""
        for statement in (
            _INSERT.finditer(text) if "ecret" in text or "pass" in text.lower() or "key" in text.lower() else ()
        ):
            names = [re.sub(r"[\s\"`\[\]]", "", name) for name in statement[1].split(",")]
            wanted = [
                n for n, name in enumerate(names) if _SECRET_COLUMN.match(name) or re.search(r"(?i)pass|pwd|pw_", name)
            ]
            for value, at, hashed in _under(text, statement.end(), wanted) if wanted else ():
                severity = severity_of("real" if hashed else secrets.worth(value), standing(place))
                if severity is not None and not _VERIFIER.match(value):
                    line = text.count("\n", 0, at) + 1
                    whole = text.split("\n")[line - 1]
                    spot = Spot(line, "a secret in a row", redacted(whole, value), severity, "likely")
                    seen.setdefault(place, {}).setdefault(line, spot)


def _under(text: str, begins: int, wanted: list[int]) -> Iterator[tuple[str, int, bool]]:
    """(value, offset, whether the statement hashes it) of the literals in these columns, to the end of the statement."""
    at = begins
    while text[at : at + 1] == "(" and at < begins + MAX_SEED:
        inside = text[at + 1 : at + 4000]
        values = split(inside)
        for column in wanted:
            value = values[column].strip() if column < len(values) else ""
            clear = re.fullmatch(r"[eEnN]?'([^']{4,})'", value) or _HASHED.match(value)
            if clear is not None:
                yield clear[1], at + 1 + max(0, inside.find(clear[1])), not value.endswith("'")
        size = len(",".join(values))
        closing = text.find(")", at + size)
        rest = re.compile(r"\s*,\s*").match(text, closing + 1) if closing > 0 else None
        if rest is None:
            return
        at = rest.end()


def _values(text: str) -> Iterator[tuple[str, int]]:
    """(password, offset) of each statement in a piece of text."""
    for form in _FORMS:
        for match in form.finditer(text):
            for name in match.groupdict():
                if match[name]:
                    yield match[name], match.start(name)


def _spot(place: str, line: int, text: str, value: str, at: int) -> Spot | None:
    whole = text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0]
    if is_comment(whole):
        return None
    verifier = _VERIFIER.match(value) is not None
    severity = severity_of("real" if verifier else secrets.worth(value), standing(place), "low" if verifier else "high")
    if severity is None:
        return None
    what = "a password's verifier in an SQL statement" if verifier else "a password in an SQL statement"
    return Spot(
        line,
        what,
        redacted(whole, value),
        severity,
        META.confidence,
        place.endswith(".sql") and not verifier and _first(text, value),
    )


def _first(text: str, value: str) -> bool:
    """True for the forms of PostgreSQL's own roles and options, where psql can put a variable."""
    return any(match["v"] == value for match in _FORMS[0].finditer(text))


def _quoted(text: str, at: int) -> bool:
    """True inside a dollar-quoted body, where psql fills in no variables."""
    tag = ""
    for match in re.finditer(r"\$\w*\$", text[:at]):
        tag = match[0] if not tag else "" if match[0] == tag else tag
    return bool(tag)


def cure(context: Context, finding: Finding) -> Cure | None:
    """In a file for psql, read the password from the environment; other files are the vendor's to change."""
    text = current_text(context, finding.place)
    if text is None or not finding.curable:
        return None
    changed, count = text, 0
    for form in _FORMS[:1]:
        for match in reversed(list(form.finditer(changed))):
            if (
                match["v"]
                and secrets.worth(match["v"])
                and not _VERIFIER.match(match["v"])
                and not _quoted(changed, match.start("v"))
            ):
                changed = changed[: match.start("v") - 1] + ":'fulldress_password'" + changed[match.end("v") + 1 :]
                count += 1
    if not count:
        return None
    note = "password read by psql from FULLDRESS_PASSWORD in the environment (psql 15 or newer); set it before this runs"
    return edited(finding.place, "\\getenv fulldress_password FULLDRESS_PASSWORD\n" + changed, note)


BAD = (
    {"sql/007.sql": "ALTER SYSTEM SET primary_conninfo = 'host=a user=r password=geheim1';\n"},
    {"sql/001.sql": "CREATE ROLE app LOGIN PASSWORD 'geheim1';\n"},
    {"sql/008.sql": "DO $$ BEGIN EXECUTE 'CREATE ROLE a PASSWORD ''geheim1'''; END $$;\n"},
    {"sql/010.sql": "CREATE LOGIN b WITH PASSWORD = N'geheim1';\n"},
    {"sql/009.sql": "INSERT INTO settings (name, value) VALUES ('smtp_password', 'Zm8-sKw2pQ');\n"},
    {"sql/002.sql": "create user mapping for app server s\n  options (user 'x', password 'geheim1');\n"},
    {"sql/003.sql": "CREATE USER 'a'@'%' IDENTIFIED BY 'geheim1';\nSET PASSWORD FOR x = PASSWORD('geheim1');\n"},
    {"sql/004.sql": "SELECT dblink_connect('c', 'host=db user=x password=geheim1');\n"},
    {"bin/setup.sh": "#!/bin/sh\npsql -c \"ALTER USER app WITH ENCRYPTED PASSWORD 'geheim1'\"\n"},
    {"sql/005.sql": "CREATE SUBSCRIPTION s CONNECTION 'host=a password=geheim1' PUBLICATION p;\n"},
    {"sql/006.sql": f"ALTER ROLE app PASSWORD 'SCRAM-SHA-256$4096:{'c2FsdHNhbHRzYWx0'}$x:y';\n"},
)
GOOD = (
    {"sql/011.sql": "INSERT INTO p VALUES ('user', '$[?(@.METRIC==''USER::Expire password'')].VALUE1.first()','0','');\n"},
    {"sql/001.sql": "CREATE ROLE app LOGIN;\nALTER ROLE app PASSWORD NULL;\n-- ALTER ROLE app PASSWORD 'geheim1';\n"},
    {"sql/002.sql": "ALTER ROLE app PASSWORD :'pw';\nALTER USER a IDENTIFIED BY '${DB_PASSWORD}';\n"},
    {"app/roles.py": "execute(\"ALTER ROLE x PASSWORD '%s'\" % word)\n", "README.md": "ALTER ROLE x PASSWORD 'geheim1';\n"},
    {"cli/a.js": "cmd('user:reset-user-password', ['user:reset-password1x'])\n"},
    {"sql/003.sql": "COMMENT ON COLUMN users.password IS 'bcrypt1';\n"},
)
