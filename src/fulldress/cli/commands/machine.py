"""Boot a root tree as a machine that releases can name as machine:NAME; list machines, stop one.

Joins the command line to systemd-nspawn; knows no release.
"""

from __future__ import annotations

from pathlib import Path

import click

from fulldress.adapters import nspawn
from fulldress.cli.groups import WorkGroup
from fulldress.cli.stagework import next_command
from fulldress.errors import UsageError
from fulldress.report.columns import columns


@click.group(cls=WorkGroup, epilog="Example:  fulldress machine boot lims-prod --root /srv/lims-prod --netns lims")
def command() -> None:
    """Boot a root tree as a machine that releases can name as machine:NAME.

    The machine is a container with its own systemd. It goes on running after the command ends, until it is stopped.
    """


@command.command(epilog="Example:  fulldress machine boot lims-prod --root /srv/lims-prod")
@click.argument("name")
@click.option("--root", "root", required=True, type=click.Path(path_type=Path), help="Its root tree (a directory).")
@click.option("--netns", default=None, help="A network namespace (ip netns); without one it has no network.")
def boot(name: str, root: Path, netns: str | None) -> None:
    """Boot the tree and wait until its systemd says that it is ready."""
    if not (root / "etc").is_dir():
        raise UsageError(f"{root} is no root tree", why="it has no etc/", fix="name the directory that holds etc, usr, var")
    machine = nspawn.boot(root.absolute(), name, netns=netns)
    click.echo(f"{machine.name} is up")
    next_command(f"fulldress new RELEASE --package FILE.zip --host {machine.name}")


@command.command("list", epilog="Example:  fulldress machine list")
def list_() -> None:
    """List the machines that run here, clones of a rehearsal included."""
    rows = [(state.name, state.root, state.netns or "none") for state in nspawn.listing() if nspawn.Machine(state).running]
    if not rows:
        click.echo("no machine runs here")
        return
    click.echo(columns(("machine", "root tree", "network"), rows))


@command.command(epilog="Example:  fulldress machine stop lims-prod")
@click.argument("name")
@click.option("--now", is_flag=True, help="Cut the power instead of shutting down in order.")
def stop(name: str, now: bool) -> None:
    """Shut a machine down in order."""
    machine = nspawn.attach(name.removeprefix("machine:"))
    if now:
        machine.kill()
    else:
        machine.poweroff()
    click.echo(f"{machine.name} is down")
