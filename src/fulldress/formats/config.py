"""Configuration files of the ``key = value`` family: ini, properties, conf, env files and TOML.

Reads every key with its section, value and line, and changes one key while all else (comments, order, duplicates, line
ends, quoting) stays as it was. Text in, text out. It does not know products, and it never evaluates anything.

The rules that all these formats share: ``[section]`` lines, comments that begin with ``#``, ``;`` or ``!``, ``=`` or
else ``:`` between key and value, a comment after the value when a blank precedes its ``#`` or ``;``, a backslash or a
deeper indented line continues the value, and TOML's lists and triple quotes may span lines.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fulldress.errors import UsageError
from fulldress.formats.late import late
from fulldress.model.estate import ConfigKey

SECRET = late(
    r"(pass(wd|word|phrase|code)?|pwd|secret|token|credential|auth(orization)?|bearer|cookie|salt|dsn|"
    r"(api|access|private|secret|signing|encryption|session|master|shared|account)[-_.]?key|webhook[-_.]?url|connection[-_.]?string)s?$",
    re.IGNORECASE,
)
_WORD_BEFORE = late(r"(?<![a-z])(passw|passwd|password|passphrase|secret|token|credential|private[-_.]?key)", re.IGNORECASE)
_INNOCENT = late(
    r"(file|path|dir|timeout|ttl|length|size|lifetime|expir\w*|enabled?|required|policy|count|method|type|authentication|encryption|"
    r"algorithm|backend|provider|plugin|rounds|limit|max|min|empty_?passwords|tokeni[sz]er)$|(^|[-_.])(max|min|num)[-_]tokens$",
    re.IGNORECASE,
)
_GLUED = late(
    r"[a-z](password|passwd|passphrase)$|masterauth$|(client|app|api|auth|shared)secret$|(access|auth|refresh|bearer|api|id)token$|"
    r"(require|db|user|root|admin|bind|smtp|mail|ldap|sql|pg|ssl|tls|key|store|login|sasl|proxy|ftp|my)(pass|pwd?)$",
    re.IGNORECASE,
)
"""Words written as one: ``requirepass``, ``rootpw``, ``dbpassword``."""
_SECTION = late(r"\s*(?P<array>\[)?\[\s*(?P<name>[^\[\]]+?)\s*\]\]?\s*([#;].*)?$")
_ENTRY = late(r"(?P<head>\s*(?:export\s+)?)(?P<key>[^\s=:#;!\[][^=:]*?|\"[^\"]+\")(?P<sep>\s*[=:][ \t]*)(?P<rest>.*)$")
_EQUALS = late(r"(?P<head>\s*(?:export\s+)?)(?P<key>[^\s=#;!\[][^=]*?)(?P<sep>\s*=[ \t]*)(?P<rest>.*)$")
_TRAILING = late(r"\s+[#;].*$")
_TRIPLES = ('"""', "'''")


class Entry(NamedTuple):
    """One key where it stands. ``first`` and ``last`` are 0-based line indexes, ``last`` inclusive."""

    section: str
    key: str
    value: str
    first: int
    last: int
    head: str
    """Indentation and, in env files, ``export``."""
    separator: str
    quote: str
    tail: str
    """Blank and comment after the value."""

    @property
    def name(self) -> str:
        """Section and key joined by a dot."""
        return f"{self.section}.{self.key}" if self.section else self.key


def keys(text: str, *, file: str) -> list[ConfigKey]:
    """Every key of a file in order, duplicates included; values as written without their quotes (secrets too)."""
    return [ConfigKey(file=file, key=e.name, value=e.value, line=e.first + 1) for e in _entries(_split(text))]


def secret_looking(key: str) -> bool:
    """True when a key's name says that its value is a secret (``db.password``, ``API_TOKEN``, ``client-secret``)."""
    last = key.rsplit(".", 1)[-1]
    spread = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last)
    if _INNOCENT.search(spread):
        return False
    found = re.search(r"(^|[-_.])" + SECRET.pattern, spread, re.IGNORECASE) or _WORD_BEFORE.search(spread)
    return bool(found or _GLUED.search(last))


