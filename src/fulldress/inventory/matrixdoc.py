"""Tables of a vendor's documentation (``formats/doctables.py``) as rows for the matrix. Pure.

A table is understood by the headings of its columns and those that it stands under ("Removed in 5.0"). What a row says in
prose ("removed in 5.0, use hybrid.mode") is read where it is said plainly; every row that is not understood is reported with
the reason, never dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from fulldress.formats.doctables import tables
from fulldress.formats.keycheck import TYPES
from fulldress.formats.late import late
from fulldress.formats.version import sort_key
from fulldress.model.estate import MatrixRow

_HEADINGS = (
    ("section", r"^(section|stanza|block|table)s?$"),
    ("removed", r"remov(ed|al)|dropped|until|end of life"),
    ("deprecated", r"deprecat"),
    (
        "instead",
        r"renamed( to)?|replace(d|ment)|new (name|key|setting|option|parameter)|instead|use\b|successor|alternative",
    ),
    ("since", r"since|added|introduced|first version|available from|^versions?$"),
    ("old-default", r"(old|previous|former|prior) (default|value)|^(before|was|old|previously)$"),
    ("default", r"default|new value|initial value|^(after|now|new)$"),
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
_REMOVED = late(
    r"\b(?:removed|dropped|no longer (?:supported|available|read))\b(?: (?:in|since|from|with|as of))*"
    rf"(?: version)? {_VERSION}{_END}",
    re.I,
)
_RENAMED = late(rf"\b(?:renamed|moved)(?: (?:in|since)(?: version)? v?[\d.]+)? to {_NAME}", re.I)
_WHEN_RENAMED = late(rf"\b(?:renamed|moved)\b[^;\n]{{0,120}}?\b(?:in|since)(?: version)? {_VERSION}{_END}", re.I)
_REPLACED = late(
    r"\b(?:(?:replaced by|superseded by)\s+(?!(?:a|an|the|our)\s)[`'\"“]?(?P<name>\w[\w.-]*\w)"
    r"|use\s+[`'\"“]?(?P<marked>\w+(?:[._:-]\w+)+)|use\s+[`'\"“]?(?P<instead>\w[\w.-]*\w)[`'\"”]?\s+instead)",
    re.I,
)
_ADDED = late(
    r"(?:\b(?:added|introduced|new|available)\b(?: (?:in|since|from|with|as of))*|(?:^|[.;(]\s*)(?:since|as of))"
    rf"(?: version)? {_VERSION}{_END}",
    re.I,
)
_DEPRECATED = late(rf"\bdeprecated\b(?:(?: (?:in|since|as of|from|with))*(?: version)? {_VERSION}{_END})?", re.I)
_OVERHEAD = (
    ("removed", re.compile(r"\b(removed|removals?|dropped|deleted|no longer)\b", re.I)),
    ("renamed", re.compile(r"\b(renamed|moved|renam(ing|es))\b", re.I)),
    ("deprecated", re.compile(r"\bdeprecat", re.I)),
    ("default-changed", re.compile(r"\b(changed|new|different)\b.{0,20}\bdefaults?\b|\bdefaults?\b.{0,30}\bchange", re.I)),
    ("required", re.compile(r"\b(now |newly )?(required|mandatory)\b", re.I)),
    ("added", re.compile(r"\b(new|added|introduced|additions?)\b", re.I)),
)
"""What a heading says of all rows under it; the first that fits."""
_DATED = late(r"(?<![\w.])v?(?P<version>\d+(?:\.\d+)+[\w.+~-]*|\d+(?=\.x\b)|(?<=version )\d+)", re.I)
_COLUMN = late(
    r"(?:(?:default )?(?:value )?(?:in|for|until|from)? ?(?:version )?)v?(?P<version>\d+(?:\.(?:\d+|x))+|\d{2,4})"
    r"(?: (?:default|value|default value)s?)?",
    re.I,
)
_REQUIRED = late(rf"\b(?:required|mandatory)\b(?: (?:in|since|from|as of))+(?: version)? {_VERSION}{_END}", re.I)
_DEFAULT = late(
    r"\bdefault (?:changed|changes) from [`'\"“]?(?P<old>[^\s`'\"”,;]+)[`'\"”]? to [`'\"“]?(?P<new>[^\s`'\"”,;]+?)[`'\"”]?"
    rf" (?:in|since|with)(?: version)? {_VERSION}{_END}", re.I)  # fmt: skip
_FALLS_BACK = late(r"silent(ly)? (ignor|fall|default|revert)|falls? back|(unknown|invalid) values? (is|are) ignored", re.I)
_KEY = late(r"[A-Za-z_][\w.*:\[\]/-]*")
_NOTHING = {"", "-", "–", "—", "n/a", "none", "no", "not applicable"}
_ABSENT = late(r"|-|–|—|n/a|none|removed|gone|dropped|not (available|supported|applicable)")
_ELSEWHERE = late(r"(?i)^see\b.*$")
"""A cell that only says where the value is told."""
_NAMED_SECTION = late(r"^\[([\w.-]+)\]\s*([\w.-]+)$")
_TYPES = {
    "bool": "boolean", "int": "integer", "long": "integer", "float": "number", "double": "number", "decimal": "number",
    "bytes": "size", "memory": "size", "time": "duration", "timespan": "duration", "uri": "url", "hostname": "host",
    "ip": "host", "file": "path", "directory": "path", "str": "string", "text": "string",
}  # fmt: skip


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
        over = _over(table.heading)
        versions = _versions(table.header)
        if "key" in columns and len(versions) > 1:
            for offset, cells in enumerate(table.rows, 1):
                rows, why = _across(cells, columns["key"], versions, product)
                found.rows.extend(rows)
                if why:
                    found.left.append(NotUnderstood(table.line + offset, " | ".join(cells), why))
            continue
        if "key" not in columns and over.change == "renamed" and len(table.header) == 2:
            columns = {"key": 0, "instead": 1}
        if "key" not in columns or (len(columns) < 2 and not over.change):
            why = "no column names a setting" if "key" not in columns else "no other column is understood"
            found.left.append(NotUnderstood(table.line, " | ".join(table.header), f"{why}: the table was left out"))
            continue
        for offset, cells in enumerate(table.rows, 1):
            said = {name: cells[index] for name, index in columns.items() if index < len(cells)}
            rows, why = _rows(said, product, over, since)
            found.rows.extend(rows)
            if why:
                found.left.append(NotUnderstood(table.line + offset, " | ".join(cells), why))
    return found


class _Over(NamedTuple):
    """What the headings above a table say of its rows."""

    change: str
    version: str


def _over(heading: str) -> _Over:
    """From the path of headings, the outermost first: the innermost that says it counts."""
    change = version = ""
    for part in reversed(heading.split("\n")):
        change = change or next((name for name, pattern in _OVERHEAD if pattern.search(part)), "")
        dated = _DATED.search(part)
        version = version or (dated["version"].rstrip(".") if dated else "")
    return _Over(change, version)


def _versions(header: Sequence[str]) -> list[tuple[int, str]]:
    """Columns that are versions: each cell is the default in that version, or what became of the setting."""
    found = [(index, match["version"]) for index, cell in enumerate(header) if (match := _COLUMN.fullmatch(_plain(cell)))]
    plain = [(index, re.sub(r"\.x$", "", version, flags=re.I)) for index, version in found]
    return sorted(plain, key=lambda pair: sort_key(pair[1]))


def _across(cells: Sequence[str], at: int, versions: Sequence[tuple[int, str]], product: str) -> tuple[list[MatrixRow], str]:
    """What changes from each version's column to the next."""
    found: list[MatrixRow] = []
    told = [(version, cells[index].strip() if index < len(cells) else "") for index, version in versions]
    keys, why = _keys(cells[at] if at < len(cells) else "")
    if keys and any(index >= len(cells) for index, _ in versions):
        return [], f"{keys[0]} has no cell for each version"
    if keys and any(_plain(old[1]) and not new[1] for old, new in pairwise(told)):
        return [], f"{keys[0]} has an empty cell behind a full one: it is removed, or has no default"
    for key in keys:
        for (_, old), (version, new) in pairwise(told):
            was, now = _plain(old), _plain(new)
            there, stays = not _ABSENT.fullmatch(was.lower()), not _ABSENT.fullmatch(now.lower())
            if there and not stays:
                found.append(MatrixRow(product=product, key=key, change="removed", since=version))
            elif stays and not there:
                found.append(MatrixRow(product=product, key=key, change="added", since=version, value=now))
            elif there and was != now:
                old_value, value = (_ELSEWHERE.sub("", text) for text in (was, now))
                found.append(
                    MatrixRow(
                        product=product, key=key, change="default-changed", since=version, instead=old_value, value=value
                    )
                )
    return found, why


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


