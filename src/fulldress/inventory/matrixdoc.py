"""Tables of a vendor's documentation (Markdown, HTML, CSV) as rows for the matrix. Pure.

A table is understood by the headings of its columns. What a row says in prose ("removed in 5.0, use hybrid.mode") is read
where it is said plainly; every row that is not understood is reported with the reason, never dropped in silence.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import NamedTuple

from fulldress.formats.keycheck import TYPES
from fulldress.model.estate import MatrixRow

_HEADINGS = (
    ("removed", r"remov(ed|al)|dropped|until|end of life"),
    ("deprecated", r"deprecat"),
    (
        "instead",
        r"renamed( to)?|replace(d|ment)|new (name|key|setting|option|parameter)|instead|use\b|successor|alternative",
    ),
    ("since", r"since|added|introduced|first version|available from|^versions?$"),
    ("old-default", r"(old|previous|former) (default|value)"),
    ("default", r"default|new value|initial value"),
    ("type", r"^(data ?)?types?$|format"),
    ("range", r"range|limits?|^min|bounds"),
    ("values", r"(allowed|possible|valid|permitted|accepted) values|choices|^values$|options$|enum"),
    ("required", r"required|mandatory"),
    ("description", r"descri|meaning|notes?|comment|purpose|effect|remarks?|what it does|explanation"),
    ("key", r"setting|parameter|option|key|property|name|directive|variable|attribute|field"),
)
_VERSION = r"v?(?P<version>\d+(?:\.\d+)*[\w.+~-]*?)"
_NAME = r"[`'\"“]?(?P<name>[\w][\w.-]*[\w])[`'\"”]?"
_END = r"(?=[\s,;:.)]|$)"
_REMOVED = re.compile(
    r"\b(?:removed|dropped|no longer (?:supported|available|read))\b(?: (?:in|since|from|with|as of))*"
    rf"(?: version)? {_VERSION}{_END}",
    re.I,
)
_RENAMED = re.compile(rf"\b(?:renamed|moved)(?: (?:in|since)(?: version)? v?[\d.]+)? to {_NAME}", re.I)
_WHEN_RENAMED = re.compile(rf"\b(?:renamed|moved)\b[^;\n]{{0,120}}?\b(?:in|since)(?: version)? {_VERSION}{_END}", re.I)
_REPLACED = re.compile(rf"\b(?:replaced by|use|superseded by)\s+{_NAME}(?:\s+instead)?", re.I)
_ADDED = re.compile(
    rf"\b(?:added|introduced|new|available|since)\b(?: (?:in|since|from|with))*(?: version)? {_VERSION}{_END}", re.I
)
_REQUIRED = re.compile(rf"\b(?:required|mandatory)\b(?: (?:in|since|from|as of))+(?: version)? {_VERSION}{_END}", re.I)
_DEFAULT = re.compile(
    r"\bdefault (?:changed|changes) from [`'\"“]?(?P<old>[^\s`'\"”,;]+)[`'\"”]? to [`'\"“]?(?P<new>[^\s`'\"”,;]+?)[`'\"”]?"
    rf" (?:in|since|with)(?: version)? {_VERSION}{_END}", re.I)  # fmt: skip
_FALLS_BACK = re.compile(
    r"silent(ly)? (ignor|fall|default|revert)|falls? back|(unknown|invalid) values? (is|are) ignored", re.I
)
_KEY = re.compile(r"[A-Za-z_][\w.*:\[\]/-]*")
_NOTHING = {"", "-", "–", "—", "n/a", "none", "no", "not applicable"}
_TYPES = {
    "bool": "boolean", "int": "integer", "long": "integer", "float": "number", "double": "number", "decimal": "number",
    "bytes": "size", "memory": "size", "time": "duration", "timespan": "duration", "uri": "url", "hostname": "host",
    "ip": "host", "file": "path", "directory": "path", "str": "string", "text": "string",
}  # fmt: skip


class Table(NamedTuple):
    """A table as it stands in the document."""

    line: int
    """1-based line of its first row."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class NotUnderstood(NamedTuple):
    """A row (or a table) that gives nothing, and why."""

    line: int
    text: str
    why: str


