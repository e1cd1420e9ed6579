"""What several rules read: the package's shell scripts, its scheduled jobs, its lines that are not prose or comment.

Parsed once for each context (``Context.memo``). Pure: reads the Context, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple, TypeVar, cast

import msgspec

from fulldress.formats import crontab, shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import Command
from fulldress.model.estate import CronJob
from fulldress.model.finding import Cure
from fulldress.model.package import Entry
from fulldress.scan.boundary import attempt
from fulldress.scan.crew import First
from fulldress.scan.folders import PROSE, VENDORED, folder_kinds
from fulldress.scan.rule import Among, Context

T = TypeVar("T")
WORTH_SHARING = 32 << 10
"""Characters of shell scripts from which two processes read them faster."""
MAX_PARSED = 1 << 20
"""Scripts over 1 MiB are not parsed: real ones are a few KiB, and a syntax tree costs a hundredfold."""

SHELL_NAMES = late(r"\.(sh|bash)$|(^|/)(pre|post)(inst|rm)$")
_SHELL_ENDS = (".sh", ".bash", "inst", "rm")
SHEBANG = Pattern(r"\A#![^\n]{0,200}sh\b", once=True)
"""The first line of a shell script."""

_PROSE_NAMES = (
    *("readme", "changelog", "changes", "news", "copying", "license", "licence", "copyright", "notice", "authors"),
    *("todo", "history", "faq"),
)
_ACTS = (
    ".py",
    ".js",
    ".php",
    ".rb",
    ".pl",
    ".pm",
    ".java",
    ".cs",
    ".go",
    ".ts",
    ".sh",
    ".bash",
    ".sql",
    ".ps1",
    ".bat",
    ".cmd",
)
"""Programs may be named like prose: ``licence.py``, ``history.js``."""
_PROSE_ENDS = (
    *(".md", ".rst", ".adoc", ".htm", ".html", ".css", ".svg", ".asc", ".pem", ".crt", ".sig", ".sha256", ".sum"),
    *(".po", ".pot", ".csv", ".txt.gz", ".cdx.json", ".spdx.json", ".cdx.xml", ".spdx.xml"),
)
_PROSE_HEADS = frozenset(name[:3] for name in _PROSE_NAMES)
_PROSE_TAILS = frozenset(end[-3:] for end in _PROSE_ENDS)
_CRON = late(r"(^|/)etc/(cron\.d/[A-Za-z0-9_-]+|crontab)$")
_MAYBE_CRON = late(r"(^|[!/])(cron|crontabs?)/[\w-]+$|(^|[!/])(cron\.d/[\w-]+|crontab([._-]\w+)?|[\w-]+\.cron(tab)?)$")
"""Names of what a vendor means for cron; it is a crontab when every line is one of it."""
_FIELD_USER = late(r"\s*(?:@\w+|(?:\S+\s+){4}\S+)\s+[a-z_][a-z0-9_-]*\s+\S")
_USER_CRON = late(r"(^|/)var/spool/cron/(crontabs/)?[^/]+$|\.crontab$")


_CRON_SETTING = re.compile(r"\s*[A-Za-z_]\w*\s*=")


class Script(NamedTuple):
    """A shell script of the package, parsed."""

    entry: Entry
    text: str
    commands: list[Command]


class Crontab(NamedTuple):
    """A crontab of the package."""

    entry: Entry
    text: str
    jobs: list[CronJob]


def memo(context: Context, key: object, make: Callable[[], T]) -> T:
    """What was made once for this context is not made again."""
    if key not in context.memo:
        context.memo[key] = make()
    return cast("T", context.memo[key])


_OF_CONTENT = ("shell", "docstrings", "catalogue", "judged", "moved on")
"""First words of the keys of what was made of contents alone, which (or whose digest) are the rest of the key."""


def take_over(context: Context, earlier: Context) -> None:
    """What was parsed of contents for another state of the same package need not be parsed again."""
    for key, made in earlier.memo.items():
        if isinstance(key, tuple) and key[0] in _OF_CONTENT:
            context.memo.setdefault(key, made)


def read_together(context: Context) -> None:
    """Make what nearly every family of rules reads, before two processes would each make it."""
    context.index()
    named(context, "")


def commands_first(context: Context) -> First | None:
    """The commands of the shell scripts, which two processes read together; None for what one reads as fast."""
    unread = ((e, text) for e, text in _shell_texts(context) if ("shell", e.sha256) not in context.memo)
    texts = {entry.sha256: text for entry, text in unread if _may_be_sent(text)}
    if sum(map(len, texts.values())) < WORTH_SHARING:
        return None
    work = sorted(texts.items(), key=lambda one: -len(one[1]))

    def make(numbers: Iterator[int]) -> bytes:
        made: dict[str, list[Command]] = {}
        for number in numbers:
            sha256, text = work[number]
            commands = attempt(lambda text=text: shell.commands(text))  # type: ignore[misc]
            if isinstance(commands, list):  # else the rule that asks for it meets the same
                made[sha256] = context.memo["shell", sha256] = commands
        return msgspec.msgpack.encode(made)

    def take(data: bytes) -> None:
        for sha256, commands in msgspec.msgpack.decode(data, type=dict[str, list[Command]]).items():
            context.memo["shell", sha256] = commands

    return First(len(work), make, take)


def _may_be_sent(text: str) -> bool:
    """False for a text with bytes that are no UTF-8: each process reads it for itself."""
    with suppress(UnicodeEncodeError):
        return bool(text.encode())
    return False


def scripts(context: Context) -> list[Script]:
    """Every shell script, with its commands."""
    return memo(context, "scripts", lambda: list(_scripts(context)))


def _scripts(context: Context) -> Iterator[Script]:
    found = [_parsed(context, entry, text) for entry, text in _shell_texts(context)]
    yield from found
    yield from _libraries(context, found)


def _shell_texts(context: Context) -> Iterator[tuple[Entry, str]]:
    """What is a shell script by its name or first line, in order of place."""
    named = {e.place: e for e in context.ending(*_SHELL_ENDS) if SHELL_NAMES.search(e.place)}
    named |= {e.place: e for e in context.matching(SHEBANG)}
    for _, entry in sorted(named.items()):
        text = context.text(entry) if entry.size <= MAX_PARSED else None
        # A script with an archive behind it finds that by its own length: nobody may add a line.
        if text is not None and "\0" not in text and shell.is_shell(entry.place, text):
            yield entry, text


def unread_scripts(context: Context) -> list[tuple[Entry, int]]:
    """Shell scripts whose commands are not known to the end, and how many bytes are not."""
    cut = [(s.entry, len(data) - shell.read_to(data)) for s in scripts(context) for data in [shell.encode(s.text)]]
    large = [
        (e, e.size)
        for e in context.matching(SHEBANG)
        if e.kind == "file" and e.size > MAX_PARSED and not context.is_binary(e)
    ]
    return [(entry, rest) for entry, rest in (*cut, *large) if rest]


def _parsed(context: Context, entry: Entry, text: str) -> Script:
    return Script(entry, text, memo(context, ("shell", entry.sha256), lambda: shell.commands(text)))


_LIBRARY = late(r"^[\w-]+(\.(inc|lib|func|funcs|functions|subr|shlib|common|ksh))?$")
_FUNCTION = late(r"(?m)^[^\S\n]*(function\s+[\w-]+|[\w-]+\s*\(\s*\))\s*\{?")


def _libraries(context: Context, known: list[Script]) -> Iterator[Script]:
    """Files of functions without a first line of their own, which a script of the same archive sources."""
    seen = {script.entry.place for script in known}
    for script in known:
        for entry in sourced(context, script):
            if entry.place in seen or not _LIBRARY.match(entry.place.rpartition("/")[2]):
                continue
            text = context.text(entry) if entry.size <= MAX_PARSED else None
            if text is not None and not text.startswith("#!") and _FUNCTION.search(text):
                seen.add(entry.place)
                yield _parsed(context, entry, text)


_BEFORE = late(r"^(?:.*\$(?:\w+|\{[^}]*\}|\([^)]*\)))?[\"']?/*(?:\.{1,2}/)*")
"""What stands before the part of a path that names a file of the package: variables, dots."""


def sourced(context: Context, script: Script) -> Iterator[Entry]:
    """The files of the same archive that a script reads in with ``.`` or ``source``, by the end of their path."""
    root = script.entry.place.rpartition("!")[0]
    for command in script.commands:
        if command.name in (".", "source") and len(command.argv) > 1:
            path = _BEFORE.sub("", command.argv[1])
            for entry in named(context, path.rpartition("/")[2]) if path else ():
                if entry.place.rpartition("!")[0] == root and f"/{entry.place}".endswith((f"/{path}", f"!{path}")):
                    yield entry


def script_at(context: Context, place: str) -> Script | None:
    """The shell script at a place."""
    return next((s for s in scripts(context) if s.entry.place == place), None)


def stops_on_errors(script: Script) -> bool:
    """True when the script sets -e (or errexit), in its shebang or in a command."""
    if re.match(r"#![^\n]*sh\s+-\w*e", script.text):
        return True
    return any(c.name == "set" and any(re.match(r"-[a-z]*e|errexit", w) for w in c.argv[1:]) for c in script.commands)


def crontabs(context: Context) -> list[Crontab]:
    """Every crontab: files of etc/cron.d, etc/crontab, users' crontabs."""
    return memo(context, "crontabs", lambda: list(_crontabs(context)))


