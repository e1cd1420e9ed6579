"""A password is a literal argument of a call in a program.

## What it does
Knows which argument of which call is a password: `DriverManager.getConnection(url, user, password)`, `mysqli_connect`,
`new PDO`, `oracledb.connect`, LDAP binds, SMTP and FTP logins, HTTP authentication, `setPassword`, and calls over several
lines. Only a literal counts; names, environment reads, tests and documentation do not.

## Why it matters
The credential is the same at every customer and cannot be changed without a new build.

## Example
```
Connection c = DriverManager.getConnection(url, "lims", "Winter2024");
```

## Fix
Rotate it; have the vendor read it from the environment or a file. Nothing can be patched reliably in a program.

## References
- CWE-798 Use of Hard-coded Credentials; CWE-259
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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
    slug="secret-in-code",
    family="secret",
    title="Password as a literal argument",
    severity="high",
    confidence="likely",
)
_CALLS: tuple[tuple[str, int], ...] = (
    (r"getConnection", 2),
    (r"mysqli_connect|mysql_p?connect|mysqli_real_connect|new\s{1,4}\\?mysqli", 2),
    (r"new\s{1,4}\\?PDO|DBI->connect|odbc_connect|oci_p?connect|db2_connect", 2),
    (r"(MySQLdb|pymysql|mysql\.connector)\.connect", 2),
    (r"(cx_Oracle|oracledb)\.connect", 1),
    (r"ldap3?\.Connection|ldap_bind|ldap_sasl_bind", 2),
    (r"simple_bind(_s)?|\.bind_s|\.rebind", 1),
    (r"\.connect|newInstance", 2),
    (r"postgresql_password|mysql_password|jwt\.sign|->login|->bind", 1),
    (r"\.login|\.authenticate|\.basicAuth|setBasicAuth|HTTP(Basic|Digest)Auth|SetBasicAuth", 1),
    (
        r"new\s{1,4}(NetworkCredential|PasswordAuthentication|UsernamePasswordCredentials|UsernamePasswordAuthenticationToken)",
        1,
    ),
    (r"set(Db|User|Admin|Proxy|KeyStore|TrustStore|Key)?(Password|Passwd|Pwd|Secret)|\.password|\.clientSecret", 0),
    (r"create_superuser", 2),
    (r"\.createContext|createQueueConnection|createTopicConnection|[fF]actory\.createConnection", 1),
    (r"\bFTP(_TLS)?|ftplib\.FTP", 2),
    (r"new\s{1,4}(Client|Connection|Session)", 2),
)
_ANY = "|".join(regex for regex, _ in _CALLS)
_KEYED = Pattern(
    r"([pP]ass(w(or)?d)?|PASS(WORD|WD)?|PWD|[sS]ecret|SECRET|[tT]oken|TOKEN|CREDENTIALS|_KEY)[\"']?\s{0,2},\s{0,2}[\"'][^\"']{4}"
)
LOOKS_FOR = (Pattern(rf"({_ANY})\s{{0,4}}\("), _KEYED)
_PAIR = late(
    r"""\b(?:setProperty|put|set|addProperty|option|setHeader|setAttribute|define)\s*\(\s*["']?([\w.-]{1,80})["']?\s*,\s*["']([^"'\\]{4,})["']"""
)
_FINDERS = tuple((late(rf"(?:{regex})\s{{0,4}}\("), position) for regex, position in _CALLS)
_LITERAL = late(r"""^\s*[bBuUrR]?(?:"([^"\\]*)"|'([^'\\]*)')(?:\.toCharArray\(\)|\.encode\([^)]*\)|\.to_string\(\))?\s*$""")
MAX_CALL = 600


def check(context: Context) -> Iterator[Finding]:
    """One finding for each call, or one for the file."""
    seen: dict[str, dict[int, Spot]] = {}
    for line in context.lines(*LOOKS_FOR):
        place = line.entry.place
        if not is_code(place) or standing(place) in ("silent", "library") or is_comment(line.text):
            continue
        text = context.text(line.entry)  # None for what is too large: its line alone is looked at
        for value, shown in _arguments(text or line.text, line.number if text else 1):
            severity = severity_of(secrets.worth(value), standing(place))
            if severity is not None:
                spot = Spot(line.number, "a password as an argument", redacted(shown, value), severity, META.confidence)
                seen.setdefault(place, {}).setdefault(line.number, spot)
    for place, spots in seen.items():
        yield from findings(META.slug, place, [spots[n] for n in sorted(spots)], fix="Rotate it; the program must read it.")


def _arguments(text: str, number: int) -> Iterator[tuple[str, str]]:
    """(password, the line) for each call that begins in a line."""
    lines = text.split("\n")
    rest = "\n".join(lines[number - 1 : number + 12])[: MAX_CALL + len(lines[number - 1])]
    for key, value in _PAIR.findall(lines[number - 1]):
        if secrets.is_secret_key(key) and secrets.worth(value) == "real":
            yield value, lines[number - 1]
    for finder, position in _FINDERS:
        for match in finder.finditer(lines[number - 1]):
            arguments = split(rest[match.end() :])
            literal = _LITERAL.match(arguments[position]) if len(arguments) > position else None
            value = (literal[1] or literal[2] or "") if literal is not None else ""
            if (
                value
                and not re.search(r"\s", value)
                and (position or (len(arguments) == 1 and secrets.worth(value) == "real"))
            ):
                yield value, lines[number - 1]


BAD = (
    {"old/wp-config.php.bak": "<?php\ndefine('DB_PASSWORD', 'geheim1');\n$d = new \\mysqli('h', 'u', 'geheim1', 'd');\n"},
    {"src/Tls.java": 'System.setProperty("javax.net.ssl.keyStorePassword", "geheim1");\n'},
    {"src/Db.java": 'class Db { void x() { c = DriverManager.getConnection(url, "app", "geheim1"); } }\n'},
    {"src/Pool.java": 'c = DriverManager\n  .getConnection("jdbc:x:y", user(1, 2),\n   "geheim1");\n'},
    {"www/db.php": "<?php\n$l = mysqli_connect('db', 'app', 'geheim1');\n$d = new PDO('mysql:x', 'app', 'geheim1');\n"},
    {"app/dir.py": 'bind = ldap3.Connection(s, "cn=svc", "geheim1")\nl.simple_bind_s("cn=a", "geheim1")\n'},
    {"src/Mq.java": 'return factory.createContext("kbapp", "geheim1#");\n'},
    {"src/Mail.java": 'return new PasswordAuthentication("svc", "geheim1".toCharArray());\n'},
    {"src/Ds.java": 'ds.setPassword("geheim1");\n'},
)
GOOD = (
    {"src/Db.java": 'c = DriverManager.getConnection(url, user, password);\nds.setPassword(System.getenv("geheim1"));\n'},
    {"src/A.java": '// DriverManager.getConnection(url, "app", "geheim1");\nx.setPassword("password");\n'},
    {"tests/test_db.py": 's.login("alice", "secret")\n', "site-packages/x/db.py": 's.login("bob", "geheim1")\n'},
    {"app/x.py": 'app.login("user@example.com")\nsock.bind("0.0.0.0", 8080)\nlog.bind("request id", "some words1 here")\n'},
)
