"""Text that comes from a host, made fit to keep and to show: control characters escaped, secrets replaced.

Pure; it cannot know every secret, so whoever knows one does not print it in the first place.
"""

from __future__ import annotations

import re

from fulldress.formats.redact import SECRET, redacted

_OF_HOSTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)(authorization\s*:\s*(?:bearer|basic|token)?\s*)[^\s'\"]+"), rf"\1{SECRET}"),
    (
        re.compile(
            r"(?i)\b((?:[\w-]*(?:password|passwd|secret|token|api[_-]?key|credential)[\w-]*)\"?\s*[=:]\s*\"?)[^\s\"',;}]+"
        ),
        rf"\1{SECRET}",
    ),
)
"""What commands print and configuration seldom holds: headers of requests, names of JSON in their quotes."""


def redact(text: str) -> str:
    """Replace what looks like a secret value."""
    for pattern, instead in _OF_HOSTS:
        text = pattern.sub(instead, text)
    return redacted(text)


def printable(text: str) -> str:
    """Escape control and direction-changing characters, except line breaks and tabs."""
    return "".join(c if c in "\n\t" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def clean(text: str, limit: int = 4000) -> str:
    """The last ``limit`` characters of a text, redacted and printable."""
    whole = printable(redact(text.replace("\r\n", "\n")))
    return whole if len(whole) <= limit else "…" + whole[-limit:]