def in_crons_place(place: str) -> bool:
    """True where cron itself looks; other crontabs are known by their name and content, or by who copies them."""
    return _CRON.search(place) is not None or _USER_CRON.search(place) is not None


def _crontabs(context: Context) -> Iterator[Crontab]:
    for entry in context.holding("cron"):
        system, user = bool(_CRON.search(entry.place)), bool(_USER_CRON.search(entry.place))
        maybe = not system and not user and _MAYBE_CRON.search(entry.place) is not None and not is_prose(entry.place)
        text = context.text(entry) if system or user or (maybe and entry.size <= MAX_PARSED) else None
        if text is not None and maybe:
            acting = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
            lines = [line for line in acting if not _CRON_SETTING.match(line)]
            system = 2 * sum(1 for line in lines if _FIELD_USER.match(line)) > len(lines)
            if not lines or len(crontab.jobs("\n".join(lines), file=entry.place, system=False)) < len(lines):
                continue  # a script, or a folder of something else
        if text is not None:
            yield Crontab(entry, text, crontab.jobs(text, file=entry.place, system=system))


@lru_cache(maxsize=1 << 16)
def is_prose(place: str) -> bool:
    """True for documentation, licences, certificates and the like: text that no machine acts on."""
    folder, _, name = place.rpartition("/")
    name = name.lower()
    return (
        (
            name[:3] in _PROSE_HEADS
            and name.startswith(_PROSE_NAMES)
            and not name.endswith(_ACTS)
            and not _of_liquibase(place)
        )
        or (name[-3:] in _PROSE_TAILS and name.endswith(_PROSE_ENDS))
        or name in ("metadata", "pkg-info")
        or folder_kinds(folder) & PROSE != 0
    )


