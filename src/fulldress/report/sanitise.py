"""The one sanitiser: text of strangers before it reaches a terminal, a log or an annotation.

Control characters (ANSI sequences among them), bidirectional overrides and invisible characters are shown as escapes; the
text stays on one line. HTML has its own escaping in the template engine.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def visible(text: str) -> str:
    """The text on one line, with control, bidi and invisible characters written as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in _HIDDEN else c for c in text)


def clipped(text: str, width: int) -> str:
    """The text, shown, cut to a width with an ellipsis."""
    safe = visible(text)
    return safe if len(safe) <= width else safe[: max(1, width - 1)] + "…"
