"""What else comes with a Debian package of the package: its own dependencies that the estate does not have yet. Pure.

They bring programs, users and units with them, so that "it is not on the estate" is no certain finding for them.
"""

from __future__ import annotations

import re

from fulldress.formats.late import late
from fulldress.scan.reading import memo
from fulldress.scan.rule import Context

_CONTROL = late(r"(^|[!/])DEBIAN/control$|(^|!/?)control$")


def coming(context: Context, place: str) -> tuple[str, ...]:
    """Names of packages that the archive around a place depends on and that no host has; () without an inventory."""
    archive = place.rpartition("!")[0]
    return tuple(name for name in _missing(context).get(archive, ()))


def _missing(context: Context) -> dict[str, tuple[str, ...]]:
    """Archive -> the dependencies that are not there."""

    def make() -> dict[str, tuple[str, ...]]:
        hosts = context.estate.hosts if context.estate is not None else ()
        here = {p.name.partition(":")[0] for host in hosts for p in host.packages}
        found: dict[str, tuple[str, ...]] = {}
        for entry in context.ending("control"):
            if here and _CONTROL.search(entry.place):
                archive = entry.place.rpartition("!")[0]
                names = _depends(context.text(entry) or "")
                found[archive] = tuple(alternatives[0] for alternatives in names if not here & set(alternatives))
        return found

    return memo(context, "dependencies", make)


def _depends(control: str) -> list[list[str]]:
    """Each dependency as its alternatives."""
    found = []
    for match in re.finditer(r"(?m)^(?:Pre-)?Depends:((?:.*\n?)(?:[ \t]+.*\n?)*)", control):
        for clause in match[1].replace("\n", " ").split(","):
            names = [re.sub(r"[\s(:\[<].*$", "", part.strip()) for part in clause.split("|") if part.strip()]
            if names:
                found.append(names)
    return found
