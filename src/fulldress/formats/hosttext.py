"""Text that comes from a host, made fit to keep and to show: control characters escaped, secrets replaced.

Pure; it cannot know every secret, so whoever knows one does not print it in the first place.
"""

from __future__ import annotations

from fulldress.formats.redact import redacted


def printable(text: str) -> str:
    """Escape control and direction-changing characters, except line breaks and tabs."""
    return "".join(c if c in "\n\t" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def clean(text: str, limit: int = 4000) -> str:
    """The last ``limit`` characters of a text, redacted and printable."""
    whole = printable(redacted(text.replace("\r\n", "\n")))
    return whole if len(whole) <= limit else "…" + whole[-limit:]
