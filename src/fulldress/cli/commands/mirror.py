"""Copies of production that rehearsals are made from: refresh them, look at them.

Joins the release folder, its hosts and their mirrors; production is only read.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from fulldress.adapters import scope
from fulldress.cli import mirrorwork
from fulldress.cli.groups import WorkGroup
from fulldress.cli.progress import terminal_progress
from fulldress.cli.stagework import next_command
from fulldress.errors import EXIT_NOTHING
from fulldress.model.rehearsal import MirrorFacts
from fulldress.rehearse import mirror as mirrors
from fulldress.rehearse.mirror import Mirror, MirrorFailed
from fulldress.report.columns import columns, shown
from fulldress.store.folder import ReleaseFolder

HOST = click.option("--host", "address", default="", help="Only this host (an address as in release.toml).")
FORM = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")


@click.group(cls=WorkGroup, epilog="Example:  fulldress mirror refresh")
def command() -> None:
    """Copies of production that rehearsals are made from: refresh them, look at them.

    `rehearse` refreshes its mirror by itself. Refreshing beforehand, the night before, makes that short.
    """


@command.command(epilog="Example:  fulldress mirror refresh --host ssh:root@lims.example")
@HOST
@FORM
def refresh(address: str, form: str) -> None:
    """Copy the release's hosts, or bring their copies up to date; what is there already is not copied again.

    Interrupted, by Ctrl-C or a lost connection, it goes on where it was when it is run again.
    """
    folder = ReleaseFolder.find(Path.cwd())
    scope.reap()
    for name in mirrorwork.hosts(folder, address):
        host = mirrorwork.opened(name)
        made = mirrorwork.refreshed(folder, host, terminal_progress())
        _print(made, form)
    next_command("fulldress rehearse")


@command.command(epilog="Example:  fulldress mirror show")
@HOST
@FORM
def show(address: str, form: str) -> int:
    """Age, size, how the databases were copied, what was left out, what was masked. Exit code 3 when one is missing."""
    folder = ReleaseFolder.find(Path.cwd())
    missing = 0
    for name in mirrorwork.hosts(folder, address):
        try:
            made = mirrors.load(mirrorwork.mirror_dir(name))
        except MirrorFailed as error:
            missing += 1
            click.echo(f"{shown(name)}: {error.what}", err=True)
        else:
            _print(made, form)
    next_command("fulldress mirror refresh" if missing else "fulldress rehearse")
    return EXIT_NOTHING if missing else 0


def _print(made: Mirror, form: str) -> None:
    facts = mirrors.facts(made)
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2))
    else:
        click.echo(columns((made.host, "mirror"), _rows(made, facts), widest=100))


def _rows(made: Mirror, facts: MirrorFacts) -> list[tuple[str, str]]:
    masked = list(facts.masked) or ["nothing: personal data is as in production"]
    return [
        ("as of", f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(made.refreshed))} UTC, {_age(made.refreshed)} ago"),
        ("files", f"{made.files}, {made.file_bytes / 1e6:.0f} MB"),
        ("moved", f"{made.copied_bytes / 1e6:.0f} MB in {made.seconds:.0f} s"),
        *(("database", shown(line)) for line in facts.databases),
        *(("NOT COPIED", shown(line)) for line in facts.doubtful),
        *(("file system", shown(line)) for line in made.mounts),
        *(("left out", shown(line)) for line in (*facts.excluded, *facts.left_out)),
        *(("masked", shown(line)) for line in masked),
        ("tree", made.tree),
    ]


def _age(then: float) -> str:
    seconds = max(0.0, time.time() - then)
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