class Read(NamedTuple):
    """What a document gives."""

    rows: list[MatrixRow]
    left: list[NotUnderstood]


def read(text: str, *, file: str, product: str, since: str = "") -> Read:
    """The rows of all tables of a document. ``since``: the version of a row that does not say its own."""
    found = Read([], [])
    for table in tables(text, file=file):
        columns = _columns(table.header)
        if "key" not in columns or len(columns) < 2:
            why = "no column names a setting" if "key" not in columns else "no other column is understood"
            found.left.append(NotUnderstood(table.line, " | ".join(table.header), f"{why}: the table was left out"))
            continue
        for offset, cells in enumerate(table.rows, 1):
            said = {name: cells[index] for name, index in columns.items() if index < len(cells)}
            rows, why = _rows(said, product, since)
            found.rows.extend(rows)
            if why:
                found.left.append(NotUnderstood(table.line + offset, " | ".join(cells), why))
    return found


def tables(text: str, *, file: str) -> list[Table]:
    """Every table of a document, by the ending of its name."""
    if file.lower().endswith((".html", ".htm", ".xhtml")):
        reader = _Html()
        reader.feed(text)
        return reader.found()
    if file.lower().endswith((".csv", ".tsv")):
        return _csv(text)
    return list(_markdown(text))


def _columns(header: Sequence[str]) -> dict[str, int]:
    """What each column is about -> its index; the first of several wins."""
    found: dict[str, int] = {}
    for index, cell in enumerate(header):
        for name, pattern in _HEADINGS:
            if name not in found and re.search(pattern, cell.strip(), re.I):
                found[name] = index
                break
    return found


# --- one row


def _rows(said: dict[str, str], product: str, since: str) -> tuple[list[MatrixRow], str]:
    key = _plain(said.get("key", ""))
    if not key:
        return [], "it names no setting"
    if _KEY.fullmatch(key) is None:
        return [], f"{key!r} is not the name of one setting"
    form, prose = _form(said), said.get("description", "")
    found = [
        MatrixRow(product=product, key=key, **{**form, **change})  # type: ignore[arg-type]
        for change in _changes(said, prose, since)
    ]
    undated = [row for row in found if not row.since]
    if undated:
        return [row for row in found if row.since], f"{key} is {undated[0].change}, but it does not say in which version"
    return found, ""


def _form(said: dict[str, str]) -> dict[str, object]:
    kind = _plain(said.get("type", "")).lower().split("(")[0].strip()
    kind = _TYPES.get(kind, kind)
    bounds = re.fullmatch(
        r"\D*?(-?\d+(?:\.\d+)?)?\s*(?:\.\.+|–|—|-|to|through)\s*(-?\d+(?:\.\d+)?)?", _plain(said.get("range", ""))
    )
    values = [_plain(value) for value in re.split(r"[,|/]| or ", said.get("values", "")) if _plain(value)]
    return {
        "type": kind if kind in TYPES else "",
        "range": f"{bounds[1] or ''}..{bounds[2] or ''}" if bounds and (bounds[1] or bounds[2]) else "",
        "values": tuple(values) if len(values) > 1 else (),
        "silent_fallback": bool(_FALLS_BACK.search(said.get("description", ""))),
        "consequence": _plain(said.get("description", ""))[:300],
    }


def _changes(said: dict[str, str], prose: str, since: str) -> Iterator[dict[str, object]]:
    """What happened to the key, in columns first, then in prose; ``known`` when nothing did."""
    instead = _name(said.get("instead", "")) or _match(_RENAMED, prose, "name") or _match(_REPLACED, prose, "name")
    removed = _version(said.get("removed", "")) or _match(_REMOVED, prose)
    renamed = _match(_WHEN_RENAMED, prose) if _RENAMED.search(prose) else ""
    added = _version(said.get("since", "")) or _match(_ADDED, prose)
    default = _plain(said.get("default", ""))
    said_one = False
    if removed or (said.get("removed", "").strip().lower() not in _NOTHING):
        yield {"change": "renamed" if instead else "removed", "since": removed or since, "instead": instead}
        said_one = True
    elif instead and (said.get("instead") or renamed):
        yield {"change": "renamed", "since": renamed or added or since, "instead": instead}
        said_one = True
    if changed := _DEFAULT.search(prose):
        old, new = changed["old"], changed["new"]
        yield {"change": "default-changed", "since": changed["version"], "instead": old, "value": new}
        said_one = True
    elif old := _plain(said.get("old-default", "")):
        yield {"change": "default-changed", "since": added or since, "instead": old, "value": default}
        said_one = True
    if (when := _match(_REQUIRED, prose)) or re.match(
        r"(y|yes|true|x|✓|✔|required|mandatory)\b", _plain(said.get("required", "")), re.I
    ):
        yield {"change": "required", "since": when or added or since or "0"}
        said_one = True
    if not said_one:
        yield (
            {"change": "added", "since": added, "value": default}
            if added
            else {"change": "known", "since": "0", "value": default}
        )


