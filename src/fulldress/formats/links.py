"""Where the links of a package lead: symbolic and hard ones, each in the tree of its own archive. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from fulldress.model.package import Entry

_MOST = 40
"""Links on the way to a file, as the kernel counts them."""


def leads_to(entries: Iterable[Entry]) -> dict[str, str]:
    """Place of each link -> place of the file at its end; links to folders, and to nothing, are left out."""
    entries = tuple(entries)
    links = {e.place: e for e in entries if e.kind in ("symlink", "hardlink")}
    ends = {_target(e) for e in links.values()}
    known = {**links, **{e.place: e for e in entries if e.place in ends}} if links else {}
    found: dict[str, str] = {}
    for place, entry in links.items():
        end: Entry | None = entry
        for _ in range(_MOST):
            if end is None or end.kind not in ("symlink", "hardlink"):
                break
            end = known.get(_target(end))
        if end is not None and end.kind in ("file", "container"):
            found[place] = end.place
    return found


def _target(entry: Entry) -> str:
    archive, mark, name = entry.place.rpartition("!/")
    root = archive + mark
    if entry.kind == "hardlink" or entry.link.startswith("/"):
        return root + posixpath.normpath(entry.link.lstrip("/"))
    return root + posixpath.normpath(posixpath.join(posixpath.dirname(name), entry.link))
