"""Config keys × versions: which keys break between two versions, where this estate uses them, what to write instead.

The vendor's knowledge comes from TOML files that a person keeps beside the release folder (``[estate] matrix``)::

    product = "lims"                  # the default for every row below
    scheme = "deb"                    # how its versions are ordered: deb rpm pep440 semver maven calendar; or leave it out
    complete = false                  # true: every key of the product is named here; others are unknown to it

    [[key]]                           # what happens to one config key at one version
    key = "hybrid.legacy_mode"        # section.key; * and ? match any part of it
    change = "removed"                # added removed renamed default-changed required, or known: it only has a form
    since = "5.0"                     # the first version in which it holds
    instead = "hybrid.enable"         # renamed, removed: the new key; default-changed: the old default
    value = "true"                    # required: what it must be; default-changed: the new default
    consequence = "5.0 silently runs in read-only mode"
    type = "integer"                  # boolean integer number duration size port url path host string
    range = "1..64"                   # or 1.. or ..64, in seconds for durations and bytes for sizes
    values = ["on", "off"]            # the only values there are
    silent-fallback = true            # an unknown or wrong value is ignored without a word

    [[version]]                       # see inventory/paths.py
    version = "5.0"
    from = "4.1"                      # the lowest version that may go straight to this one
    required-stop = false             # true: no upgrade may skip this version
    minimum-os = {debian = "12"}
    blocked = ""                      # why this version may not be installed

Reads and writes matrix.csv; asks no host.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from fulldress.errors import NothingToDo, UsageError
from fulldress.formats import keycheck
from fulldress.formats.version import compare, sort_key
from fulldress.model.estate import ConfigKey, Estate, KeyImpact, MatrixRow
from fulldress.store.codec import read_toml

COLUMNS = (
    *("product", "key", "change", "since", "instead", "value", "consequence"),
    *("type", "range", "values", "silent_fallback", "complete", "scheme"),
)
_FLAGS = ("silent_fallback", "complete")
ANY_VERSION = "2000.1"
"""A version in every scheme."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


class KeyRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[key]]`` of a matrix file; ``product`` may come from the head of the file."""

    key: str
    change: str = "known"
    since: str = "0"
    product: str = ""
    instead: str = ""
    value: str = ""
    consequence: str = ""
    type: str = ""
    range: str = ""
    values: tuple[str, ...] = ()
    silent_fallback: bool = msgspec.field(default=False, name="silent-fallback")


class VersionRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """One ``[[version]]`` of a matrix file."""

    version: str
    product: str = ""
    from_: str = ""
    required_stop: bool = msgspec.field(default=False, name="required-stop")
    minimum_os: dict[str, str] = msgspec.field(default_factory=dict, name="minimum-os")
    blocked: str = ""
    scheme: str = ""


class MatrixFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A matrix file as a person writes it."""

    product: str = ""
    scheme: str = ""
    complete: bool = False
    key: tuple[KeyRow, ...] = ()
    version: tuple[VersionRow, ...] = ()


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """All matrix files together; rows by product, key and version."""

    rows: tuple[MatrixRow, ...]
    versions: tuple[VersionRow, ...]


def load(files: Sequence[Path]) -> Matrix:
    """Read matrix files; NothingToDo when there are none, UsageError names the file and key that is wrong."""
    if not files:
        raise NothingToDo(
            "no matrix file is declared",
            why="which config keys break between two versions is the vendor's knowledge: no machine can be asked",
            fix='name the files in release.toml: [estate] matrix = ["matrix.toml"]',
        )
    rows: list[MatrixRow] = []
    versions: list[VersionRow] = []
    for file in files:
        read = read_toml(file, MatrixFile)
        compare(ANY_VERSION, ANY_VERSION, read.scheme)  # a scheme that is not known is said here
        rows.extend(_row(file, read, row) for row in read.key)
        versions.extend(
            msgspec.structs.replace(v, product=v.product or read.product, scheme=v.scheme or read.scheme)
            for v in read.version
        )
    return Matrix(rows=tuple(sorted(rows, key=_order)), versions=tuple(versions))


def _row(file: Path, read: MatrixFile, row: KeyRow) -> MatrixRow:
    plain = {field: getattr(row, field) for field in KeyRow.__struct_fields__}
    plain |= {"product": row.product or read.product, "scheme": read.scheme, "complete": read.complete}
    try:
        found = msgspec.convert(plain, MatrixRow)
        keycheck.check_row(found)
    except (msgspec.ValidationError, ValueError) as error:
        raise UsageError(f"{file}: [[key]] {row.key!r}: {error}", fix="correct the row") from error
    return found


def _order(row: MatrixRow) -> tuple[object, ...]:
    return (row.product, sort_key(row.since), row.key, row.change)


def between(rows: Iterable[MatrixRow], installed: str, target: str) -> list[MatrixRow]:
    """The rows that take effect on the way from ``installed`` (exclusive) to ``target`` (inclusive)."""
    return [
        row
        for row in rows
        if row.change != "known" and compare(installed, row.since, row.scheme) < 0 <= compare(target, row.since, row.scheme)
    ]


def holding(rows: Iterable[MatrixRow], target: str) -> tuple[MatrixRow, ...]:
    """The rows that hold in a version: what it knows of each key, whatever came first."""
    return tuple(row for row in rows if row.change == "known" or compare(target, row.since, row.scheme) >= 0)