def _match(pattern: re.Pattern[str], text: str, group: str = "version") -> str:
    match = pattern.search(text.replace("`", ""))
    return match[group].rstrip(".") if match else ""


def _version(text: str) -> str:
    match = re.search(r"\d+(?:\.\d+)*[\w.+~-]*", text)
    return match[0].rstrip(".") if match else ""


def _name(text: str) -> str:
    plain = _plain(text)
    return plain if _KEY.fullmatch(plain) else ""


def _plain(text: str) -> str:
    """A cell without Markdown's and HTML's decoration."""
    bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    bare = (
        re.sub(r"[`*]{1,2}|(?<!\w)_{1,2}(?=\w)|(?<=\w)__?(?!\w)", "", bare).strip()
        if not _KEY.fullmatch(bare.strip())
        else bare.strip()
    )
    bare = bare.strip("\"'“” ")
    return "" if bare.lower() in _NOTHING - {"no", "none"} else bare


# --- the three kinds of documents


def _markdown(text: str) -> Iterator[Table]:
    lines = text.split("\n")
    index = 0
    while index + 1 < len(lines):
        if (
            "|" in lines[index]
            and re.fullmatch(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*", lines[index + 1])
            and "|" in lines[index + 1]
        ):
            end = index + 2
            while end < len(lines) and "|" in lines[end]:
                end += 1
            yield Table(index + 2, _cells(lines[index]), tuple(_cells(line) for line in lines[index + 2 : end]))
            index = end
        index += 1


def _cells(line: str) -> tuple[str, ...]:
    bare = line.strip().removeprefix("|")
    bare = bare[:-1] if bare.endswith("|") and not bare.endswith("\\|") else bare
    return tuple(cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", bare))


def _csv(text: str) -> list[Table]:
    first = text.lstrip("\ufeff").split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter)
    try:
        rows = [tuple(cell.strip() for cell in row) for row in reader]
    except csv.Error:
        return []
    return [Table(1, rows[0], tuple(rows[1:]))] if rows else []


class _Html(HTMLParser):
    """Tables of an HTML page; a table inside a cell is part of the cell."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._tables: list[tuple[int, list[list[str]]]] = []
        self._depth = 0
        self._cell: list[str] | None = None

    def found(self) -> list[Table]:
        """The tables, the first row of each as its header."""
        full = [(line, [tuple(row) for row in rows if row]) for line, rows in self._tables]
        return [Table(line, rows[0], tuple(rows[1:])) for line, rows in full if rows]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens tables, rows and cells."""
        if tag == "table":
            self._depth += 1
            if self._depth == 1:
                self._tables.append((self.getpos()[0], []))
        elif self._depth == 1 and tag == "tr":
            self._tables[-1][1].append([])
        elif self._depth == 1 and tag in ("td", "th"):
            self._close()
            self._cell = []
        elif self._cell is not None and tag in ("br", "p", "li"):
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """Closes what was open."""
        if tag == "table" and self._depth:
            if self._depth == 1:
                self._close()
            self._depth -= 1
        elif self._depth == 1 and tag in ("td", "th", "tr"):
            self._close()

    def handle_data(self, data: str) -> None:
        """Text of a cell."""
        if self._cell is not None:
            self._cell.append(data)

    def _close(self) -> None:
        if self._cell is not None:
            rows = self._tables[-1][1]
            if not rows:
                rows.append([])
            rows[-1].append(" ".join("".join(self._cell).split()))
        self._cell = None
