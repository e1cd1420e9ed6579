"""What people told dnf, yum and zypper to leave as it is: version locks and excludes, as patterns of package names. Pure.

Which version a lock names does not matter here: a locked package is one that the upgrade must not move.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase

from fulldress.formats import config
from fulldress.formats.late import late

_EVR = late(r"(?P<name>.+?)-(?:\d+:)?[^-\s:]*\d[^-\s]*-[^-\s]+$")
"""``name-[epoch:]version-release[.arch]``, as dnf writes it; yum puts the epoch first."""


def patterns(text: str, *, file: str) -> list[str]:
    """Names (with ``*`` and ``?``) that a file of the package manager locks; by the file's name, and never raises."""
    name = file.rpartition("/")[2]
    found = {"versionlock.list": _lines, "versionlock.toml": _toml, "locks": _zypper}.get(name, _excludes)(text)
    return list(dict.fromkeys(found))


def is_held(name: str, locked: list[str]) -> bool:
    """True when a lock fits the name of a package."""
    return any(fnmatchcase(name, pattern) for pattern in locked)


def _lines(text: str) -> Iterator[str]:
    """One package a line; ``!`` excludes that version only, and does not hold what is installed."""
    for line in text.splitlines():
        word = line.partition("#")[0].strip()
        if word and not word.startswith("!"):
            bare = re.sub(r"^\d+:", "", word)
            match = _EVR.match(bare)
            yield match["name"] if match else bare


def _toml(text: str) -> Iterator[str]:
    try:
        packages = tomllib.loads(text).get("packages", [])
    except tomllib.TOMLDecodeError:
        return
    for package in packages if isinstance(packages, list) else []:
        if isinstance(package, dict) and isinstance(package.get("name"), str):
            yield package["name"]


def _zypper(text: str) -> Iterator[str]:
    """Blocks of ``key: value``; those that match by a regular expression are taken where it is a plain name."""
    for block in re.split(r"\n\s*\n", text):
        said = dict(line.partition(":")[::2] for line in block.splitlines() if not line.startswith("#"))
        kind = said.get("type", "package").strip()
        name = said.get("solvable_name", "").strip()
        if name and kind in ("package", ""):
            yield name


def _excludes(text: str) -> Iterator[str]:
    for key in config.keys(text, file="dnf.conf"):
        if key.key in ("main.exclude", "main.excludepkgs"):
            yield from (word for word in re.split(r"[\s,]+", key.value) if word)