_OF_LIQUIBASE = late(
    r"(?i)(^|[!/])(db|database|liquibase|migrations?|changelogs?|schema|sql)/([^!]*/)?changelog[^/]*$|changelog[._-]master"
)


def _of_liquibase(place: str) -> bool:
    """``db/changelog.xml``: what Liquibase runs, and no list of what is new."""
    return place.endswith((".xml", ".yaml", ".yml", ".json")) and _OF_LIQUIBASE.search(place) is not None


CODE = (
    *(
        ".py",
        ".js",
        ".ts",
        ".php",
        ".rb",
        ".rake",
        ".pl",
        ".java",
        ".cs",
        ".go",
        ".lua",
        ".groovy",
        ".kt",
        ".kts",
        ".rs",
        ".scala",
    ),
    *(".swift", ".c", ".h", ".cc", ".cpp", ".hpp", ".vb", ".vbs", ".bas", ".jsp", ".aspx", ".asp", ".mjs", ".cjs", ".jsx"),
    *(".tsx", ".pm", ".pp", ".tcl", ".dart", ".ex", ".m"),
)
"""Suffixes of programs: their lines are examples and constants more often than settings."""
_LEFT_OVER = (".bak", ".old", ".orig", ".save")


def is_vendored(place: str) -> bool:
    """True inside folders of third-party libraries."""
    return folder_kinds(place.rpartition("/")[0]) & VENDORED != 0


def is_code(place: str) -> bool:
    """True for the source of a program (shell scripts are read by their syntax instead)."""
    return place.endswith(CODE) or (place.endswith(_LEFT_OVER) and place.rpartition(".")[0].endswith(CODE))