def set_key(text: str, key: str, value: str | None) -> str:
    """The text with ``key`` (``section.key``) set to ``value``, or without it when ``value`` is None.

    Every occurrence is set, so it holds whichever of them the product reads; their number, order and comments stay. A
    key that is not there yet is added at the end of its section, in the style of its neighbours; a missing section is
    added at the end. Raises UsageError for a key or value that would write a second line.
    """
    _refuse_lines(key, value)
    lines = _split(text)
    entries = list(_entries(lines))
    matches = [entry for entry in entries if entry.name == key]
    if value is None:
        for entry in reversed(matches):
            del lines[entry.first : entry.last + 1]
        return "".join(lines)
    if not matches:
        return _add(text, lines, entries, key, value)
    for entry in reversed(matches):
        lines[entry.first : entry.last + 1] = [_written(entry, value) + _line_end(lines[entry.last])]
    return "".join(lines)


def _refuse_lines(key: str, value: str | None) -> None:
    broken = [part for part in (key, value or "") if any(c in part for c in "\n\r\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")]
    if broken or not key.strip() or key != key.strip() or any(c in key for c in "=:#;![]\"'\\") or key.startswith("export "):
        raise UsageError(
            f"{key!r} cannot be set to {value!r}",
            why="a key or value with a line break or a separator would write more than one key",
            fix="write the file as a whole instead",
            slug="config-key-invalid",
        )


def _split(text: str) -> list[str]:
    """Lines with their ends; only LF and CRLF end a line."""
    return re.findall(r"[^\n]*\n|[^\n]+$", text)


def _line_end(line: str) -> str:
    return "\r\n" if line.endswith("\r\n") else "\n" if line.endswith("\n") else ""


def _entries(lines: list[str]) -> Iterator[Entry]:
    section, index = "", 0
    tables: dict[str, int] | None = {} if _is_toml(lines) else None
    while index < len(lines):
        line = lines[index].rstrip("\r\n")
        if header := _SECTION.match(line):
            section = _section(header, tables)
        elif match := _match(line):
            entry = _entry(lines, index, section, match)
            yield entry
            index = entry.last
        index += 1


def _is_toml(lines: list[str]) -> bool:
    """Double brackets mean something else in other formats of the family."""
    if not any(line.lstrip().startswith("[[") for line in lines):
        return False
    try:
        return bool(tomllib.loads("".join(lines)))
    except (tomllib.TOMLDecodeError, RecursionError):
        return False


def _section(header: re.Match[str], tables: dict[str, int] | None) -> str:
    """The name of a section. A table of TOML's ``[[name]]`` is ``name.0``, ``name.1``; what lies in it begins with that."""
    name = header["name"]
    if tables is None:
        return name
    parts = name.split(".")
    for cut in range(len(parts) - (1 if header["array"] else 0), 0, -1):  # the innermost table that is open
        above = ".".join(parts[:cut])
        if above in tables:
            name = ".".join([f"{above}.{tables[above]}", *parts[cut:]])
            break
    if not header["array"]:
        return name
    tables[".".join(parts)] = number = tables.get(".".join(parts), -1) + 1
    for inner in [other for other in tables if other.startswith(f"{'.'.join(parts)}.")]:
        del tables[inner]  # its own tables count anew
    return f"{name}.{number}"


def _match(line: str) -> re.Match[str] | None:
    if line.lstrip()[:1] in ("#", ";", "!", "[", ""):
        return None
    return _EQUALS.match(line) or _ENTRY.match(line)


def _entry(lines: list[str], index: int, section: str, match: re.Match[str]) -> Entry:
    rest = match["rest"]
    last = _end(lines, index, rest, indent=len(match["head"]) - len(match["head"].lstrip()))
    if last > index:
        rest = "\n".join([rest, *(line.rstrip("\r\n") for line in lines[index + 1 : last + 1])])
    value, quote, tail = _value(rest)
    key = match["key"].strip().strip('"')
    return Entry(section, key, value, index, last, match["head"], match["sep"], quote, tail)


def _end(lines: list[str], index: int, rest: str, *, indent: int) -> int:
    """Index of the last line of a value that begins on line ``index``."""
    if rest.startswith(_TRIPLES):
        return _until(lines, index, lambda seen: seen.count(rest[:3]) >= 2, rest)
    if rest.startswith("["):
        return _until(lines, index, _closed, rest)
    last = index
    while last + 1 < len(lines) and _continues(lines, last, indent):
        last += 1
    return last


def _until(lines: list[str], index: int, done: Callable[[str], bool], rest: str) -> int:
    """The first line at which ``done`` holds; the line itself when it never does (then it is no multi-line value)."""
    seen = rest
    for last in range(index, min(len(lines), index + 2000)):
        if last > index:
            seen += "\n" + lines[last]
        if done(seen):
            return last
    return index