def _rows(said: dict[str, str], product: str, over: _Over, since: str) -> tuple[list[MatrixRow], str]:
    keys, why = _keys(said.get("key", ""))
    section = _name(said.get("section", ""))
    if section:
        keys = [f"{section}.{key}" for key in keys]
        said = {**said, "instead": f"{section}.{_name(said['instead'])}"} if _name(said.get("instead", "")) else said
    form, prose = _form(said), _plain(said.get("description", ""))
    changes = list(_changes(said, prose, over, since))
    found = [
        MatrixRow(product=product, key=key, **{**form, **change})  # type: ignore[arg-type]
        for key in keys
        for change in changes
    ]
    undated = [row for row in found if not row.since]
    if undated:
        why = f"{undated[0].key} is {undated[0].change}, but it does not say in which version"
    return [row for row in found if row.since], why


def _keys(cell: str) -> tuple[list[str], str]:
    """The settings that a cell names, one or several; why there is none. ``[smtp] host`` is ``smtp.host``."""
    cell = re.sub(r"\[([^\]]*)\]\(([^)]*)\)", r"\1", cell)  # links
    spans = re.findall(r"(`+)\s*(.+?)\s*\1", cell)
    cell = re.sub(r"\s*[=:]\s*$", "", cell)
    bare = _NAMED_SECTION.sub(r"\1.\2", _plain(re.sub(r"(?<=\S)\s+\([^)]*\)\s*$", "", cell)))
    names = [_NAMED_SECTION.sub(r"\1.\2", name) for _, name in spans] if spans else re.split(r"\s*[,;]\s*|\s+/\s+", bare)
    between = re.sub(r"(`+)\s*(.+?)\s*\1", "", cell)
    if not bare:
        return [], "it names no setting"
    if spans and re.search(r"\w{3,}", re.sub(r"\([^)]*\)|\b(and|or)\b|<[^>]*>", "", between)):
        names = [bare]  # prose with names in it names not one setting
    if not all(_KEY.fullmatch(name) for name in names):
        return [], f"{_plain(cell)!r} is not the name of one setting"
    return list(dict.fromkeys(names)), ""


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


