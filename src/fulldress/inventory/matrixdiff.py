"""Two versions' shipped configuration, key by key: rows for the matrix, proposed for a person to review. Pure.

What was removed, added or has another default is seen; that one key became another is *guessed* from the same value and a
similar name, and marked so. Values of secret-looking keys are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import PurePosixPath
from typing import NamedTuple

from fulldress.formats import config, keyreader
from fulldress.formats.redact import redacted
from fulldress.model.estate import ConfigKey, MatrixRow
from fulldress.model.package import Entry, PackageLock

MAX_BYTES = 1 << 20
LIKELY = 0.62
"""A guess at a rename below this is not made."""
_CONFIGURATION = re.compile(
    r"(^|[!/])(etc|conf|config|defaults?)/[^!]*[^/!.][^/!]*$|\.(conf|cfg|cnf|ini|properties|toml|ya?ml|env)(\.(dist|default|example|sample|in))?$"
)
_OTHER = re.compile(
    r"(^|[!/])(usr/share/(doc|man|locale|zoneinfo|bash-completion|lintian)|node_modules|site-packages|dist-packages|tests?|"
    r"etc/(cron[^/]*|init\.d|logrotate\.d|systemd|apparmor\.d))/|\.(sh|py|pl|service|timer|socket|md|html?|sql|gz|png|pem|crt)$"
)
_VERSION = re.compile(r"[-_]?v?\d+([.~+]\d[\w]*)+([-_][\w.]+)?")
_SUFFIX = re.compile(r"\.(dist|default|example|sample|in)$")
_TRIVIAL = {"", "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null"}


class Proposed(NamedTuple):
    """A row and why it was written."""

    row: MatrixRow
    why: str
    guessed: bool = False


def shipped(lock: PackageLock, read: Callable[[Entry], bytes]) -> dict[str, list[ConfigKey]]:
    """Configuration files of a package by a name that holds in both versions, with their keys."""
    found: dict[str, list[ConfigKey]] = {}
    for entry in lock.entries:
        if entry.kind == "container" or not entry.sha256 or entry.size > MAX_BYTES:
            continue
        if not _CONFIGURATION.search(entry.place) or _OTHER.search(entry.place):
            continue
        data = read(entry)
        keys = [] if b"\0" in data[:8192] else keyreader.keys(data.decode("utf-8", "replace"), file=_named(entry.place))
        if keys:
            found[_common(entry.place)] = keys
    return found


def _named(place: str) -> str:
    """The place without the ending that says that it is a template: its format shows then."""
    return _SUFFIX.sub("", place)


def _common(place: str) -> str:
    """``packages/lims_5.0_all.deb!/etc/lims/lims.conf`` and ``lims-4.2/etc/lims/lims.conf`` have names without versions."""
    inside = place.rpartition("!/")[2] if "!/" in place else place
    parts = [_VERSION.sub("", part) or part for part in _named(inside).split("/")]
    return "/".join(parts)


def propose(
    old: Mapping[str, Sequence[ConfigKey]], new: Mapping[str, Sequence[ConfigKey]], *, product: str, since: str
) -> list[Proposed]:
    """The rows that follow from two versions' files, in the order of files and keys."""
    found: list[Proposed] = []
    for file in sorted({*old, *new}):
        before, after = _paired(file, old), _paired(file, new)
        if before is None and any(_basename(file) == _basename(other) for other in old if other not in new):
            continue  # it has only moved: said at its old place
        found += _between(file, _values(before or ()), _values(after or ()), product, since)
    return _once(found)


def _paired(file: str, side: Mapping[str, Sequence[ConfigKey]]) -> Sequence[ConfigKey] | None:
    """The file of the same name; else the only one with the same last part."""
    if file in side:
        return side[file]
    same = [other for other in side if _basename(other) == _basename(file)]
    return side[same[0]] if len(same) == 1 else None


def _basename(file: str) -> str:
    return PurePosixPath(file).name


def _values(keys: Iterable[ConfigKey]) -> dict[str, str]:
    hidden = {key.key for key in keys if config.secret_looking(key.key)}
    return {key.key: "" if key.key in hidden else redacted(key.value) for key in keys}


def _between(file: str, old: dict[str, str], new: dict[str, str], product: str, since: str) -> list[Proposed]:
    gone, fresh = [k for k in old if k not in new], [k for k in new if k not in old]
    renames = _renames({k: old[k] for k in gone}, {k: new[k] for k in fresh}) if gone and fresh else {}

    def row(key: str, change: str, **more: str) -> MatrixRow:
        return MatrixRow(product=product, key=key, change=change, since=since, **more)  # type: ignore[arg-type]

    found = []
    for key in gone:
        if key in renames:
            other, why = renames[key]
            found.append(Proposed(row(key, "renamed", instead=other), f"{file}: {why}", guessed=True))
        else:
            found.append(Proposed(row(key, "removed"), f"{file}: shipped before, no longer"))
    taken = {other for other, _ in renames.values()}
    found += [Proposed(row(k, "added", value=new[k]), f"{file}: shipped now, not before") for k in fresh if k not in taken]
    for key in old:
        if key in new and old[key] != new[key]:
            why = f"{file}: shipped with another value"
            found.append(Proposed(row(key, "default-changed", instead=old[key], value=new[key]), why))
    return found


def _renames(gone: dict[str, str], fresh: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Old key -> (new key, why), the best guesses first, each key once."""
    if len(gone) * len(fresh) > 250_000:
        return {}
    scores = [(_alike(a, gone[a], b, fresh[b]), a, b) for a in gone for b in fresh]
    found: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for score, a, b in sorted((s for s in scores if s[0] >= LIKELY), key=lambda s: (-s[0], s[1], s[2])):
        if a not in found and b not in taken:
            same = "the same value" if gone[a] == fresh[b] and gone[a].lower() not in _TRIVIAL else "a similar name"
            found[a] = (b, f"{b} has {same} (likeness {score:.2f})")
            taken.add(b)
    return found


def _alike(old: str, old_value: str, new: str, new_value: str) -> float:
    """From 0 to 1: names by their words and letters, values when they are not of the everyday kind."""
    name = max(_words(old, new), SequenceMatcher(None, old.lower(), new.lower()).ratio())
    last = SequenceMatcher(None, old.rpartition(".")[2].lower(), new.rpartition(".")[2].lower()).ratio()
    names = 0.6 * name + 0.4 * last
    if old_value == new_value and old_value.lower() not in _TRIVIAL:
        return 0.45 + 0.55 * names
    return names * (0.85 if old_value == new_value else 0.7)


def _words(old: str, new: str) -> float:
    left, right = (set(re.findall(r"[a-z]+|\d+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", k).lower())) for k in (old, new))
    return len(left & right) / max(1, len(left | right))


def _once(found: Iterable[Proposed]) -> list[Proposed]:
    """One row a key and change: the same key of several files is said once."""
    seen: dict[tuple[str, str], Proposed] = {}
    for one in found:
        seen.setdefault((one.row.key, one.row.change), one)
    return list(seen.values())
