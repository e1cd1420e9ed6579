"""Paths whose names are made anew each time (machine and boot ids, hashes, dates, run numbers), made comparable.

Pure text.
"""

from __future__ import annotations

import re

_HEX = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{16,64}(?![0-9A-Za-z])")
_PRIVATE = re.compile(r"(/systemd-private-#-.*?)-[A-Za-z0-9]{6}(?=/|$)")
_NUMBER = re.compile(r"\d{4,}")


def without_random(path: str) -> str:
    """The path with ids and long numbers replaced by ``#``: what two machines, or two days, call differently."""
    return _NUMBER.sub("#", _PRIVATE.sub(r"\1-#", _HEX.sub("#", path)))
