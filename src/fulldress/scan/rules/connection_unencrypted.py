"""A setting switches encryption off for a connection to another host.

## What it does
Reads the package's settings for mail, directory, message, cache and database connections whose `tls`, `ssl` or `starttls` is
false (`mail.smtp.starttls.enable=false`, `smtp:` … `tls: false`), unless the host beside it is this one.

## Why it matters
Passwords and data go over the network for everybody on the way to read, and nobody notices, because it works.

## Example
```
smtp:
  host: mail.intern.example
  tls: false
```

## Fix
Switch it on, and rehearse that the other side can do it.

## References
- CWE-319 Cleartext Transmission of Sensitive Information
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.credentials import secrets
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, is_code, script_at
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="connection-unencrypted",
    family="endpoint",
    title="Encryption of a connection switched off",
    severity="low",
    confidence="likely",
    yields_to=("tls-off",),
)
_SWITCH = (
    r"(?:use[._-]?|enable[._-]?|require[._-]?)?(?:tls|ssl|starttls|encrypt(?:ion)?)(?:[._-]?(?:enabled?|required?|on|mode))?"
)
_OFF = r"(?:false|off|no|0|none|null|disabled?)"
_LINE = late(rf"(?i)^(\s*)[\"']?([\w.-]*?)[._-]?(?<![a-z]){_SWITCH}[\"']?\s*[:=]\s*[\"']?{_OFF}[\"']?\s*,?\s*$")
LOOKS_FOR = (
    Pattern(
        r"(?i)(tls|ssl|encrypt(ion)?)([._-]?(enabled?|required?|on|mode))?[\"']?[^\S\n]*[:=][^\S\n]*"
        r"[\"']?(false|off|no|0|none|null|disabled?)[\"']?[^\S\n]*,?[^\S\n]*$"
    ),
)
_OTHER = late(
    r"(?i)smtp|mail|ldap|redis|amqp|rabbit|kafka|mongo|postgres|mysql|maria|(^|[._-])(db|database)([._-]|$)|elastic|mqtt"
)
_HERE = late(r"(?i)\b(localhost|127\.\d+\.\d+\.\d+|::1)\b|\.sock\b")
NEAR = 8
"""Lines above and below that belong to the same connection."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each connection of a file."""
    for entry, number, line in acting_lines(context, *LOOKS_FOR, acting=lambda e: standing(e.place) == "acting"):
        match = _LINE.match(line)
        if match is None or is_code(entry.place) or script_at(context, entry.place) is not None:
            continue
        what, near = _connection(context.text(entry) or "", number, match[1], match[2])
        if what and not _HERE.search(near):
            yield Finding(
                rule=META.slug,
                severity=META.severity,
                confidence=META.confidence,
                title=f"{what} is used without encryption",
                place=entry.place,
                line=number,
                excerpt=secrets.hidden(line.strip())[:200],
                consequence="Passwords and data go over the network for everybody on the way to read.",
                fix="Switch it on, and rehearse that the other side can do it.",
            )


def _connection(text: str, number: int, indent: str, prefix: str) -> tuple[str, str]:
    """(what the switch belongs to, the lines about the same thing): by the key's beginning, or the heading above it."""
    lines = text.split("\n")
    around = lines[max(0, number - NEAR - 1) : number + NEAR]
    if _OTHER.search(prefix):
        return prefix.strip("._-"), "\n".join(x for x in around if prefix.strip("._-").partition(".")[0] in x)
    for above in reversed(lines[: number - 1]):
        bare = above.lstrip()
        if not bare or bare.startswith("#"):
            continue
        left = len(above) - len(bare)
        heading = re.match(r"\[([\w .:-]+)\]\s*$", bare) if left <= len(indent) else None
        if heading is None and left < len(indent):
            heading = re.match(r"[\"']?([\w.-]+)[\"']?\s*:\s*\{?\s*$", bare)
            if heading is None:
                return "", ""
        if heading is not None:
            return (heading[1] if _OTHER.search(heading[1]) else ""), "\n".join(around)
    return "", ""


BAD = (
    {"conf/a.yaml": "smtp:\n  host: mail.intern.example\n  tls: false\nretry: 3\n"},
    {"conf/a.properties": "mail.smtp.host=mail.intern.example\nmail.smtp.starttls.enable=false\n"},
    {"conf/a.ini": "[ldap]\nserver = ldap1.intern.example\nuse_ssl = no\n"},
    {"portal/.env": "MAIL_HOST=mail.intern.example\nMAIL_ENCRYPTION=null\n"},
    {"conf/a.json": '{\n  "redis": {\n    "host": "cache1",\n    "tls": false\n  }\n}\n'},
)
GOOD = (
    {"conf/a.yaml": "smtp:\n  host: localhost\n  tls: false\nserver:\n  tls: false\n"},
    {
        "conf/a.ini": "[ldap]\nserver = ldap1.intern.example\nuse_ssl = yes\n# tls = no\n",
        "README.md": "smtp:\n  tls: false\n",
    },
    {"app/x.py": "smtp_tls = False\n", "conf/b.yaml": "ui:\n  ssl: false\n"},
)
