"""Finish a run that was killed, stopped or cut off: forward, or back when it was being undone.

Joins the run stage to the release folder; takes the run's own copy of the plan.
"""

from __future__ import annotations

import click

from fulldress.cli.running import go
from fulldress.cli.stagework import here, stage_work
from fulldress.run.gate import pick


@click.command(epilog="Example:  fulldress resume")
@click.option("--run", "named", default=None, metavar="ID", help="Which run (default: the unfinished one).")
def command(named: str | None) -> int:
    """Go on where the unfinished run ended: no step is lost, none is done twice."""
    folder = here()
    with stage_work(folder, "run") as work:
        directory, report = pick(folder, named, unfinished=True)
        click.echo(f"resuming run {report.id} of {report.operator} on {report.host}")
        work.facts.update(run=report.id, resumed=True)
        return go(folder, directory, report, resumed=True)
