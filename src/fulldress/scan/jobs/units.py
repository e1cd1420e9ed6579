"""The systemd units of the package, read once: what each is called, where it will lie, what it says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import unit
from fulldress.formats.late import late
from fulldress.formats.unit import Directive
from fulldress.model.estate import Estate
from fulldress.model.package import Entry
from fulldress.scan.reading import is_prose, is_vendored, memo
from fulldress.scan.rule import Context

SUFFIXES = (".service", ".socket", ".timer", ".target", ".path", ".mount", ".automount", ".slice", ".scope", ".swap")
_DROPIN = late(r"(?:^|[!/])([^/!]+\.(?:service|socket|timer|target|path|mount|automount|slice|scope|swap))\.d/[^/]+\.conf$")
_FOLDER = late(r"(?:^|[!/])(etc|run|usr/local/lib|usr/lib|lib)/systemd/(system|user)/")
_EXAMPLE = late(r"(^|[!/])(examples?|samples?|contrib|tests?|fixtures?|templates?)/")


class UnitFile(NamedTuple):
    """A unit file, or a drop-in of one."""

    entry: Entry
    name: str
    """Of the unit, also for a drop-in."""
    dropin: bool
    folder: str
    """etc, lib, usr/lib ... where systemd will find it; empty for one that lies elsewhere in the package."""
    text: str
    sections: dict[str, list[Directive]]

    def values(self, section: str, directive: str) -> list[str]:
        """Every value that is left of a directive: an empty one takes back those before it."""
        left: list[str] = []
        for name, value, _ in self.sections.get(section, []):
            if name == directive:
                left = [*left, value] if value else []
        return left

    def last(self, section: str, directive: str) -> str:
        """The value that holds, or ``""``."""
        found = self.values(section, directive)
        return found[-1] if found else ""

    def line_of(self, section: str, directive: str) -> int:
        """Where the directive stands last; 0 when it does not."""
        return max((line for name, _, line in self.sections.get(section, []) if name == directive), default=0)


def units(context: Context) -> list[UnitFile]:
    """Every unit and drop-in of the package that is no example."""
    return memo(context, "units", lambda: list(_units(context)))


def _units(context: Context) -> Iterator[UnitFile]:
    for entry in context.ending(*SUFFIXES, ".conf"):
        place = entry.place
        dropin = _DROPIN.search(place) if place.endswith(".conf") else None
        if not (place.endswith(SUFFIXES) or dropin) or entry.kind == "container":
            continue
        if is_prose(place) or is_vendored(place) or _EXAMPLE.search(place):
            continue
        text = context.text(entry)
        folder = _FOLDER.search(place)
        if text is None or not (folder or re.search(r"(?m)^\[(Unit|Service|Timer|Socket|Install|Path|Mount)\]", text)):
            continue
        if not folder and re.search(r"\{\{|@[A-Z_]+@|<%", text):
            continue  # a template that a build fills in
        name = dropin[1] if dropin else place.rpartition("/")[2]
        yield UnitFile(entry, name, dropin is not None, folder[1] if folder else "", text, unit.parse(text))


def systemd_version(estate: Estate | None) -> int:
    """The oldest systemd of the hosts, by their packages; 0 when it is not known."""
    versions = [
        int(match[1])
        for host in (estate.hosts if estate is not None else ())
        for package in host.packages
        if package.name.partition(":")[0] == "systemd" and (match := re.match(r"(?:\d+:)?v?(\d+)", package.version))
    ]
    return min(versions, default=0)