_LIMIT = late(r"\*\s+(soft|hard|-)\s")
"""``* soft nofile 65536`` of limits.conf: for every account, and no comment of C."""


def is_comment(line: str) -> bool:
    """True for a line that is only a comment in shell, ini, SQL, C, Java, XML or batch."""
    bare = line.lstrip()
    if bare.startswith("*"):
        return _LIMIT.match(bare) is None
    return bare.startswith(("#", "//", ";", "--", "/*", "<!--", "REM ", "rem ", "Rem ", "!")) and not bare.startswith(
        "#define "
    )


_REMARK = late(r"""\s(?:\#|//)\s""")


def without_remark(line: str) -> str:
    """The line without a comment behind what acts (`` # was: x``, `` // was: x``); signs inside quotes are none."""
    for match in _REMARK.finditer(line):
        before = line[: match.start()]
        if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
            return before
    return line


def acting_lines(
    context: Context, *patterns: Pattern, among: Among | None = None, acting: Among | None = None
) -> Iterator[tuple[Entry, int, str]]:
    """(entry, line number, line) of every text line with a match that is neither prose nor comment.

    Docstrings of Python programs and the sources of third-party libraries are prose too. ``acting`` stands for that
    judgement and for ``among``, where the caller has a stricter one.
    """

    def wanted(entry: Entry) -> bool:
        if acting is not None:
            return acting(entry)
        place = entry.place
        return not is_prose(place) and not (is_code(place) and is_vendored(place)) and (among is None or among(entry))

    for line in context.lines(*patterns, among=wanted):
        place = line.entry.place
        if is_comment(line.text):
            continue
        if place.endswith(".py") and _in_docstring(context, line.entry, line.number):
            continue
        yield line.entry, line.number, line.text


def _in_docstring(context: Context, entry: Entry, number: int) -> bool:
    key = ("docstrings", entry.sha256)
    marks = memo(context, key, lambda: _docstrings((context.text(entry) or "").split("\n")))
    return number < len(marks) and bool(marks[number])


_DOCSTRING = late(r"\s*(?:(?:EXAMPLES|DOCUMENTATION|RETURN|__doc__)\s*=\s*)?[rRuUbB]{0,2}(\"{3}|'{3})")


def _docstrings(lines: list[str]) -> bytes:
    """1 at the numbers of the lines of strings that stand alone, by their triple quotes (no parser: the text is a
    stranger's). A byte a line, because it is kept for every program of the package."""
    found = bytearray(len(lines) + 2)
    quotes = ""
    for number, line in enumerate(lines, 1):
        if not quotes:
            opening = _DOCSTRING.match(line)
            if opening is not None:
                found[number] = 1
                quotes = "" if opening[1] in line[opening.end() :] else opening[1]
        else:
            found[number] = 1
            quotes = "" if quotes in line else quotes
    return bytes(found)


def encode(text: str) -> bytes:
    """A text as the bytes it was read from."""
    return shell.encode(text)


def current_text(context: Context, place: str) -> str | None:
    """The text at a place now, or None when it is gone, no text, or has a binary behind it that no edit may move."""
    entry = context.entry(place)
    text = context.text(entry) if entry is not None and entry.sha256 else None
    return text if text is None or "\0" not in text else None


def edited(place: str, text: str, note: str, *, safe: bool = False) -> Cure:
    """A cure that is one new content of one file."""
    return Cure(edits={place: encode(text)}, note=note, safety="safe" if safe else "review")


def with_line(text: str, number: int, change: Callable[[str], str]) -> str:
    """The text with one line (1-based) changed."""
    lines = text.split("\n")
    if number <= len(lines):
        lines[number - 1] = change(lines[number - 1])
    return "\n".join(lines)


def named(context: Context, name: str) -> list[Entry]:
    """The entries whose file has that name."""
    return context.called(name)


def on_host(context: Context, path: str) -> Entry | None:
    """The entry that will lie at an absolute path of the host: ``lims.deb!/usr/bin/x`` or ``rootfs/usr/bin/x``."""
    if not path.startswith("/") or len(path) < 2:
        return None
    found = named(context, path.rpartition("/")[2])
    return next((e for e in found if e.place.endswith((f"!{path}", path)) or f"/{e.place}" == path), None)