def impacts(rows: Iterable[MatrixRow], estate: Estate, installed: str, target: str) -> tuple[KeyImpact, ...]:
    """Every key that breaks *this* estate between two versions, where it is used and what to write instead.

    A removed or renamed key counts where it is used; a required key where it is missing or has another value; a changed
    default where the key is not set. Missing is what a host does not set that sets other keys of the matrix: a host
    without any has another task. Added keys and keys that nobody uses break nothing.
    """
    known = tuple(rows)
    hosts = [(host.name.rstrip(":"), _Keys(host.config)) for host in estate.hosts]
    concerned = [
        (name, keys) for name, keys in hosts if any(keys.named(row.key) or keys.named(row.instead) for row in known)
    ]
    found = []
    for row in between(known, installed, target):
        here = [(name, use) for name, keys in hosts for use in keys.named(row.key)]
        lacking = [name for name, keys in concerned or hosts if not keys.named(row.key)]
        uses = tuple(use for _, use in here)
        if _breaks(row, uses, lacking):
            places = [f"{name}:{use.file}:{use.line}" for name, use in here]
            if row.change in ("required", "default-changed") and (uses or len(hosts) > 1):
                places += [f"{name}: not set" for name in lacking]
            found.append(KeyImpact(row=row, uses=uses, cure=cure(row), places=tuple(places)))
    return tuple(found)


class _Keys:
    """The keys of a host, found by name or pattern without asking each."""

    def __init__(self, config: Sequence[ConfigKey]) -> None:
        self._by_name: dict[str, list[ConfigKey]] = {}
        for key in config:
            self._by_name.setdefault(key.key, []).append(key)
        self._known: dict[str, list[ConfigKey]] = {}

    def named(self, pattern: str) -> list[ConfigKey]:
        """The uses of a key, in the order of names where the pattern fits several."""
        if not any(sign in pattern for sign in "*?["):
            return self._by_name.get(pattern, [])
        if pattern not in self._known:
            fits = [uses for name, uses in self._by_name.items() if fnmatchcase(name, pattern)]
            self._known[pattern] = [use for uses in fits for use in uses] or self._by_name.get(pattern, [])
        return self._known[pattern]


def _breaks(row: MatrixRow, uses: Sequence[ConfigKey], lacking: Sequence[str]) -> bool:
    if row.change in ("removed", "renamed"):
        return bool(uses)
    if row.change == "required":
        wrong = bool(row.value) and any(use.value.strip().lower() != row.value.lower() for use in uses)
        return bool(lacking) or not uses or wrong
    return row.change == "default-changed" and (bool(lacking) or not uses)


def cure(row: MatrixRow) -> str:
    """What to write instead, in words."""
    value = f" = {row.value}" if row.value else ""
    if row.change == "required":
        return f"set {row.key}{value}"
    if row.change == "renamed":
        return f"rename {row.key} to {row.instead}"
    if row.change == "default-changed":
        old = f", or {row.key} = {row.instead} to keep the old behaviour" if row.instead else ""
        return f"set {row.key}{value} to accept the new default{old}"
    if row.change in ("added", "known"):
        return ""
    return f"remove {row.key}" + (f" and set {row.instead}{value}" if row.instead else "")


def form(row: MatrixRow) -> str:
    """What values a key takes, in words."""
    parts = [row.type, row.range, " | ".join(row.values), "SILENT FALLBACK" if row.silent_fallback else ""]
    return ", ".join(part for part in parts if part)


def to_csv(rows: Iterable[MatrixRow]) -> str:
    """The rows as CSV. A cell that a spreadsheet would run as a formula gets an apostrophe in front."""
    out = io.StringIO(newline="")
    plain, quoted = csv.writer(out, lineterminator="\n"), csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(COLUMNS)
    for row in rows:
        cells = [_neutral(_cell(getattr(row, column))) for column in COLUMNS]
        # the csv module forgets to quote a carriage return when lines end with a line feed
        (quoted if any("\r" in cell for cell in cells) else plain).writerow(cells)
    return out.getvalue()


def _cell(value: str | bool | tuple[str, ...]) -> str:
    """Flags as yes or nothing; lists of values as JSON, because a value may hold any separator."""
    if isinstance(value, tuple):
        return msgspec.json.encode(value).decode() if value else ""
    return value if isinstance(value, str) else "yes" if value else ""


def from_csv(text: str) -> tuple[MatrixRow, ...]:
    """What :func:`to_csv` wrote. Raises UsageError with the line that does not fit."""
    reader = csv.reader(io.StringIO(text, newline=""))
    rows = []
    try:
        if tuple(next(reader, [])) != COLUMNS:
            raise UsageError("matrix.csv has other columns", fix="let `fulldress matrix` write it anew")
        for cells in reader:
            plain: dict[str, object] = {name: _original(cell) for name, cell in zip(COLUMNS, cells, strict=True)}
            plain |= {flag: plain[flag] == "yes" for flag in _FLAGS}
            plain["values"] = msgspec.json.decode(str(plain["values"]) or "[]", type=tuple[str, ...])
            rows.append(msgspec.convert(plain, MatrixRow))
    except (msgspec.MsgspecError, ValueError, csv.Error) as error:
        raise UsageError(
            f"matrix.csv, line {reader.line_num}: {error}", fix="let `fulldress matrix` write it anew"
        ) from error
    return tuple(rows)


def _neutral(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _original(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell
