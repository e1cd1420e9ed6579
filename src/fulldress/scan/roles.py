"""What a script of the package is for: part of the upgrade, a program that it installs, a library's, a test. Pure.

How bad a careless command is depends on it: the upgrade's own scripts run tonight, as root; the test script of a library
never does.
"""

from __future__ import annotations

import re
from typing import Literal

from fulldress.formats.late import late
from fulldress.scan.reading import is_vendored, memo, scripts, sourced
from fulldress.scan.rule import Context

Role = Literal["upgrade", "program", "init", "library"]
_TEST = late(
    r"(^|[!/])(_?tests?|testing|[a-z0-9]+_tests?|t|spec|fixtures?|examples?|samples?|contrib|docs?)/|(^|/)usr/share/(doc|bug)/"
)
_INIT = late(r"(^|[!/])etc/(init\.d|rc\w*\.d|sv|s6|runit)/")
_PROGRAM = late(r"(^|[!/])(usr|sbin|lib|libexec|opt|etc)/|![/]?s?bin/")
_IMAGE = late(r"(?i)(^|[!/])([\w-]+[.-])?(docker|container)file([.-][\w.-]+)?$|\.dockerfile$")
"""What builds an image: its commands change the image, not the host."""
_MAINTAINER = late(r"(^|[!/])(pre|post)(inst|rm)$|(^|[!/])DEBIAN/|%(pre|post)")


def role(context: Context, place: str) -> Role:
    """What the script at a place is for."""
    if _MAINTAINER.search(place):
        return "upgrade"
    if _TEST.search(place) or is_vendored(place) or any(place.startswith(root) for root in _wheels(context)):
        return "library"
    if _INIT.search(place):
        return "init"
    if _IMAGE.search(place):
        return "program"
    if _PROGRAM.search(place):
        return "upgrade" if place in _sourced(context) else "program"
    return "upgrade"


def _sourced(context: Context) -> frozenset[str]:
    """Places that scripts of the upgrade read in: a folder ``lib`` beside an installer is a part of it."""

    def make() -> frozenset[str]:
        own = [s for s in scripts(context) if not _PROGRAM.search(s.entry.place) and not _TEST.search(s.entry.place)]
        return frozenset(entry.place for script in own for entry in sourced(context, script))

    return memo(context, "sourced by the upgrade", make)


def _wheels(context: Context) -> tuple[str, ...]:
    """Beginnings of the places that lie in Python wheels: ``""`` when the package is one itself."""

    def make() -> tuple[str, ...]:
        found = {
            e.place[: match.start(1)]
            for e in context.ending(".dist-info/RECORD")
            if (match := re.search(r"([^!/]+\.dist-info)/RECORD$", e.place))
        }
        return tuple(sorted(found))

    return memo(context, "wheels", make)
