"""The noun of scheduled work: one job of the package. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

JobKind = Literal[
    "cron", "timer", "at", "pg_cron", "quartz", "spring", "celery", "kubernetes", "windows", "ansible", "program"
]


class Job(NamedTuple):
    """A scheduled command of the package: where it is written, when it fires (in its own notation), what it runs."""

    place: str
    line: int
    schedule: str
    command: str
    timer: bool
    text: str
    """The line as written."""
    kind: JobKind = "cron"
    zone: str = ""
    """Its own time zone; empty: the host's."""
    user: str = ""
    delay: float = 0.0
    """Seconds by which it may fire later (RandomizedDelaySec)."""
    period: float = 0.0
    """Seconds between two firings, for those that count from the last one instead of following the clock."""
    persistent: bool = False
    """Catches up on a missed firing."""
