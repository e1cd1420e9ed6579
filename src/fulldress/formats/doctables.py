"""Tables of documents with the heading that they stand under: Markdown, HTML, reStructuredText, AsciiDoc, CSV. Pure.

Cells keep their decoration; what a table means is the caller's part. Nothing is fetched, and no text raises.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from itertools import pairwise
from typing import NamedTuple

from fulldress.formats.late import late

MAX_SPAN = 20
_RULE = late(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*$")
_HASHES = late(r"\s{0,3}(#{1,6}|={1,6})\s+(?P<text>\S.*?)\s*[#=]*\s*$")
_UNDERLINE = late(r"(?P<sign>[=\-~^\"'`#*+.:_])(?P=sign){2,}\s*$")
_GRID = late(r"\s*\+([-=]+\+)+\s*$")
_SIMPLE = late(r"\s*=+(\s+=+)+\s*$")
_DIRECTIVE = late(r"(?P<indent>\s*)\.\. (?P<name>list-table|csv-table|table|tabularcolumns)::\s*(?P<title>.*)$")
_OPTION = late(r"\s*:(?P<name>[\w-]+):\s*(?P<value>.*)$")
_FENCE = late(r"\s*(```|~~~)")


class Table(NamedTuple):
    """A table as it stands in the document."""

    line: int
    """1-based line of its first row of data, or near it."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    heading: str = ""
    """The headings above it, the outermost first, and its own title last; a line each."""


def tables(text: str, *, file: str) -> list[Table]:
    """Every table of a document, by the ending of its name (Markdown for one that says nothing)."""
    name = file.lower()
    for endings, reader in READERS.items():
        if name.endswith(endings):
            return list(reader(text))
    return list(_markdown(text))


# --- Markdown


def _markdown(text: str) -> Iterator[Table]:
    lines = text.split("\n")
    headings, fenced, index = Headings("#"), False, 0
    while index + 1 < len(lines):
        if _FENCE.match(lines[index]):
            fenced = not fenced
        if not fenced:
            headings.see(lines, index)
        if not fenced and "|" in lines[index] and "|" in lines[index + 1] and _RULE.match(lines[index + 1]):
            end = index + 2
            while end < len(lines) and "|" in lines[end]:
                end += 1
            rows = tuple(_cells(line) for line in lines[index + 2 : end])
            yield Table(index + 2, _cells(lines[index]), rows, headings.path())
            index = end
        else:
            index += 1


class Headings:
    """The headings that a line stands under."""

    def __init__(self, signs: str = "") -> None:
        """At the beginning of a document: none. ``signs``: what begins a heading's line (``#``, AsciiDoc's ``=``)."""
        self._signs = signs
        self._open: list[tuple[str, str]] = []

    def path(self, title: str = "") -> str:
        """The outermost first, a line each."""
        return "\n".join([*(text for _, text in self._open), *([title] if title else [])])

    def see(self, lines: Sequence[str], index: int) -> None:
        """Take in a line, if it is a heading: by the sign that it begins with, or underlined on the next."""
        line = lines[index]
        if (match := _HASHES.match(line)) and match[1][0] in self._signs:
            self.enter(match[1], match["text"])
            return
        following = lines[index + 1] if index + 1 < len(lines) else ""
        under = _UNDERLINE.match(following)
        plain = line.strip() and "|" not in line and not _UNDERLINE.match(line) and not _SIMPLE.match(line)
        if plain and under and len(following.strip()) >= min(len(line.strip()), 4):
            over = lines[index - 1] if index else ""
            self.enter(under["sign"] + ("o" if over.strip() == following.strip() else ""), line.strip())

    def enter(self, level: str, text: str) -> None:
        """A heading of a level closes those of its own level and below: a level is below those that were open before it."""
        known = [name for name, _ in self._open]
        if level[:1] in "#=h" and level[:1] * len(level) == level and len(level) <= 6 and "o" not in level:
            deeper = [n for n, name in enumerate(known) if name[:1] == level[:1] and len(name) >= len(level)]
            cut = deeper[0] if deeper else len(known)
        else:
            cut = known.index(level) if level in known else len(known)
        self._open = [*self._open[:cut], (level, text[:300])]


def _cells(line: str) -> tuple[str, ...]:
    bare = line.strip().removeprefix("|")
    bare = bare[:-1] if bare.endswith("|") and not bare.endswith("\\|") else bare
    return tuple(_unbroken(cell.replace("\\|", "|").strip()) for cell in re.split(r"(?<!\\)\|", bare))


