"""Show where the release stands: what is done, what is stale and through which file, what comes next.

Reads only.
"""

from __future__ import annotations

import click

from fulldress.cli.stagework import JOURNAL, here, next_command
from fulldress.report.columns import shown
from fulldress.status import StageStatus, status
from fulldress.store.codec import canonical
from fulldress.store.journal import Event, read_journal

MARKS = {"done": ("✓", "green"), "stale": ("!", "yellow"), "open": ("→", "cyan"), "waiting": ("·", "bright_black")}


@click.command(epilog="Example:  cd dten-5.0 && fulldress status")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
def command(form: str) -> None:
    """Show which stages are done, which are stale and through which file, and the next command."""
    folder = here()
    now = status(folder)
    events = read_journal(folder.path(JOURNAL))
    if form == "json":
        click.echo(canonical(now).decode())
        return
    click.echo(f"release {now.release}, {folder.root}")
    for row in now.stages:
        click.echo(_line(row, events))
    for reminder in now.reminders:
        click.echo(f"  {click.style('!', fg='yellow')} {shown(reminder)}")
    _echo_journal(events)
    next_command(now.next)


def _line(row: StageStatus, events: list[Event]) -> str:
    mark, colour = MARKS[row.state]
    last = next((e for e in reversed(events) if e.kind == row.stage), None)
    took = f"{last.data['seconds']:8.1f} s" if last and row.state == "done" and "seconds" in last.data else " " * 10
    return f"  {click.style(mark, fg=colour)} {row.stage:<10}{row.state:<8}{took}  {row.why}".rstrip()


def _echo_journal(events: list[Event]) -> None:
    if events:
        click.echo(f"journal: {len(events)} events, chain verified, head {events[-1].hash[:16]}…")