def _closed(seen: str) -> bool:
    bare = re.sub(r"\"(\\.|[^\"\\\n])*\"|'[^'\n]*'|#[^\n]*", "", seen)
    return bare.count("[") <= bare.count("]")


def _continues(lines: list[str], last: int, indent: int) -> bool:
    here, following = lines[last].rstrip("\r\n"), lines[last + 1].rstrip("\r\n")
    if here.endswith("\\") and not here.endswith("\\\\"):
        return True
    deeper = len(following) - len(following.lstrip()) > indent
    return deeper and bool(following.strip()) and following.lstrip()[0] not in "#;![" and _match(following) is None


def _value(rest: str) -> tuple[str, str, str]:
    """(value, quote, blank and comment after it) of all that follows the separator."""
    if "\n" in rest:
        body = rest.strip()
        for triple in _TRIPLES:
            if body.startswith(triple) and body.endswith(triple) and len(body) >= 6:
                return body[3:-3].removeprefix("\n"), "", ""
        return re.sub(r"\\\n\s*", "", body), "", ""
    quoted = re.match(r"(\"(?:\\.|[^\"\\])*\"|'[^']*')(\s*|\s+[#;].*)$", rest)
    if quoted:
        quote = rest[0]
        inner = quoted[1][1:-1]
        return (re.sub(r"\\([\"\\])", r"\1", inner) if quote == '"' else inner), quote, quoted[2]
    comment = _TRAILING.search(" " + rest)
    body = (" " + rest)[: comment.start()] if comment else rest
    stripped = body.strip()
    tail = rest[len(rest.rstrip()) :] if comment is None else comment[0]
    return stripped, "", tail


def _written(entry: Entry, value: str) -> str:
    quote = entry.quote or _quote_needed(value)
    return f"{entry.head}{entry.key}{entry.separator}{_quoted(value, quote)}{entry.tail}"


def _quote_needed(value: str) -> str:
    plain = not _TRAILING.search(" " + value) and value == value.strip() and value[:1] not in ('"', "'", "[")
    return "" if plain and not value.endswith("\\") else '"'


def _quoted(value: str, quote: str) -> str:
    if quote == "'" and "'" in value:
        quote = '"'
    if quote == '"':
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f"{quote}{value}{quote}"


def _add(text: str, lines: list[str], entries: list[Entry], key: str, value: str) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    tables: dict[str, int] | None = {} if _is_toml(lines) else None
    matched = [(i, m) for i, line in enumerate(lines) if (m := _SECTION.match(line.rstrip("\r\n")))]
    headers = [(i, _section(m, tables)) for i, m in matched]
    headers = [(i, name) for i, name in headers if not any(e.first < i <= e.last for e in entries)]
    section, name = _place(key, {h for _, h in headers}, entries)
    neighbours = [e for e in entries if e.section == section] or entries
    style = neighbours[-1] if neighbours else None
    written = _quoted(value, _quote_needed(value) or ('"' if _wants_quotes(text, value) else ""))
    line = f"{style.head if style else ''}{name}{style.separator if style else ' = '}{written}{end}"
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    if section and section not in {h for _, h in headers}:
        blank = [end] if lines and lines[-1].strip() else []
        return "".join([*lines, *blank, f"[{section}]{end}", line])
    at = _insertion(lines, headers, section)
    return "".join([*lines[:at], line, *lines[at:]])


def _place(key: str, sections: set[str], entries: list[Entry]) -> tuple[str, str]:
    """Section and key for a new key: the longest section that is there, else a flat or a new section."""
    parts = key.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        if ".".join(parts[:cut]) in sections:
            return ".".join(parts[:cut]), ".".join(parts[cut:])
    flat = not sections and any("." in entry.key for entry in entries)
    if len(parts) == 1 or flat or not all(parts):
        return "", key
    return ".".join(parts[:-1]), parts[-1]


def _insertion(lines: list[str], headers: list[tuple[int, str]], section: str) -> int:
    """Index at which a new line of a section goes: after its last line that is not blank."""
    starts = [i for i, name in headers if name == section]
    begin = starts[-1] + 1 if section else 0
    at = next((i for i, _ in headers if i >= begin), len(lines))
    while at > begin and not lines[at - 1].strip():
        at -= 1
    return at


def _wants_quotes(text: str, value: str) -> bool:
    """True when the text is TOML that quotes its strings, and the value is not a TOML literal."""
    try:
        tomllib.loads(f"x = {value}")
        return False
    except tomllib.TOMLDecodeError:
        pass
    try:
        return '"' in text and bool(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return False
