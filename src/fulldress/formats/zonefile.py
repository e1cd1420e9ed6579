"""A time zone file of one fixed offset (RFC 8536, version 2): how a clone's wall clock is shifted. Pure; bytes out."""

from __future__ import annotations

import struct

FARTHEST_S = 86_399
"""Offsets of a day and more are refused by many programs (Python's ``datetime`` among them)."""


def fixed_zone(offset_s: int, name: str = "RHS") -> bytes:
    """The file of a zone that lies ``offset_s`` seconds east of UTC at all times. ValueError beyond a day."""
    if abs(offset_s) > FARTHEST_S:
        raise ValueError(f"no zone lies {offset_s} seconds from UTC")
    designation = name.encode("ascii") + b"\0"
    header = struct.pack(">4sc15x6L", b"TZif", b"2", 0, 0, 0, 0, 1, len(designation))
    block = header + struct.pack(">lBB", offset_s, 0, 0) + designation
    west = "-" if offset_s > 0 else ""  # in this one place POSIX counts westwards
    away = abs(offset_s)
    footer = f"\n<{name}>{west}{away // 3600}:{away // 60 % 60:02}:{away % 60:02}\n"
    return block + block + footer.encode("ascii")
