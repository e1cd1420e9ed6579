"""Try everything a rehearsal needs on this machine; say what is missing, what degrades, what to install.

Leaves nothing behind. Exit 0 when a full-dress rehearsal can be done here, else 1.
"""

from __future__ import annotations

import click
import msgspec

from fulldress.adapters import doctor, leftovers
from fulldress.errors import EXIT_BROKE, EXIT_OK

COLOURS = {"ok": "green", "degraded": "yellow", "missing": "red"}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """``--format json``."""

    schema_version: int = 1
    full_dress: bool
    capabilities: list[doctor.Capability]
    leftovers: list[leftovers.Leftover]
    stranded_runs: list[str]


@click.command(epilog="Example:  fulldress doctor --reap")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--reap", is_flag=True, help="Take away what killed commands left (machines, mounts, namespaces, trees).")
def command(form: str, reap: bool) -> int:
    """Try (not guess) every capability: boots a machine, mounts layers, makes namespaces; leaves nothing behind."""
    left = leftovers.sweep() if reap else leftovers.find()
    capabilities = doctor.examine()
    runs = leftovers.stranded_runs()
    answer = Answer(full_dress=doctor.fit(capabilities), capabilities=capabilities, leftovers=left, stranded_runs=runs)
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
    else:
        _show(answer)
    return EXIT_OK if answer.full_dress else EXIT_BROKE


def _show(answer: Answer) -> None:
    width = max(len(c.name) for c in answer.capabilities)
    for c in answer.capabilities:
        click.echo(f"{click.style(c.state.ljust(8), fg=COLOURS[c.state])}  {c.name.ljust(width)}  {c.detail}")
        if c.state != "ok":
            click.echo(f"{' ' * (width + 12)}costs: {c.costs}")
            click.echo(f"{' ' * (width + 12)}fix:   {c.install}")
    if answer.leftovers:
        click.echo("\nleft by commands that were killed (`fulldress doctor --reap` takes it away):")
        for leftover in answer.leftovers:
            click.echo(f"  {leftover.kind.ljust(8)} {leftover.value}")
    if answer.stranded_runs:
        click.echo("\nruns that were interrupted (`fulldress resume` in their release folder finishes them):")
        for run in answer.stranded_runs:
            click.echo(f"  {run}")
    missing = [c.name for c in answer.capabilities if c.state == "missing"]
    click.echo()
    if missing:
        click.echo(f"no full-dress rehearsal here: missing {', '.join(missing)}")
        click.echo("what works anyway: fulldress scan PACKAGE.zip")
    else:
        degraded = [c.name for c in answer.capabilities if c.state == "degraded"]
        click.echo("full dress is possible here" + (f"; degraded: {', '.join(degraded)}" if degraded else ""))
