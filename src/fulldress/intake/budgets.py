"""How much of this machine a package may use while it is taken apart. No logic."""

from __future__ import annotations

import msgspec

MIB = 1 << 20
GIB = 1 << 30


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one intake; whatever exceeds one is refused as ``archive-bomb``, never skipped silently."""

    total_bytes: int = 32 * GIB
    """Over everything unpacked, nested archives included."""
    entry_bytes: int = 8 * GIB
    entries: int = 200_000
    ratio: int = 200
    """Unpacked : packed, of each member and of the whole; judged only above ``ratio_floor`` bytes."""
    ratio_floor: int = 64 * MIB
    depth: int = 6
    """Archives within archives; the package itself is the first."""
    stub_bytes: int = 0
    """Bytes of a self-extracting program that may stand before a ZIP; 0 where no vendor declared one."""
    seconds: float = 900.0
    memory: int = GIB
    """Address space of the confined reader."""
