"""What cron makes of a crontab's lines besides the jobs: settings, and the lines or files that it silently does not run.

Pure. After Debian's cron(8) and crontab(5); what only cronie does is said where it differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from fulldress.formats import crontab
from fulldress.formats.late import late

Trouble = Literal["newline", "user", "percent", "fields", "zone"]
_SETTING = late(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z_]\w*))\s*=\s*(.*?)\s*$""")
_USER = late(r"[a-z_][a-z0-9_.-]*\$?(:[\w.-]+)?(/[\w.-]+)?$", re.IGNORECASE)
_PROGRAMS = frozenset(
    [
        "test",
        "if",
        "cd",
        "sh",
        "bash",
        "python",
        "python3",
        "perl",
        "php",
        "ruby",
        "node",
        "java",
        "curl",
        "wget",
        "echo",
        "find",
        "rm",
        "cp",
        "mv",
        "env",
        "nice",
        "flock",
        "timeout",
        "command",
        "export",
        "run-parts",
        "rsync",
        "psql",
        "mysql",
        "tar",
        "systemctl",
        "service",
        "sudo",
        "su",
        "ionice",
        "sleep",
        "touch",
        "logger",
        "date",
        "true",
    ]
)
PARTS_NAME = late(r"[A-Za-z0-9_-]+")
"""What run-parts and Debian's cron accept as the name of a file; others are passed over without a word."""


class Setting(NamedTuple):
    """``NAME = value`` in a crontab."""

    name: str
    value: str
    line: int


class Flaw(NamedTuple):
    """A line that does not do what it says; line 0 is the file."""

    line: int
    trouble: Trouble
    text: str


def settings(text: str) -> list[Setting]:
    """The variables that a crontab sets, in order."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        match = _SETTING.match(line)
        if match is not None and not line.lstrip().startswith("#") and not _looks_scheduled(line):
            value = match[4]
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found.append(Setting(match[1] or match[2] or match[3] or "", value, number))
    return found


def _looks_scheduled(line: str) -> bool:
    return re.match(r"\s*(@\w+|[\d*][\d*,/-]*)\s", line) is not None


def flaws(text: str, *, system: bool) -> Iterator[Flaw]:
    """The lines that cron refuses or reads otherwise than meant. One file-wide flaw makes Debian's cron drop the file."""
    lines = text.split("\n")
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line.startswith("#") or crontab.is_setting(raw):
            continue
        yield from _flaws_of(number, line, system)
    if text and not text.endswith("\n") and lines[-1].strip() and not lines[-1].lstrip().startswith("#"):
        yield Flaw(len(lines), "newline", lines[-1].strip())


def _flaws_of(number: int, line: str, system: bool) -> Iterator[Flaw]:
    count = 1 if line.startswith("@") else 5
    parts = line.split(None, count)
    schedule = " ".join(parts[:count])
    if len(parts) <= count or (schedule != "@reboot" and crontab.parse_schedule(schedule) is None):
        yield Flaw(number, "fields", line)
        return
    command = parts[count]
    if system:
        user, rest = [*command.split(None, 1), ""][:2]
        if not rest or not _USER.match(user) or user in _PROGRAMS:
            yield Flaw(number, "user", line)
        else:
            command = rest
    if re.search(r"(?<!\\)%", command):
        yield Flaw(number, "percent", line)


def escaped(line: str) -> str:
    """The line with every bare ``%`` escaped."""
    return re.sub(r"(?<!\\)%", r"\\%", line)


def with_user(line: str, user: str) -> str:
    """The line of a system crontab with the user that it lacks."""
    count = 1 if line.lstrip().startswith("@") else 5
    match = re.match(rf"(\s*(?:\S+\s+){{{count}}})(.*)$", line)
    return f"{match[1]}{user} {match[2]}" if match is not None else line
