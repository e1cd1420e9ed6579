"""Configuration held against the matrix: which keys of the package's and the estate's files the offered version will not
understand. Worked out once for each context; the rules of the family pick what is theirs. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from fulldress.formats import config, keycheck, keyreader
from fulldress.formats.late import late
from fulldress.model.estate import ConfigKey, MatrixRow
from fulldress.model.finding import Cure, Finding, StepDraft
from fulldress.model.package import Entry
from fulldress.scan.reading import current_text, edited, is_prose, is_vendored, memo
from fulldress.scan.rule import Context
from fulldress.scan.settings.configuration import answered, remove_key, set_key

MAX_BYTES = 1 << 20
ALIKE = 0.86
"""Two names at least this similar are one name, mistyped."""
_CONFIGURATION = late(r"(^|[!/])(etc|conf|config)/|\.(conf|cfg|ini|properties|toml|ya?ml|env)(\.(j2|erb|dist))?$")


class Source(NamedTuple):
    """A configuration file: of the package (``entry``) or of a host."""

    entry: Entry | None
    host: str
    file: str
    keys: tuple[ConfigKey, ...]


class Problem(NamedTuple):
    """A key that the offered version will not understand."""

    source: Source
    key: ConfigKey
    kind: Literal["unknown", "duplicate", "value"]
    why: str
    row: MatrixRow | None
    """The row of the key; for a mistyped key, of the one that was meant."""
    meant: str = ""
    """The key or value that was surely meant."""


def problems(context: Context) -> list[Problem]:
    """Every problem of every file, in order of place and line."""

    def found() -> list[Problem]:
        rows = _Rows(context.matrix)
        sources = list(_sources(context, rows))
        # where some files are the product's by their keys, those without any are another program's
        told = any(rows.of(key.key) for source in sources for key in source.keys)
        return [p for s in sources for p in _of(s, rows, ours=not told or any(rows.of(key.key) for key in s.keys))]

    return memo(context, "configkeys", found)


def shipped(context: Context) -> list[Source]:
    """The package's own configuration files that speak of a key of the matrix."""

    def found() -> list[Source]:
        return [source for source in _sources(context, _Rows(context.matrix)) if source.entry is not None]

    return memo(context, "configuration shipped", found)


def _sources(context: Context, rows: _Rows) -> Iterator[Source]:
    if not context.matrix:
        return
    for host in context.estate.hosts if context.estate else ():
        by_file: dict[str, list[ConfigKey]] = {}
        for key in host.config:
            by_file.setdefault(key.file, []).append(key)
        for file, found in by_file.items():
            yield Source(None, host.name, file, tuple(found))
    names = {
        PurePosixPath(key.file).name for host in (context.estate.hosts if context.estate else ()) for key in host.config
    }
    words = {row.key.rpartition(".")[2].strip("*?") for row in context.matrix} - {""}
    for entry in context.files:
        if entry.size > MAX_BYTES or is_prose(entry.place) or is_vendored(entry.place):
            continue
        if not _configures(entry.place, names):
            continue
        text = context.text(entry)
        if text is None or not any(word in text for word in words):
            continue
        keys = tuple(keyreader.keys(text, file=entry.place))
        if any(rows.of(key.key) for key in keys):
            yield Source(entry, "", entry.place, keys)


def _configures(place: str, names: set[str]) -> bool:
    return PurePosixPath(place).name in names or _CONFIGURATION.search(place) is not None


class _Rows:
    """The rows of the matrix by the keys that they are about."""

    def __init__(self, rows: Sequence[MatrixRow]) -> None:
        self.all = rows
        self._exact: dict[str, list[MatrixRow]] = {}
        self._instead: dict[str, list[MatrixRow]] = {}
        self._patterns = [row for row in rows if any(sign in row.key for sign in "*?[")]
        self._known: dict[str, MatrixRow | None] = {}
        for row in rows:
            self._exact.setdefault(row.key, []).append(row)
            if row.instead and row.change in ("renamed", "removed"):
                self._instead.setdefault(row.instead, []).append(row)

    def of(self, key: str) -> MatrixRow | None:
        """The last row of a key that says what it is; a removed key has none."""
        if key not in self._known:
            found = [row for row in self._patterns if row.key != key and fnmatchcase(key, row.key)]
            found += [*self._exact.get(key, ()), *self._instead.get(key, ())]
            typed = [row for row in found if row.type or row.range or row.values]
            self._known[key] = next(reversed(typed or found), None)
        return self._known[key]


