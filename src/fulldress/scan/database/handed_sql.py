"""SQL that a script hands to psql itself, by ``-c`` or a here-document, and that an upgrade's program hands to a driver.

It is in no file of its own, so that nothing else reads it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command
from fulldress.model.package import Entry
from fulldress.scan.jobs.embedded_shell import embedded
from fulldress.scan.places import standing
from fulldress.scan.reading import MAX_PARSED, is_code, is_comment, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context

_CALL = late(
    r"(?i)(?:->(?:do|exec|query|prepare)|\.(?:execute|exec|query|executeUpdate|exec_driver_sql))\s*\(?\s*(?:\w*text\()?[rbf]?"
    r"(\"{3}|'{3}|[\"'`])"
    r"\s*(?:UPDATE|DELETE|ALTER|VACUUM|LOCK|TRUNCATE|REINDEX|CLUSTER|DROP|CREATE)\s"
)
"""A call of a database's driver with a statement that changes something."""
_UPGRADES = late(
    r"(?i)(?:^|[/!])(?:[^/]*[-_.\d])?(?:upgrade|migrat\w*|install|setup|update|convert|patch|hotfix|deploy|post|pre)s?(?:[-_.\d][^/]*)?"
    r"(?:/|\.\w+$|$)"
)
"""A folder or a program that the upgrade runs; an application's own statements are its daily work."""
_LANGUAGES = (".py", ".pl", ".rb", ".php", ".js", ".ts", ".groovy", ".java", ".cs", ".go", ".kt", ".ex", ".exs")
_WORDS = ("upgrade", "migrat", "install", "setup", "update", "convert", "patch", "hotfix", "deploy", "post", "pre")
_VARIABLE = late(r"\$(?:\{[^}]*\}|\w+|\([^)]*\))")
_COMMANDS = late(r"(?m)^[^\S\n]*\\[^\n]*$")


class Handed(NamedTuple):
    """Statements, and where they stand."""

    entry: Entry
    line: int
    """Of the first line of ``text``."""
    text: str
    role: str


def handed(context: Context) -> Iterator[Handed]:
    """Every piece of SQL in a script's or program's own lines."""
    for script in (*scripts(context), *embedded(context)):
        if "psql" not in script.text:
            continue
        place, what = script.entry.place, role(context, script.entry.place)
        if what in ("library", "init") or standing(place) != "acting":
            continue
        for command in script.commands:
            for line, text in _of(command, script.text):
                yield Handed(script.entry, line, _COMMANDS.sub("", _VARIABLE.sub("x", text)), what)
    for entry in context.ending(*_LANGUAGES):
        place = entry.place.lower()
        if not any(word in place for word in _WORDS) or not _of_the_upgrade(context, entry) or entry.size > MAX_PARSED:
            continue
        text = context.text(entry) or ""
        for call in _CALL.finditer(text):
            begins, number = call.end(1), text.count("\n", 0, call.start()) + 1
            end = text.find(call[1], begins)
            if 0 < end < begins + 4000 and not is_comment(text[text.rfind("\n", 0, call.start()) + 1 : call.start() + 1]):
                yield Handed(entry, number, text[begins:end], "upgrade")


def _of(command: Command, whole: str) -> Iterator[tuple[int, str]]:
    """(line, SQL) of one command; those of ``su -c`` and ``bash -c`` too."""
    for text in shell.nested(command):
        for inner in shell.commands(text):
            yield from ((command.line + line - 1, found) for line, found in _of(inner, text))
    argv = shell.unwrapped(command)
    at = next((n for n, word in enumerate(argv) if word.rpartition("/")[2] == "psql"), -1)
    if at < 0 or (at and argv[0].rpartition("/")[2] not in ("docker", "podman", "kubectl", "oc", "ssh", "docker-compose")):
        return
    words = argv[at + 1 :]
    for before, word in zip(("", *words), words, strict=False):
        if re.fullmatch(r"-[A-Za-z1]*c|--command", before) or word.startswith("--command="):
            text = word.removeprefix("--command=")
            begins = command.text.find(text.split("\n", 1)[0])
            yield command.line + (command.text.count("\n", 0, begins) if begins > 0 else 0), text
    if command.heredoc and not any(re.fullmatch(r"-[A-Za-z1]*f.*|--file.*", w) for w in words):
        data = shell.encode(whole)
        begins = data.find(shell.encode(command.heredoc.split("\n", 1)[0] or command.heredoc), command.start)
        yield data.count(b"\n", 0, begins) + 1 if begins > 0 else command.line, command.heredoc


def _of_the_upgrade(context: Context, entry: Entry) -> bool:
    place = entry.place
    return (
        is_code(place)
        and _UPGRADES.search(place) is not None
        and standing(place) == "acting"
        and role(context, place) == "upgrade"
    )