def _unbroken(cell: str) -> str:
    return re.sub(r"(?i)\s*<br\s*/?>\s*", " ", cell)


# --- CSV


def _csv(text: str) -> list[Table]:
    first = text.lstrip("\ufeff").split("\n", 1)[0]
    rows = _csv_rows(text.lstrip("\ufeff"), max(",;\t", key=first.count))
    return [Table(1, rows[0], tuple(rows[1:]))] if rows else []


def _csv_rows(text: str, delimiter: str) -> list[tuple[str, ...]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        return [tuple(cell.strip() for cell in row) for row in reader if row]
    except csv.Error:
        return []


# --- reStructuredText: grid, simple, list-table, csv-table


def _rst(text: str) -> Iterator[Table]:
    lines = text.expandtabs(8).split("\n")
    headings, title, index = Headings(), "", 0
    while index < len(lines):
        line = lines[index]
        headings.see(lines, index)
        found: tuple[Table | None, int] = (None, index + 1)
        if directive := _DIRECTIVE.match(line):
            title = directive["title"].strip()
            reader = {"list-table": _list_table, "csv-table": _csv_table}.get(directive["name"])
            found = reader(lines, index, len(directive["indent"])) if reader else found
        elif _GRID.match(line):
            found = _grid(lines, index)
        elif _SIMPLE.match(line):
            found = _simple(lines, index)
        table, index = found
        if table is not None:
            yield table._replace(heading=headings.path(title))
            title = ""


def _grid(lines: Sequence[str], start: int) -> tuple[Table | None, int]:
    """``+---+---+`` above, between and below; a cell may have several lines. Cells that span rows give what they can."""
    end = start
    while end < len(lines) and lines[end].strip()[:1] in ("+", "|"):
        end += 1
    edges = [match.start() for match in re.finditer(r"\+", lines[start])]
    rows: list[tuple[int, list[str]]] = []
    head = 0
    fresh = True
    for number in range(start, end):
        line = lines[number]
        if _GRID.match(line):
            head = len(rows) if "=" in line else head
            fresh = True
            continue
        if fresh:
            rows.append((number + 1, [""] * (len(edges) - 1)))
            fresh = False
        for column, (left, right) in enumerate(pairwise(edges)):
            part = line[left + 1 : right].strip().strip("|").strip()
            part = "" if re.fullmatch(r"[-=+]{3,}", part) else part  # the edge of a cell that ends while others go on
            rows[-1][1][column] = f"{rows[-1][1][column]} {part}".strip()
    return _made(rows, max(head, 1)), max(end, start + 1)


def _simple(lines: Sequence[str], start: int) -> tuple[Table | None, int]:
    """``=== ===`` above, below the header and below the rows; a row whose first cell is empty continues the one above."""
    spans = [match.span() for match in re.finditer(r"=+", lines[start])]
    rows: list[tuple[int, list[str]]] = []
    head = rules = 0
    index = start + 1
    while index < len(lines) and rules < 2:
        line = lines[index]
        index += 1
        if _SIMPLE.match(line):
            rules += 1
            head = len(rows) if rules == 1 else head
            following = lines[index].strip() if index < len(lines) else ""
            if rules == 1 and not following:
                break  # a table without a header
            continue
        if not line.strip() or re.fullmatch(r"[\s-]+", line):
            continue
        cells = [line[a : spans[n + 1][0] if n + 1 < len(spans) else None].strip() for n, (a, _) in enumerate(spans)]
        if cells[0] or not rows:
            rows.append((index, cells))
        else:
            rows[-1] = (rows[-1][0], [f"{old} {new}".strip() for old, new in zip(rows[-1][1], cells, strict=True)])
    return _made(rows, head) if head else None, index


def _list_table(lines: Sequence[str], start: int, indent: int) -> tuple[Table | None, int]:
    """``* - cell`` begins a row, ``  - cell`` goes on with it."""
    options, body, end = _body(lines, start, indent)
    rows: list[tuple[int, list[str]]] = []
    for number, line in body:
        if match := re.match(r"\s*\*\s+-(?:\s+|$)(.*)", line):
            rows.append((number, [match[1].strip()]))
        elif rows and (match := re.match(r"\s*-(?:\s+|$)(.*)", line)):
            rows[-1][1].append(match[1].strip())
        elif rows and line.strip():
            rows[-1][1][-1] = f"{rows[-1][1][-1]} {line.strip()}".strip()
    head = options.get("header-rows", "0")
    return _made(rows, int(head) if head.isdecimal() else 0) if rows else None, end


def _csv_table(lines: Sequence[str], start: int, indent: int) -> tuple[Table | None, int]:
    options, body, end = _body(lines, start, indent)
    delimiter = {"tab": "\t", "space": " "}.get(options.get("delim", ","), options.get("delim", ",")[:1] or ",")
    text = "\n".join(line.strip() for _, line in body)
    rows = [(body[0][0] + n, list(row)) for n, row in enumerate(_csv_rows(text, delimiter))] if body else []
    if "header" in options:
        named = _csv_rows(options["header"], delimiter)
        return _made([(start + 1, list(named[0])), *rows], 1) if named else None, end
    head = options.get("header-rows", "0")
    return _made(rows, int(head) if head.isdecimal() else 0) if rows else None, end


def _body(lines: Sequence[str], start: int, indent: int) -> tuple[dict[str, str], list[tuple[int, str]], int]:
    """The options of a directive, its lines with their numbers, and where it ends."""
    options: dict[str, str] = {}
    body: list[tuple[int, str]] = []
    index, name = start + 1, ""
    while index < len(lines):
        line = lines[index]
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        option = _OPTION.match(line) if not body else None
        if option:
            name = option["name"]
            options[name] = option["value"].strip()
        elif line.strip() and name and not body and index == start + 1 + len(options):
            options[name] += f" {line.strip()}"  # an option that goes on
        elif line.strip() or body:
            body.append((index + 1, line))
            name = ""
        else:
            name = ""
        index += 1
    return options, body, index


def _made(rows: Sequence[tuple[int, list[str]]], head: int) -> Table | None:
    """The first ``head`` rows together are the header; without one, the first row is taken for it."""
    head = head or 1
    if len(rows) <= head:
        return None
    width = max(len(cells) for _, cells in rows)
    header = [" ".join(cells[n] for _, cells in rows[:head] if n < len(cells)).strip() for n in range(width)]
    return Table(rows[head][0] - 1, tuple(header), tuple(tuple(cells) for _, cells in rows[head:]))


# --- AsciiDoc


_ASCIIDOC_ATTRIBUTES = late(r"\[(?P<text>[^\]]*)\]\s*$")
_SPECIFIER = late(r"(?:^|(?<=\s))(?:(?P<times>\d+)\*)?(?:\d*\.?\d*\+)?[<^>.]*[aehlmdsv]?\|(?!\|)")


def _asciidoc(text: str) -> Iterator[Table]:
    lines = text.split("\n")
    headings, title, attributes, index = Headings("=#"), "", "", 0
    while index < len(lines):
        line = lines[index].strip()
        index += 1
        if line.startswith(("|===", "!===")):
            end = next((n for n in range(index, len(lines)) if lines[n].strip() == line), len(lines))
            table = _asciidoc_table(lines[index:end], index, attributes)
            if table is not None:
                yield table._replace(heading=headings.path(title))
            index, title, attributes = end + 1, "", ""
        elif _HASHES.match(line):
            headings.see([line], 0)
            title = ""
        elif match := _ASCIIDOC_ATTRIBUTES.match(line):
            attributes = match["text"]
        elif re.match(r"\.\w", line):
            title = line[1:]
        elif line:
            attributes = ""


def _asciidoc_table(lines: Sequence[str], offset: int, attributes: str) -> Table | None:
    """Cells by their bars. The width: the columns declared, else the cells of the first line that has any."""
    cells: list[tuple[int, str]] = []
    width = _declared_columns(attributes)
    first = True
    blank_after_first = False
    for number, line in enumerate(lines, offset + 1):
        if not line.strip():
            blank_after_first = blank_after_first or (bool(cells) and len(cells) <= (width or len(cells)))
            continue
        parts = [part.strip() for part in _SPECIFIER.sub("\x00", line.replace("\\|", "\x01")).split("\x00")]
        if parts[0] and cells:
            cells[-1] = (cells[-1][0], f"{cells[-1][1]} {parts[0]}".strip())
        cells += [(number, part) for part in parts[1:]]
        if first and cells:
            width, first = width or len(cells), False
    if not width or not cells:
        return None
    plain = [(number, cell.replace("\x01", "|")) for number, cell in cells]
    rows = [(plain[n][0], [cell for _, cell in plain[n : n + width]]) for n in range(0, len(plain), width)]
    return _made(rows, 1)


def _declared_columns(attributes: str) -> int:
    match = re.search(r"cols\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^,\]]+))", attributes)
    if match is None:
        return 0
    told = next(group for group in match.groups() if group is not None).strip()
    repeated = re.fullmatch(r"(\d+)\*.*", told)
    return min(int(repeated[1]), MAX_SPAN) if repeated else len([part for part in re.split(r"[,;]", told) if part.strip()])


# --- HTML


class _Html(HTMLParser):
    """Tables of an HTML page; a table inside a cell is part of the cell, a cell that spans stands in each place."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._tables: list[tuple[int, str, list[list[str]]]] = []
        self._depth = 0
        self._cell: list[str] | None = None
        self._heading: list[str] | None = None
        self._headings = Headings()
        self._level = ""
        self._span = (1, 1)
        self._reaching: dict[int, tuple[int, str]] = {}
        """Column -> (rows that are left, text) of cells of earlier rows, for this row; ``_below`` for the next."""
        self._below: dict[int, tuple[int, str]] = {}

    def found(self) -> list[Table]:
        """The tables, the first row of each as its header."""
        full = [(line, title, [tuple(row) for row in rows if row]) for line, title, rows in self._tables]
        return [Table(line, rows[0], tuple(rows[1:]), title) for line, title, rows in full if rows]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens tables, rows and cells."""
        if tag == "table":
            self._depth += 1
            if self._depth == 1:
                self._tables.append((self.getpos()[0], self._headings.path(), []))
                self._reaching, self._below = {}, {}
        elif self._depth == 1 and tag == "tr":
            self._close()
            self._tables[-1][2].append([])
            self._reaching, self._below = self._below, {}
        elif self._depth == 1 and tag in ("td", "th"):
            self._close()
            self._cell, self._span = [], _spans(attrs)
        elif self._cell is not None and tag in ("br", "p", "li"):
            self._cell.append(" ")
        elif (not self._depth and re.fullmatch(r"h[1-6]", tag)) or (self._depth == 1 and tag == "caption"):
            self._heading, self._level = [], tag

    def handle_endtag(self, tag: str) -> None:
        """Closes what was open."""
        if tag == "table" and self._depth:
            if self._depth == 1:
                self._close()
            self._depth -= 1
        elif self._depth == 1 and tag in ("td", "th", "tr"):
            self._close()
        elif self._heading is not None and (re.fullmatch(r"h[1-6]", tag) or tag == "caption"):
            title, self._heading = " ".join("".join(self._heading).split()), None
            if tag == "caption" and self._tables:
                line, _, rows = self._tables[-1]
                self._tables[-1] = (line, self._headings.path(title), rows)
            elif tag == self._level:
                self._headings.enter("h" * int(tag[1]), title)

    def handle_data(self, data: str) -> None:
        """Text of a cell or of a heading."""
        if self._cell is not None:
            self._cell.append(data)
        elif self._heading is not None:
            self._heading.append(data)

    def _close(self) -> None:
        if self._cell is None:
            return
        rows = self._tables[-1][2]
        if not rows:
            rows.append([])
        self._fill(rows[-1])
        text = " ".join("".join(self._cell).split())
        columns, down = self._span
        for _ in range(columns):
            if down > 1:
                self._below[len(rows[-1])] = (down - 1, text)
            rows[-1].append(text)
            self._fill(rows[-1])
        self._cell = None

    def _fill(self, row: list[str]) -> None:
        """What cells of rows above reach down into this one."""
        while len(row) in self._reaching:
            column = len(row)
            left, text = self._reaching.pop(column)
            row.append(text)
            if left > 1:
                self._below[column] = (left - 1, text)


def _spans(attrs: Sequence[tuple[str, str | None]]) -> tuple[int, int]:
    said = {name: value or "" for name, value in attrs}
    columns, down = (int(said.get(name, "1")) if said.get(name, "1").isdecimal() else 1 for name in ("colspan", "rowspan"))
    return max(1, min(columns, MAX_SPAN)), max(1, min(down, 1000))


def _html(text: str) -> list[Table]:
    reader = _Html()
    reader.feed(text)
    reader.close()
    return reader.found()


READERS: dict[tuple[str, ...], Callable[[str], Iterator[Table] | list[Table]]] = {
    (".html", ".htm", ".xhtml"): _html,
    (".csv", ".tsv"): _csv,
    (".rst", ".rest"): _rst,
    (".adoc", ".asciidoc", ".asc"): _asciidoc,
}
"""Endings of a name -> reader; all else is Markdown."""
