"""Every secret in a text whose kind of file is not known: what was decoded, what a binary holds. Pure.

Only what is a secret by form or by name counts here; a weak password in such a place is no finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from fulldress.formats import shell, tokens
from fulldress.formats.late import late
from fulldress.formats.patterns import Matcher, Pattern
from fulldress.scan.credentials import commandsecrets, secretlines, secrets

_PEM = late(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY[A-Z ]{0,6}-----\s+[A-Za-z0-9+/=\s]{40}")
_COMMAND = late(
    r"(?m)^[^\S\n]*(?:[A-Z_]+=\S+\s+)*(?:sudo\s+)?(curl|wget|mysql\w*|psql|sshpass|smbclient|export|ssh|echo|env|PG\w+=)\b"
)
_CONNINFO = late(
    r"(?i)(?<![A-Za-z])(pass(?:word|wd)?|pwd|secret|(?:api_?|auth_?)?token|api_?key)\s?=\s?([^\s;&'\",]{4,200})"
)
MAX_LINES = 2000
TOKENS = tuple(Pattern(regex) for regex in tokens.LOOKS_LIKE)
_WORDS = (
    *(
        "pass",
        "pwd",
        "kennwort",
        "contrase",
        "senha",
        "wachtwoord",
        "heslo",
        "secret",
        "token",
        "credential",
        "bearer",
        "psk",
    ),
    *("masterauth", "kek", "community", "pw", "://", "-----begin", "eaaa"),
    *("curl", "wget", "mysql", "psql", "smbclient", "export", "ssh", "echo", "env", "pghost", "pguser", "pgport", "pgdata"),
)

_FREQUENT = {"auth": r"(?i)auth[\s=]", "variable": r"(?i)variable[\s=(]"}
"""Words of forms that every class has (``LocalVariableTable``), and what must stand behind them."""


def secrets_of(text: str) -> Iterator[tuple[str, str]]:
    """(what it is, the value), each value once."""
    seen: set[str] = set()
    for what, value in _all(text):
        if value not in seen and not any(value in other for other in seen):
            seen.add(value)
            yield what, value


def _all(text: str) -> Iterator[tuple[str, str]]:
    for token in tokens.tokens(text):
        yield f"a token ({token.kind})", token.value
    for match in _PEM.finditer(text):
        yield "a private key", match[0]
    for line in text.split("\n")[:MAX_LINES]:
        for place in ("x.properties", "x.json"):
            for secret in secretlines.found_in(place, line):
                if secret.worth == "real":
                    yield secret.what, secret.value
        for match in _CONNINFO.finditer(line):
            if secrets.worth(match[2]) == "real":
                yield f"a secret ({match[1].lower()})", match[2]
    if _COMMAND.search(text) and len(text) < 100_000:
        for command in shell.commands(text):
            for found in commandsecrets.found_in(command):
                yield found.kind, found.value


def may_hold(data: bytes) -> bool:
    """False when no text within these bytes can have a secret or the name of one, but for tokens (``TOKENS`` finds them)."""
    return bool(_glance().search(data).ends)


@cache
def _glance() -> Matcher:
    """Words, which the engine makes ready in no time; one of them is in all that this module finds."""
    keys = (f"{word}{between}key" for word in secrets.KEYS for between in ("", "_", "-", " ", "__"))
    forms = (word for word in secretlines.FORM_WORDS if word not in _FREQUENT)
    words = dict.fromkeys((*_WORDS, *keys, "keybase", "key_base", *forms))
    plain = (f"(?i){re.escape(word)}" for word in words)
    return Matcher([Pattern(regex, once=True) for regex in (*plain, *_FREQUENT.values())])


def shaped(text: str) -> bool:
    """True for a value that looks like a password made by a person or a generator: mixed, and no name, path or format."""
    if not 8 <= len(text) <= 64 or secrets.worth(text) != "real" or re.search(r"[\s/\\%{}<>()\[\]:+,;]", text):
        return False
    if not all(re.search(kind, text) for kind in (r"[a-z]", r"[A-Z]", r"\d")) or len(set(text)) < 6:
        return False
    if re.fullmatch(r"[A-Za-z]+\d?(-([A-Z][a-z]+|[A-Z0-9]+))*|\S*v?\d+(\.\d+)+\S*|[A-Za-z]+_[A-Z0-9_]+", text):
        return False
    pieces = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|\W", text)
    if len(text) >= 12 and len(text) < 2.6 * len(pieces):  # names are made of words, generated passwords of scraps
        return True
    return re.search(r"[^A-Za-z0-9.:]", text) is not None or not re.search(r"[A-Z]?[a-z]{3}|[A-Z]{3}", text)
