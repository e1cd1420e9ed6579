"""What Debian's cron says in the journal of the jobs that it starts, when it is told to say all (``-L 15``). Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_LINE = re.compile(r"\((?P<user>[^)]*)\) (?P<what>CMD|END) \(\[(?P<pid>\d+)\] (?P<command>.*)\)\s*$", re.DOTALL)
_FAILED = re.compile(
    r"grandchild #(?P<pid>\d+) (?:failed with exit status (?P<code>\d+)|terminated by signal (?P<signal>\d+))"
)
_SURE = 200
"""The log shortens long commands; so much of them it shows."""


def before_percent(command: str) -> str:
    """What cron hands to the shell: up to the first bare ``%``; the rest is the job's standard input."""
    return command.replace("\\%", "\0").partition("%")[0].replace("\0", "%")


class Started(msgspec.Struct, kw_only=True):
    """A job that cron started."""

    user: str
    command: str
    """As cron logs it: escaped where unprintable."""
    parent: str
    """Process of cron that watches over it, and mails its output."""
    began: float
    """Seconds since the epoch."""
    ended: float = 0.0
    code: int = 0

    def is_of(self, user: str, command: str) -> bool:
        """Whether it is this job of a crontab."""
        return self.user == user and self.command.strip()[:_SURE] == before_percent(command).strip()[:_SURE]


def started(journal: bytes) -> list[Started]:
    """The jobs started, in order, from the lines of ``journalctl -o json``."""
    found: dict[str, Started] = {}
    for line in journal.splitlines():
        entry: dict[str, Any] = msgspec.json.decode(line)
        text, at = entry.get("MESSAGE"), int(entry.get("__REALTIME_TIMESTAMP", 0)) / 1e6
        if not isinstance(text, str):
            continue  # bytes that are no text
        if (match := _LINE.match(text)) and match["what"] == "CMD":
            parent = str(entry.get("_PID", ""))
            found[match["pid"]] = Started(user=match["user"], command=match["command"], parent=parent, began=at)
        elif match and match["pid"] in found:
            found[match["pid"]].ended = at
        elif (failed := _FAILED.search(text)) and failed["pid"] in found:
            one = found[failed["pid"]]
            one.code = int(failed["code"]) if failed["code"] else 128 + int(failed["signal"])
            one.ended = one.ended or at
    return list(found.values())
