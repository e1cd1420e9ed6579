"""Where a package names network addresses: in settings, scripts, programs and the strings of binaries. Pure.

Collected once for each context; the endpoint rules judge. Comments, prose, namespaces, documentation links, libraries, tests
and examples are left out.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from fulldress.formats import shell, shellflow
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.package import Entry
from fulldress.scan.network.endpoints import Url, urls
from fulldress.scan.places import standing
from fulldress.scan.reading import Script, acting_lines, is_code, memo, scripts
from fulldress.scan.rule import Context

URL = Pattern(r"(?i)[a-z][a-z0-9+.-]{1,10}://")
QUOTED = Pattern(r"[\"'][a-z][a-z0-9+.-]*://")
"""In programs only literals count: most of their addresses stand in comments, and such files need not be read."""
LOOKS_FOR = (URL, QUOTED)
_IN_BINARY = late(rb"\b[a-z][a-z0-9+.-]{1,14}://[!-~]{4,200}")
_ABOUT = late(
    r"""(?ix)^\s*(?:-\s*)?["'<]?(documentation\w*|homepage|\w*url>|__?url__?|url|bugs|vcs-\w+|\$schema|\$id|license\w*|examples?|see|default_?ns|
    (xml_?|target_?)?namespace(_?uri)?|xmlns\w*|help\w*|docs?(_url)?|info(_url)?|reference|support(_url)?|project_urls?)["']?\s*[:=]"""
)
"""Lines that say where to read more; nothing calls these."""
_NAMESPACE = late(
    r"""(?i)(xmlns(:[\w.-]+)?|[\w:]*schemaLocation|[\w:]*namespace|xmlNamespace)["']?\s*[=:]\s*["'{][^"'}]*["'}]"""
)
_SETTINGS = late(
    r"(\.(properties|ini|conf|cfg|cnf|env|toml|ya?ml|json|config|service|timer|socket|sh|bash|tf|tfvars|reg|rc|sql)|/cron[^/]*/[^/]+|"
    r"(^|[/!])(pre|post)(inst|rm)|(^|[/!])(etc|conf|config|bin|scripts?)/[^!]*)$|(?<!pom)(?<!freedesktop\.org)\.xml$"
)
_CALLED = late(
    r"(?i)\b(requests|session|client|http|https?client|axios|urllib\w*|fetch|curl\w*|urlopen|ajax|webclient|resttemplate)\b.{0,40}\("
    r"|\b(post|get|put|open|fetch|send|connect|url)\s*\(\s*[\"']|(base|api|server|endpoint|service|webhook|update|feed|callback)_?"
    r"(ur[li]|host|address)?[\"']?\s*[:=]"
)
_LITERAL = late(r"""["'][a-z][a-z0-9+.-]*://""")


class Use(NamedTuple):
    """One URL at one place; line 0 is inside a binary."""

    place: str
    line: int
    text: str
    url: Url


def uses(context: Context) -> list[Use]:
    """Every use, in order of place; those inside binaries last."""
    return memo(context, "endpoint uses", lambda: list(_uses(context)))


def _uses(context: Context) -> Iterator[Use]:
    for entry, number, line in _lines(context):
        if not _ABOUT.match(line) and not (is_code(entry.place) and not _LITERAL.search(line)):
            bare = _NAMESPACE.sub("", line) if "://" in line and _may_name_a_space(line) else line
            text = line.strip()  # once: a line of a minified file is long, and holds many
            yield from (Use(entry.place, number, text, url) for url in urls(bare))
    yield from _put_together(context)
    for hit in context.hits(URL, among=lambda e: context.is_binary(e) and standing(e.place) == "acting"):
        match = _IN_BINARY.search(context.around(hit, before=32, after=200))
        for url in urls(match[0].decode("ascii")) if match is not None else ():
            yield Use(hit.entry.place, 0, url.text, url)


def _lines(context: Context) -> Iterator[tuple[Entry, int, str]]:
    """The lines that may name one, in order of place."""
    settings = acting_lines(context, URL, acting=lambda e: standing(e.place) == "acting" and not is_code(e.place))
    programs = acting_lines(context, QUOTED, acting=lambda e: standing(e.place) == "acting" and is_code(e.place))
    return heapq.merge(settings, programs, key=lambda found: found[0].place)


def _put_together(context: Context) -> Iterator[Use]:
    """URLs of scripts whose host stands in a variable that the script itself sets."""
    for script in scripts(context):
        if ("://$" not in script.text and "@$" not in script.text) or standing(script.entry.place) != "acting":
            continue
        for line, text, full in spelled_out(context, script):
            found = [url for url in urls(full) if url.text not in text]
            yield from (Use(script.entry.place, line, text, url) for url in found)


MAX_VALUE, MAX_WORDS = 500, 4000
"""Characters of a value, and of a command, that are looked at: names of hosts are short, and values may grow without end."""


def spelled_out(context: Context, script: Script) -> list[tuple[int, str, str]]:
    """(line, words as written, words with what the script sets filled in) of assignments and commands that use variables."""

    def make() -> list[tuple[int, str, str]]:
        values: dict[str, str] = {}
        found = []
        data, at, line = shell.encode(script.text), 0, 1
        for event in shellflow.events(script.text):
            if isinstance(event, shellflow.Assignment):
                value = shellflow.expand(event.value, values)[:MAX_VALUE]
                values[event.name] = value
                if value != event.value:
                    line, at = line + data.count(b"\n", at, event.start), event.start
                    found.append((line, event.value, value))
            else:
                words = " ".join((*event.argv, *event.redirects))[:MAX_WORDS]
                full = shellflow.expand(words, values)
                if full != words:
                    found.append((event.line, words, full))
        return found

    return memo(context, ("spelled out", script.entry.sha256), make) if "=" in script.text and "$" in script.text else []


def _may_name_a_space(line: str) -> bool:
    lower = line.lower()
    return "xmlns" in lower or "namespace" in lower or "schemalocation" in lower


def in_programs(uses: list[Use]) -> bool:
    """True when no setting, unit, crontab or script has it and no line of a program calls it: most are mere names."""
    return not any(_is_settings(u.place) or (is_code(u.place) and _CALLED.search(u.text)) for u in uses if u.line)


@lru_cache(maxsize=1 << 12)
def _is_settings(place: str) -> bool:
    return _SETTINGS.search(place) is not None
