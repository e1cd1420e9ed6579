"""Who the vendor is, agreed by two people; what the vendor's channels say about this package.

Joins the vendor record, its approvals, its channels and the package. Only ``vendor fetch`` asks the network.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from fulldress.cli.stagework import JOURNAL, next_command
from fulldress.errors import NothingToDo
from fulldress.intake import vendor as vendors
from fulldress.model.package import VendorRecord
from fulldress.report.columns import columns, shown
from fulldress.store import folder as f
from fulldress.store.codec import read_toml
from fulldress.store.journal import Journal

FOLDER = click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
BY = click.option("--by", required=True, help="Your name.")


@click.group(invoke_without_command=True, epilog='Example:  fulldress vendor propose --by "Erika Muster" --reason "new pin"')
@FOLDER
@click.pass_context
def command(context: click.Context, folder: Path) -> None:
    """Who the vendor is, agreed by two people; what the vendor's channels say about this package.

    \b
    fulldress vendor show         the record, and whether two people agreed on it
    fulldress vendor propose      one person wants vendor.toml as it is now
    fulldress vendor approve      another person agrees
    """
    context.obj = folder
    if context.invoked_subcommand is None:
        context.invoke(show)


@command.command()
@click.pass_obj
def show(folder: Path) -> None:
    """The record, whether two people agreed on it, and what its channels are."""
    path = _record(folder)
    record, now = read_toml(path, VendorRecord), vendors.standing(path)
    since = f" (recorded {record.contact_recorded})" if record.contact_recorded else ""
    rows = [
        ("vendor", record.name),
        ("products", ", ".join(record.products)),
        ("contact", f"{record.contact}{since}"),
        *(("pin", f"{p.kind} {p.fingerprint} {p.not_before} {p.not_after} {p.note}") for p in record.pin),
        *(("channel", f"{c.name}: {c.kind} {c.url} [{c.group}]") for c in record.channel),
        *(("release", f"{r.version}: {r.sha256} {r.signer}") for r in record.release),
        ("state", _state(now)),
    ]
    click.echo(columns(("what", "recorded"), rows, widest=100))
    history = [(f"{datetime.fromtimestamp(e.at, UTC):%Y-%m-%d %H:%M}", *_event(e.kind, e.data)) for e in now.events]
    if history:
        click.echo("\n" + columns(("when", "what", "who", "record", "reason"), history, widest=60))
    next_command(_next(now))


def _event(kind: str, data: dict[str, str]) -> tuple[str, str, str, str]:
    what = "proposed" if kind == vendors.PROPOSED else "approved"
    return what, str(data.get("by", "")), str(data.get("after", ""))[:16], str(data.get("reason", ""))


def _state(now: vendors.Standing) -> str:
    if now.approved:
        return f"in force: two people agreed on {now.digest[:16]}"
    if now.proposal is not None and now.proposal["after"] == now.digest:
        return f"NOT IN FORCE: proposed by {now.proposal['by']}, waits for another person"
    return "NOT IN FORCE: nobody proposed it as it is now"


def _next(now: vendors.Standing) -> str:
    if now.approved:
        return "fulldress intake"
    if now.proposal is not None and now.proposal["after"] == now.digest:
        return "fulldress vendor approve --by NAME (another person)"
    return "fulldress vendor propose --by NAME --reason TEXT"


@command.command()
@BY
@click.option("--reason", required=True, help="What was changed, and how it was checked.")
@click.pass_obj
def propose(folder: Path, by: str, reason: str) -> None:
    """One person wants vendor.toml as it is now; it is not used before another person agrees."""
    path = _record(folder)
    now = vendors.propose(path, by, reason)
    _noted(folder, "vendor-proposed", by, now)
    click.echo(f"proposed by {shown(by)}: record {now.digest[:16]}… in place of {now.in_force[:16] or 'none'}")
    next_command(_next(now))


@command.command()
@BY
@click.option("--reason", default="", help="How you checked it.")
@click.pass_obj
def approve(folder: Path, by: str, reason: str) -> None:
    """Another person agrees with what was proposed: the record is in force until its next change."""
    now = vendors.approve(_record(folder), by, reason)
    _noted(folder, "vendor-approved", by, now)
    click.echo(f"in force: record {now.digest[:16]}…, agreed by {shown(str(now.events[-2].data['by']))} and {shown(by)}")
    next_command(_next(now))


def _record(start: Path) -> Path:
    folder = f.ReleaseFolder.find(start)
    path = folder.path(folder.release().vendor)
    if not path.is_file():
        raise NothingToDo(f"there is no vendor record at {path}", fix="write it: what is known of the vendor beforehand")
    return path


def _noted(start: Path, what: str, by: str, now: vendors.Standing) -> None:
    Journal(f.ReleaseFolder.find(start).path(JOURNAL)).append(what, by=by, record=now.digest)
