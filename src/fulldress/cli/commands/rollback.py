"""Undo a run, finished or not: every step that had begun, in reverse order.

Joins the run stage to the release folder; takes the run's own copy of the plan.
"""

from __future__ import annotations

import click

from fulldress.cli.running import go
from fulldress.cli.stagework import here, stage_work
from fulldress.run.gate import pick


@click.command(epilog="Example:  fulldress rollback")
@click.option("--run", "named", default=None, metavar="ID", help="Which run (default: the latest that changed something).")
def command(named: str | None) -> int:
    """Undo everything that a run has done, from its last step back to its first."""
    folder = here()
    with stage_work(folder, "run") as work:
        directory, report = pick(folder, named, unfinished=False)
        click.echo(f"undoing run {report.id} of {report.operator} on {report.host}")
        work.facts.update(run=report.id, undone=True)
        return go(folder, directory, report, undo=True)
