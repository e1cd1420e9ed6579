"""How much of this machine a package may use while it is taken apart, and how a person raises a limit."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fulldress.errors import UsageError

MIB = 1 << 20
GIB = 1 << 30
QUICK = GIB


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one intake. What exceeds one is refused as ``archive-bomb`` or, when ``lenient``, listed as uninspected."""

    lenient: bool = False
    """For a look at a package on its own: the part that exceeds a limit is listed with the reason (a finding of the scan),
    and the rest is read. A package that is to be installed is refused instead."""

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
    """For a package of up to ``QUICK`` bytes; a larger one gets as much longer (:meth:`deadline`)."""
    memory: int = GIB
    """Address space of the confined reader."""

    def deadline(self, size: int) -> float:
        """Seconds that a package of so many bytes may take."""
        return self.seconds * max(1.0, size / QUICK)


def raised(base: Budgets, limits: Sequence[str]) -> Budgets:
    """The budgets with limits as people write them (``NAME=NUMBER``); raises UsageError for what is no limit."""
    known = [field.name for field in msgspec.structs.fields(Budgets) if field.name != "lenient"]
    given: dict[str, int] = {}
    for limit in limits:
        name, _, number = limit.partition("=")
        if name not in known or not number.replace("_", "").isdigit() or int(number) == 0:
            raise UsageError(f"--budget {limit!r} is no limit", fix=f"write NAME=NUMBER, NAME one of {', '.join(known)}")
        given[name] = int(number)
    return msgspec.convert({**msgspec.structs.asdict(base), **given}, Budgets)