def _changes(said: dict[str, str], prose: str, over: _Over, since: str) -> Iterator[dict[str, object]]:
    """What happened to the key: in columns first, then in prose, then in the headings; ``known`` when nothing did."""
    instead = _name(said.get("instead", "")) or _match(_RENAMED, prose, "name") or _replaced(prose)
    removed = _version(said.get("removed", "")) or _match(_REMOVED, prose)
    renamed = _match(_WHEN_RENAMED, prose) if _RENAMED.search(prose) else ""
    added = _version(said.get("since", "")) or _match(_ADDED, prose)
    default = _plain(said.get("default", ""))
    since = over.version or since
    if any(_plain(said.get(name, "")).lower() not in _NOTHING for name in ("old-default", "required")):
        over = over._replace(change="")  # its own columns say something else than the heading
    gone = said.get("removed", "").strip().lower() not in _NOTHING or over.change == "removed" or _gone(said)
    old_ways = over.change == "deprecated" or "deprecated" in said or _DEPRECATED.search(prose)
    said_one = False
    if removed or gone:
        yield {"change": "renamed" if instead else "removed", "since": removed or added or since, "instead": instead}
        return
    if old_ways and not renamed:
        yield {"change": "known", "since": "0", "value": default, **_deprecated(said, prose, over, instead)}
        return
    if instead and (said.get("instead") or renamed or over.change == "renamed"):
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
    elif over.change == "required":
        yield {"change": "required", "since": added or since}
        said_one = True
    if not said_one:
        fresh = added or (since if over.change == "added" else "")
        yield (
            {"change": "added", "since": fresh, "value": default}
            if fresh
            else {"change": "known", "since": "0", "value": default}
        )


def _gone(said: dict[str, str]) -> bool:
    """There was a value, and now there is a dash."""
    now = said.get("default", "x").strip().lower()
    return bool(_plain(said.get("old-default", ""))) and bool(now) and _ABSENT.fullmatch(now) is not None


def _deprecated(said: dict[str, str], prose: str, over: _Over, instead: str) -> dict[str, object]:
    """It still works: a row that changes nothing, and says what will."""
    told = _version(said.get("deprecated", "")) or _match(_DEPRECATED, prose) or over.version
    use = f", use {instead}" if instead else ""
    return {"consequence": f"deprecated{f' since {told}' if told else ''}{use}{f': {prose}' if prose else ''}"[:300]}


def _match(pattern: re.Pattern[str], text: str, group: str = "version") -> str:
    match = pattern.search(text)
    return (match[group] or "").rstrip(".") if match else ""


def _replaced(prose: str) -> str:
    match = _REPLACED.search(prose)
    return next((group for group in match.groups() if group), "") if match else ""


def _version(text: str) -> str:
    match = re.search(r"\d+(?:\.\d+)*[\w.+~-]*", text)
    return match[0].rstrip(".") if match else ""


def _name(text: str) -> str:
    plain = _plain(text)
    return plain if _KEY.fullmatch(plain) else ""


def _plain(text: str) -> str:
    """A cell without Markdown's and HTML's decoration; what stands alone between backticks stays as it is."""
    if alone := re.fullmatch(r"\s*(`+)([^`]+)\1\s*", text):
        return alone[2].strip()
    bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    bare = (
        re.sub(r"[`*]{1,2}|(?<!\w)_{1,2}(?=\w)|(?<=\w)__?(?!\w)", "", bare).strip()
        if not _KEY.fullmatch(bare.strip())
        else bare.strip()
    )
    bare = bare.strip("\"'“” ")
    return "" if bare.lower() in _NOTHING - {"no", "none"} else bare