def _of(source: Source, rows: _Rows, *, ours: bool) -> Iterator[Problem]:
    seen: dict[str, ConfigKey] = {}
    alike = _Alike(rows.all, {key.key for key in source.keys})
    for key in source.keys:
        row = rows.of(key.key)
        if row is None:
            yield from _unknown(source, key, alike, ours)
            continue
        if fnmatchcase(key.key, row.key) and (why := keycheck.problem(row, key.value)):
            yield Problem(source, key, "value", why, row, keycheck.corrected(row, key.value))
        first = seen.setdefault(key.key, key)
        if first is not key and first.value != key.value and not key.format:
            why = f"“{first.value}” in line {first.line} and “{key.value}” in line {key.line}: one of them is ignored"
            yield Problem(source, key, "duplicate", why, row)


def _unknown(source: Source, key: ConfigKey, alike: _Alike, ours: bool) -> Iterator[Problem]:
    """Unknown to a complete matrix, in a file that is the product's; else only what is a key that matters, mistyped."""
    near = alike.meant(key.key)
    if near is not None:
        yield Problem(source, key, "unknown", f"the product knows {near.key}", near, near.key)
    elif alike.complete and ours:
        yield Problem(source, key, "unknown", "the matrix, which is complete, does not name it", None)


class _Alike:
    """The known key that was surely meant by an unknown one: of a complete matrix any, else only one that matters.

    By the last parts of the names; keys of different sections are different keys.
    """

    MOST = 500
    """Unknown names that are compared; a file with more of them is not the product's."""

    def __init__(self, rows: Sequence[MatrixRow], present: set[str]) -> None:
        self.complete = any(row.complete for row in rows)
        self._by_section: dict[str, list[tuple[str, MatrixRow]]] = {}
        self._seen: dict[str, MatrixRow | None] = {}
        for row in rows:
            wanted = self.complete or row.silent_fallback or row.change == "required"
            if wanted and row.change not in ("removed", "renamed") and "*" not in row.key and row.key not in present:
                section, name = _parts(row.key)
                self._by_section.setdefault(section, []).append((name, row))

    def meant(self, key: str) -> MatrixRow | None:
        """The row of the most similar key, None when none is similar enough."""
        if key not in self._seen and len(self._seen) < self.MOST:
            self._seen[key] = self._nearest(key)
        return self._seen.get(key)

    def _nearest(self, key: str) -> MatrixRow | None:
        section, name = _parts(key)
        compared = SequenceMatcher(None, "", name)
        best, found = ALIKE, None
        for other, row in self._by_section.get(section, ()):
            if other == name:
                return row
            compared.set_seq1(other)
            if compared.real_quick_ratio() >= best and compared.quick_ratio() >= best and compared.ratio() >= best:
                best, found = compared.ratio(), row
        return found


def _parts(key: str) -> tuple[str, str]:
    section, _, name = key.rpartition(".")
    return section.lower(), re.sub(r"[-_.]", "", name).lower()


# --- what the rules of the family share


def where(problem: Problem) -> str:
    """``host:file:line`` or, in the package, the line."""
    place = f"{problem.source.host.rstrip(':')}:" if problem.source.host else ""
    return f"{place}{problem.source.file}:{problem.key.line}"


def excerpt(problem: Problem) -> str:
    """The line as it stands (secrets are hidden by the estate and by the sweep)."""
    told = f"{where(problem)}: " if problem.source.entry is None else ""
    return f"{told}{problem.key.key} = {problem.key.value}"


def curable(problem: Problem) -> bool:
    """True when what was meant is known, and the file is one that can be written back as it was."""
    if problem.kind == "duplicate" or not problem.meant or problem.key.value == "<secret>":
        return False
    return not problem.key.format


def unanswered(context: Context) -> Iterator[Problem]:
    """The problems that no earlier adaptation has answered."""
    for problem in problems(context):
        steps = _steps(problem)
        if problem.source.entry is not None or not steps or not all(answered(context, step) for step in steps):
            yield problem


def _steps(problem: Problem) -> tuple[StepDraft, ...]:
    file, key = problem.source.file, problem.key
    if not problem.meant:
        return ()
    if problem.kind == "value":
        return (set_key(file, key.key, problem.meant),)
    return (set_key(file, problem.meant, key.value), remove_key(file, key.key))


def cured(context: Context, finding: Finding) -> Cure | None:
    """The key or value that was meant: a step for a host's file, an edit for the package's."""
    for problem in problems(context):
        if excerpt(problem) != finding.excerpt or not curable(problem):
            continue
        note = f"{problem.key.key} = {problem.key.value} in {problem.source.file}: {problem.why}"
        entry = problem.source.entry
        if entry is None:
            return Cure(steps=_steps(problem), note=note, safety="review")
        text = current_text(context, entry.place) if entry.place == finding.place else None
        if text is not None:
            return edited(entry.place, _written(text, problem), note)
    return None


def _written(text: str, problem: Problem) -> str:
    if problem.kind == "value":
        return config.set_key(text, problem.key.key, problem.meant)
    return config.set_key(config.set_key(text, problem.meant, problem.key.value), problem.key.key, None)
