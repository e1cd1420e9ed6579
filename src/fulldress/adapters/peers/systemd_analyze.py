"""``systemd-analyze verify`` over the package's units in a root of their own: unknown keys, what does not parse, cycles.

Units and programs that are missing are not asked about: everything else of the estate is missing there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fulldress.adapters.peers.asking import Answer, PeerFile, Said, ask, version_of

NAME = "systemd-analyze"
WANTS = "units"
SECONDS = 60.0
UNIT = re.compile(r"[A-Za-z0-9:_.@-]{1,200}\.(?:service|timer|socket|path|target|mount|automount|slice|scope|swap)")
_LINE = re.compile(r"^(?:\S*/)?(?P<unit>[^/:\s]+):(?P<line>\d+): (?P<text>.+)$")
_CYCLE = re.compile(r"^(?P<unit>\S+): (?P<text>Found ordering cycle.+|Job \S+ deleted to break ordering cycle.+)$")
_CODES = (
    ("unknown-key", re.compile(r"Unknown (key|lvalue)", re.IGNORECASE)),
    ("unknown-section", re.compile(r"Unknown section")),
    ("does-not-parse", re.compile(r"Failed to parse|Invalid|not a valid|Missing '='", re.IGNORECASE)),
    ("deprecated", re.compile(r"deprecated|obsolete|legacy", re.IGNORECASE)),
)


def query(path: str, files: Sequence[PeerFile], folder: Path) -> Answer:
    """Ask the program at ``path``."""
    version = version_of(path, folder)
    home = folder / "root/etc/systemd/system"
    home.mkdir(parents=True)
    places: dict[str, str] = {}
    for file in files:
        name = re.split(r"!/|/", file.place)[-1]
        if UNIT.fullmatch(name) and name not in places:
            places[name] = file.place
            (home / name).write_bytes(file.data())
    whole = [name for name in places if "@." not in name]
    if not whole:
        return Answer(version, ())
    done = ask([path, "verify", "--man=no", f"--root={folder / 'root'}", *whole], folder, SECONDS)
    said = [answer for line in done.err.decode(errors="replace").splitlines() if (answer := _said(line, places))]
    return Answer(version, tuple(dict.fromkeys(said)), "out of time" if done.code is None else "")


def _said(line: str, places: dict[str, str]) -> Said | None:
    found = _LINE.match(line) or _CYCLE.match(line)
    if found is None or found["unit"] not in places:
        return None
    place, text = places[found["unit"]], found["text"]
    if "line" not in found.groupdict():
        return Said(place, 0, "ordering-cycle", "low", text)
    code = next((code for code, pattern in _CODES if pattern.search(text)), None)
    return Said(place, int(found["line"]), code, "low", text) if code else None
