"""How far long work is: bars on a terminal, plain lines elsewhere; always on stderr.

Implements ports.Progress. Rich is imported only when a bar is drawn.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from fulldress.ports import Progress
from fulldress.report.sanitise import visible

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

WORTH_SAYING_S = 1.0
"""Work that took less is not mentioned in plain mode."""


def terminal_progress() -> Progress:
    """Bars when stderr is a terminal that takes them, else plain lines."""
    fancy = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return BarProgress() if fancy else PlainProgress()


class PlainProgress:
    """A line when a piece of work that took over a second is done, and every note."""

    def __init__(self) -> None:
        self._label = ""
        self._started = 0.0

    def start(self, label: str, total: float | None = None) -> None:
        """Remember when it began."""
        del total
        self._label, self._started = label, time.monotonic()

    def advance(self, amount: float = 1.0) -> None:
        """Nothing to show."""

    def note(self, text: str) -> None:
        """Print the line."""
        click.echo(visible(text), err=True)

    def finish(self) -> None:
        """Say how long it took, when it was long."""
        seconds = time.monotonic() - self._started
        if self._label and seconds >= WORTH_SAYING_S:
            click.echo(f"{visible(self._label)}: {seconds:.1f} s", err=True)
        self._label = ""


class BarProgress:
    """One bar at a time, which goes away when its work is done; notes stay."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    def start(self, label: str, total: float | None = None) -> None:
        """Draw a bar (a moving one when the total is unknown)."""
        self.finish()
        from rich.console import Console  # noqa: PLC0415 - loaded when needed: costs more than the whole start-up
        from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn  # noqa: PLC0415 - as above  # noqa: PLC0415 - as above
        from rich.progress import Progress as Bars  # noqa: PLC0415 - as above

        columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()]
        columns += [TextColumn("left"), TimeRemainingColumn()] if total else []
        self._bars = Bars(*columns, console=Console(stderr=True), transient=True)
        self._bars.start()
        self._task = self._bars.add_task(visible(label), total=total)

    def advance(self, amount: float = 1.0) -> None:
        """Move the bar."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, amount)

    def note(self, text: str) -> None:
        """A line above the bar."""
        if self._bars is not None:
            self._bars.console.print(visible(text), markup=False, highlight=False)
        else:
            click.echo(visible(text), err=True)

    def finish(self) -> None:
        """Take the bar away."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = self._task = None
