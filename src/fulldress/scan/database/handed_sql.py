"""SQL that a script hands to psql itself, by ``-c`` or a here-document, and that an upgrade's program hands to a driver.

It is in no file of its own, so that nothing else reads it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import Command
from fulldress.model.package import Entry
from fulldress.scan.jobs.embedded_shell import embedded
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, is_code, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context

DRIVER = Pattern(
    r"(?i)(->(do|exec|query|prepare)|\.(execute|exec|query|executeUpdate|exec_driver_sql))\s{0,2}\(\s{0,4}(\w{0,20}text\()?[rbf]?[\"'`]{1,3}"
    r"\s{0,4}(UPDATE|DELETE|ALTER|VACUUM|LOCK|TRUNCATE|REINDEX|CLUSTER|DROP|CREATE)\s"
)
"""A call of a database's driver with a statement that changes something."""
_CALL = late(
    r"(?i)(?:->(?:do|exec|query|prepare)|\.(?:execute|exec|query|executeUpdate|exec_driver_sql))\s*\(\s*(?:\w*text\()?[rbf]?"
    r"(\"{3}|'{3}|[\"'`])"
)
_UPGRADES = late(
    r"(?i)(?:^|[/!])(?:[^/]*[-_.\d])?(?:upgrade|migrat\w*|install|setup|update|convert|patch|hotfix|deploy|post|pre)s?(?:[-_.\d][^/]*)?"
    r"(?:/|\.\w+$|$)"
)
"""A folder or a program that the upgrade runs; an application's own statements are its daily work."""
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
        place = script.entry.place
        what = role(context, place)
        if "psql" not in script.text or what in ("library", "init") or standing(place) != "acting":
            continue
        for command in script.commands:
            for line, text in _of(command, script.text):
                yield Handed(script.entry, line, _COMMANDS.sub("", _VARIABLE.sub("x", text)), what)
    for entry, number, line in acting_lines(context, DRIVER, among=lambda e: _of_the_upgrade(context, e)):
        text = _literal(context.text(entry) or line, number, line)
        if text:
            yield Handed(entry, number, text, "upgrade")


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


def _literal(text: str, number: int, line: str) -> str:
    """The literal of a driver's call, over its lines."""
    lines = text.split("\n")
    rest = "\n".join(lines[number - 1 : number + 40]) if len(lines) >= number else line
    call = _CALL.search(rest)
    if call is None:
        return ""
    end = rest.find(call[1], call.end())
    return rest[call.end() : end] if 0 < end < call.end() + 4000 else ""
