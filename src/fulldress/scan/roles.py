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
_INSTALLER = late(
    r"(^|[!/])(opt|srv)/([^/!]+/)*((setup|install(er)?|upgrade|update|deploy)/[^/]+\.(sh|bash)|((pre|post)[_-]?)?"
    r"(install|upgrade|setup|deploy)\.(sh|bash))$"
)
"""An installer that lies in the tree which it installs: an archive that is unpacked over the host's root."""
_MAINTAINER = late(r"(^|[!/])(pre|post)(inst|rm)$|(^|[!/])DEBIAN/|%(pre|post)")


def role(context: Context, place: str) -> Role:
    """What the script at a place is for."""
    if _MAINTAINER.search(place):
        return "upgrade"
    if _TEST.search(place) or is_vendored(place):
        return "library"
    own = next((own for root, own in _wheels(context) if place.startswith(root)), None)
    if own is not None:
        return "program" if own else "library"
    if _INIT.search(place):
        return "init"
    if _IMAGE.search(place):
        return "program"
    if _PROGRAM.search(place) and not _INSTALLER.search(place):
        return "upgrade" if place in _sourced(context) else "program"
    return "upgrade"


_PUBLISHED = late(r"(?m)^(?:Classifier|Home-page|Project-URL|License|License-Expression|License-File):\s*\S")


def _sourced(context: Context) -> frozenset[str]:
    """Places that scripts of the upgrade read in: a folder ``lib`` beside an installer is a part of it."""

    def make() -> frozenset[str]:
        own = [s for s in scripts(context) if not _PROGRAM.search(s.entry.place) and not _TEST.search(s.entry.place)]
        return frozenset(entry.place for script in own for entry in sourced(context, script))

    return memo(context, "sourced by the upgrade", make)


def _wheels(context: Context) -> tuple[tuple[str, bool], ...]:
    """Beginnings of the places that lie in Python wheels (``""`` when the package is one itself), and whether the wheel
    is the
    vendor's own: what is published for everybody says under which licence, or where its sources are."""

    def make() -> tuple[tuple[str, bool], ...]:
        found: dict[str, bool] = {}
        for e in context.ending(".dist-info/RECORD"):
            match = re.search(r"([^!/]+\.dist-info)/RECORD$", e.place)
            if match is not None:
                said = context.entry(e.place.removesuffix("RECORD") + "METADATA")
                text = (context.text(said) or "") if said is not None else "License: unknown"
                root = e.place[: match.start(1)]
                found[root] = root != "" and _PUBLISHED.search(text.partition("\n\n")[0]) is None
        return tuple(sorted(found.items()))

    return memo(context, "wheels", make)
