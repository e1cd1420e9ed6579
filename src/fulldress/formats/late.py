"""Regular expressions that are compiled when they are first used. Pure.

A scan loads the expressions of all rules, a thousand and more, and most packages need a third of them; to compile one costs
as much as searching some hundred kilobytes with it.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Late:
    """Stands for a pattern; takes on its methods and attributes with the first that is asked for."""

    def __init__(self, pattern: Any, flags: int) -> None:
        self.pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = re.compile(self.pattern, self._flags)
        for member in ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split", "flags", "groups"):
            setattr(self, member, getattr(made, member))
        return getattr(made, name)


def late(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """The compiled pattern, for its methods and attributes: ``re.sub`` and its like do not know it."""
    return cast("re.Pattern[AnyStr]", _Late(pattern, flags))
