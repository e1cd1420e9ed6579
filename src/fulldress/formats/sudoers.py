"""sudoers: who may run what as whom. Text in, rules out; aliases are resolved, includes are the caller's part.

It says what a file permits; which of several rules wins (the last that matches) is left to whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.model.estate import SudoRule

_ALIAS = late(r"(User|Runas|Host|Cmnd|Cmd)_Alias\s+(.*)$")
_NAME = late(r"\s*([A-Z][A-Z0-9_]*)\s*=\s*(.*)$", re.DOTALL)
_RULE = late(r"(?P<users>.+?)\s+(?P<hosts>[^\s=]+(?:\s*,\s*[^\s=,]+)*)\s*=\s*(?P<spec>.+)$")
_RUNAS = late(r"\(\s*(?P<user>[^():]*?)\s*(?::\s*(?P<group>[^()]*?)\s*)?\)\s*")
_TAG = re.compile(
    r"(NOPASSWD|PASSWD|(?:NO)?EXEC|(?:NO)?SETENV|(?:NO)?LOG_INPUT|(?:NO)?LOG_OUTPUT|(?:NO)?MAIL|(?:NO)?FOLLOW|(?:NO)?INTERCEPT)"
    r"\s*:\s*"
)
_OPTION = late(r"(?:CWD|CHROOT|ROLE|TYPE|TIMEOUT|NOTBEFORE|NOTAFTER)\s*=\s*\S+\s+")


class Aliases(NamedTuple):
    """Names of a file's aliases and their members."""

    members: dict[str, tuple[str, ...]]

    def resolve(self, names: tuple[str, ...], depth: int = 0) -> tuple[str, ...]:
        """The names with every alias replaced by its members; a cycle ends after eight steps."""
        found: list[str] = []
        for name in names:
            inner = self.members.get(name)
            found += self.resolve(inner, depth + 1) if inner is not None and depth < 8 else [name]
        return tuple(dict.fromkeys(found))


def rules(files: dict[str, str]) -> list[SudoRule]:
    """The rules of sudoers files in their order (path -> text); an alias of one file holds in all."""
    lines = [(file, number, line) for file, text in files.items() for number, line in _logical(text)]
    aliases = Aliases({name: members for _, _, line in lines for name, members in _aliases(line)})
    tty = [line for _, _, line in lines if re.match(r"Defaults(?![\w])[^\s]*\s", line)]
    found: list[SudoRule] = []
    for file, number, line in lines:
        if not re.match(r"Defaults|@include|#include|(User|Runas|Host|Cmnd|Cmd)_Alias", line):
            found += _rule(file, number, line, aliases, tty)
    return found


def _logical(text: str) -> Iterator[tuple[int, str]]:
    number, first, held = 0, 0, ""
    for number, raw in enumerate(text.split("\n"), 1):
        first = first or number
        if raw.endswith("\\"):
            held += raw[:-1] + " "
            continue
        line = (held + raw).strip()
        if not re.match(r"#include(dir)?\s", line):
            line = re.sub(r"(^|\s)#(?!\d).*$", "", line).strip()
        if line:
            yield first, line
        first, held = 0, ""
    if held.strip():
        yield first or number, held.strip()


def _aliases(line: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    match = _ALIAS.match(line)
    for definition in re.split(r"(?<!\\):(?=\s*[A-Z][A-Z0-9_]*\s*=)", match[2]) if match else ():
        if named := _NAME.match(definition):
            yield named[1], _list(named[2])


def _list(text: str) -> tuple[str, ...]:
    """Items at commas that no backslash guards."""
    return tuple(item.strip() for item in re.split(r"(?<!\\),", text) if item.strip())


def _rule(file: str, number: int, line: str, aliases: Aliases, defaults: list[str]) -> Iterator[SudoRule]:
    match = _RULE.match(line)
    if match is None:
        return
    users = aliases.resolve(_list(match["users"]))
    runas: tuple[str, ...] = ("root",)
    nopasswd = False
    gathered: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for item in _list(match["spec"]):
        text = item
        if given := _RUNAS.match(text):
            runas, text = aliases.resolve(_list(given["user"] or "")) or ("root",), text[given.end() :]
        while mark := _TAG.match(text) or _OPTION.match(text):
            if mark.re is _TAG and mark[1] in ("NOPASSWD", "PASSWD"):
                nopasswd = mark[1] == "NOPASSWD"
            text = text[mark.end() :]
        gathered.setdefault((runas, nopasswd), []).append(text.strip())
    for (others, free), commands in gathered.items():
        yield SudoRule(
            file=file,
            line=number,
            users=users,
            hosts=aliases.resolve(_list(match["hosts"])),
            runas=others,
            commands=aliases.resolve(tuple(commands)),
            nopasswd=free,
            requiretty=_requiretty(defaults, users),
        )


def _requiretty(defaults: list[str], users: tuple[str, ...]) -> bool:
    """The last of the Defaults that names it, for everybody or for one of these users, wins."""
    state = False
    for line in defaults:
        head, _, settings = line.partition(" ")
        who = head.removeprefix("Defaults")
        if who and who[1:] not in users:
            continue
        for setting in _list(settings):
            if setting.lstrip("!").strip() == "requiretty":
                state = not setting.startswith("!")
    return state
