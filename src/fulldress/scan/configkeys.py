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
from fulldress.scan.configuration import answered, remove_key, set_key
from fulldress.scan.reading import current_text, edited, is_prose, is_vendored, memo
from fulldress.scan.rule import Context

MAX_BYTES = 1 << 20
ALIKE = 0.86
"""Two names at least this similar are one name, mistyped."""
_CONFIGURATION = late(r"(^|[!/])(etc|conf|config)/|\.(conf|cfg|ini|properties|toml|ya?ml|env)$")


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
    return memo(context, "configkeys", lambda: [p for s in _sources(context) for p in _of(s, context.matrix)])


def _sources(context: Context) -> Iterator[Source]:
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
        if any(_row(key.key, context.matrix) for key in keys):
            yield Source(entry, "", entry.place, keys)


def _configures(place: str, names: set[str]) -> bool:
    return PurePosixPath(place).name in names or _CONFIGURATION.search(place) is not None


def _row(key: str, rows: Sequence[MatrixRow]) -> MatrixRow | None:
    """The last row of a key that says what it is; a removed key has none."""
    found = [row for row in rows if fnmatchcase(key, row.key)]
    found += [row for row in rows if row.instead == key and row.change in ("renamed", "removed")]
    typed = [row for row in found if row.type or row.range or row.values]
    return next(reversed(typed or found), None)


def _of(source: Source, rows: Sequence[MatrixRow]) -> Iterator[Problem]:
    seen: dict[str, ConfigKey] = {}
    complete = any(row.complete for row in rows)
    present = {key.key for key in source.keys}
    for key in source.keys:
        row = _row(key.key, rows)
        if row is None:
            yield from _unknown(source, key, rows, complete, present)
            continue
        if row.key == key.key and (why := keycheck.problem(row, key.value)):
            yield Problem(source, key, "value", why, row, keycheck.corrected(row, key.value))
        first = seen.setdefault(key.key, key)
        if first is not key and first.value != key.value and not key.format:
            why = f"“{first.value}” in line {first.line} and “{key.value}” in line {key.line}: one of them is ignored"
            yield Problem(source, key, "duplicate", why, row)


def _unknown(
    source: Source, key: ConfigKey, rows: Sequence[MatrixRow], complete: bool, present: set[str]
) -> Iterator[Problem]:
    """Unknown to a complete matrix; else only what is a known key that matters, mistyped."""
    current = [row for row in rows if row.change not in ("removed", "renamed") and "*" not in row.key]
    wanted = [row for row in current if complete or row.silent_fallback or row.change == "required"]
    near = max((row for row in wanted if row.key not in present), key=lambda row: _alike(row.key, key.key), default=None)
    if near is not None and _alike(near.key, key.key) >= ALIKE:
        yield Problem(source, key, "unknown", f"the product knows {near.key}", near, near.key)
    elif complete:
        yield Problem(source, key, "unknown", "the matrix, which is complete, does not name it", None)


def _alike(left: str, right: str) -> float:
    """Similarity of the last parts; keys of different sections are different keys."""
    (above_l, _, name_l), (above_r, _, name_r) = left.rpartition("."), right.rpartition(".")
    if above_l.lower() != above_r.lower():
        return 0.0
    plain_l, plain_r = (re.sub(r"[-_.]", "", name).lower() for name in (name_l, name_r))
    return 1.0 if plain_l == plain_r else SequenceMatcher(None, plain_l, plain_r).ratio()


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
