"""Who the vendor is, agreed by two people; what the vendor's channels say about this package.

Joins the vendor record, its approvals, its channels and the package. Only ``vendor fetch`` asks the network.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click
import msgspec

from fulldress.adapters.https import ChannelRefused, Https
from fulldress.cli import trustwork
from fulldress.cli.groups import WorkGroup
from fulldress.cli.stagework import JOURNAL, next_command
from fulldress.errors import EXIT_FINDINGS, NothingToDo, UsageError
from fulldress.intake import channels as reading
from fulldress.intake import matching
from fulldress.intake import vendor as vendors
from fulldress.intake.components import components
from fulldress.inventory import paths
from fulldress.model.advisory import AdvisoryReport, ChannelReport, Document
from fulldress.model.package import PackageLock, TrustReport, VendorRecord
from fulldress.model.vendor import Channel, Escalation
from fulldress.report.columns import columns, shown
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, read_toml, write_json
from fulldress.store.journal import Journal
from fulldress.store.state import state_dir

FOLDER = click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
BY = click.option("--by", required=True, help="Your name.")


@click.group(
    cls=WorkGroup,
    invoke_without_command=True,
    epilog='Example:  fulldress vendor propose --by "Erika Muster" --reason "new pin"',
)
@FOLDER
@click.pass_context
def command(context: click.Context, folder: Path) -> None:
    """Who the vendor is, agreed by two people; what the vendor's channels say about this package.

    Alone it shows the record.
    """
    context.obj = folder
    if context.invoked_subcommand is None:
        context.invoke(show)


@command.command(epilog="Example:  fulldress vendor show")
@click.pass_obj
def show(folder: Path) -> None:
    """The record, whether two people agreed on it, and what changed since they did."""
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
    if not now.approved:
        click.echo("\n" + "\n".join(map(shown, vendors.change(path, now))))
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


@command.command(epilog='Example:  fulldress vendor propose --by "Erika Muster" --reason "new pin, read over the telephone"')
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


@command.command(epilog='Example:  fulldress vendor approve --by "Max Muster" --reason "called back myself"')
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


# ---- channels


@command.command(epilog="Example:  fulldress vendor fetch --since 2026-01-31")
@click.option("--channel", "names", multiple=True, help="Only this channel of the record (repeatable).")
@click.option("--offline", is_flag=True, help="Only channels that are folders; the network is not touched.")
@click.option(
    "--since", default="", help="Leave out documents that a feed says were last changed before this day (2026-01-31)."
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=reading.MOST,
    show_default=True,
    help="Documents of one channel at most, newest first.",
)
@click.pass_obj
def fetch(folder: Path, names: tuple[str, ...], offline: bool, since: str, most: int) -> None:
    """Read the vendor's channels and compare them with the package. The only command that asks the network.

    Only hosts that the approved vendor record names are asked, over HTTPS, without redirects. Writes channels.json and
    advisories.json into 01-package/.
    """
    release = f.ReleaseFolder.find(folder)
    _is_day(since)
    record = trustwork.required_record(release)
    chosen = _chosen(record, names, offline)
    base = release.path(release.release().vendor).parent
    now = datetime.now(UTC)
    wanted = reading.Wanted(since, most, _void(release))
    with release.locked("`fulldress vendor fetch`"):
        report = reading.read_channels(record, chosen, Https(), BlobStore(state_dir() / "blobs"), base, now, wanted)
        fresh, report = report, _with_kept(release, report, record)
        write_json(release.path(f.CHANNELS), report)
        said = {"channels": [c.name for c in fresh.channels], "documents": len(fresh.documents)}
        Journal(release.path(JOURNAL)).append("vendor-fetched", **said)
    click.echo(_channels_text(fresh))
    if not release.path(f.PACKAGE_LOCK).is_file():
        _heard(fresh)
        next_command("fulldress intake, then fulldress vendor match")
        return
    click.echo("\n" + _matches_text(_matched(release, report, record)))
    _heard(fresh)
    next_command("fulldress trust dossier, or fulldress scan")


def _is_day(since: str) -> None:
    """UsageError for a --since that is no day: compared as it is it would leave out anything, or nothing."""
    try:
        valid = not since or date.fromisoformat(since).isoformat() == since
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"--since {since!r} is no day", fix="write it as 2026-01-31")


def _heard(fresh: ChannelReport) -> None:
    """Raise ChannelRefused when not one channel could be read: nothing heard is never good news."""
    if fresh.channels and not any(c.documents for c in fresh.channels) and all(c.errors for c in fresh.channels):
        what = "no channel" if len(fresh.channels) > 1 else f"the channel {fresh.channels[0].name}"
        raise ChannelRefused(
            f"{what} could not be read" if what.startswith("the") else f"{what} could be read",
            why="nothing that the vendor said was heard; that is no sign that nothing was said",
            fix="the reasons stand above; correct the record or try again later",
        )


def _void(release: f.ReleaseFolder) -> frozenset[str]:
    """Keys whose word is void since the contact said that they were compromised."""
    asked = read_json(release.path(f.ESCALATION), Escalation) if release.path(f.ESCALATION).is_file() else None
    return asked.compromised if asked else frozenset()


def _with_kept(release: f.ReleaseFolder, fresh: ChannelReport, record: VendorRecord) -> ChannelReport:
    """What was read now, and what was read before of the channels that were not asked this time."""
    path = release.path(f.CHANNELS)
    if not path.is_file():
        return fresh
    before = read_json(path, ChannelReport)
    kept = {c.name for c in record.channel} - {c.name for c in fresh.channels}
    return msgspec.structs.replace(
        fresh,
        channels=(*(c for c in before.channels if c.name in kept), *fresh.channels),
        documents=(*(d for d in before.documents if d.channel in kept), *fresh.documents),
        mentions=(*(m for m in before.mentions if m.channel in kept), *fresh.mentions),
    )


def _chosen(record: VendorRecord, names: tuple[str, ...], offline: bool) -> list[Channel]:
    unknown = set(names) - {c.name for c in record.channel}
    if unknown:
        known = ", ".join(c.name for c in record.channel) or "none"
        raise UsageError(f"the vendor record has no channel {', '.join(sorted(unknown))}", fix=f"known: {known}")
    chosen = [c for c in record.channel if (not names or c.name in names) and (not offline or c.kind == "folder")]
    if not chosen:
        raise NothingToDo(
            "the vendor record names no channel that could be read",
            fix="write [[channel]] into vendor.toml (kind, url, group), propose and approve it",
        )
    return chosen


@command.command(epilog="Example:  fulldress vendor match")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@click.pass_obj
def match(folder: Path, form: str) -> None:
    """Compare what was read before with the package once more, for example after a new intake. Offline."""
    release = f.ReleaseFolder.find(folder)
    report = _matched(release, read_json(release.path(f.CHANNELS), ChannelReport), trustwork.vendor_record(release))
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        click.echo(_matches_text(report))
    next_command("fulldress scan")


def _matched(release: f.ReleaseFolder, report: ChannelReport, record: VendorRecord | None) -> AdvisoryReport:
    if not release.path(f.PACKAGE_LOCK).is_file():
        raise NothingToDo("there is no package to compare with", fix="fulldress intake, then fulldress vendor match")
    lock = read_json(release.path(f.PACKAGE_LOCK), PackageLock)
    blobs = BlobStore(state_dir() / "blobs")
    trust = read_json(release.path(f.TRUST), TrustReport) if release.path(f.TRUST).is_file() else None
    names = {release.release().estate.product, *(record.products if record else ())} - {""}
    offered = {name: paths.offered_version(lock, name) for name in sorted(names)}
    given = matching.subject(lock, components(lock, blobs.read), record, offered)
    found = matching.matched(lock, given, report, trust, blobs.read)
    write_json(release.path(f.ADVISORIES), found)
    return found


def _channels_text(report: ChannelReport) -> str:
    rows = [(c.name, c.group, str(c.documents), f"{c.left_out} left out" if c.left_out else "") for c in report.channels]
    lines = [columns(("channel", "group", "documents", ""), rows)]
    lines += [f"  {shown(c.name)}: {shown(e)}" for c in report.channels for e in c.errors]
    bad = [d for d in report.documents if d.problems]
    lines += [f"  {shown(d.place)}: {shown(d.problems[0])}" for d in bad[:10]]
    if len(bad) > 10:
        lines.append(f"  and {len(bad) - 10} more documents with something wrong: 01-package/channels.json")
    return "\n".join(lines)


def _matches_text(report: AdvisoryReport) -> str:
    counts = f"{report.advisories} advisories, {len(report.components)} components"
    head = f"{counts}: {len(report.matches)} statements about this package"
    ranked = sorted(report.matches, key=lambda m: (matching.RANK[m.status], -m.score))
    rows = [
        (m.vulnerability or m.advisory, m.status, f"{m.score:g}" if m.score >= 0 else "", f"{m.component} {m.version}",
         m.by if m.sure else f"{m.by}, unsure", m.advisory)
        for m in ranked[:20]
    ]  # fmt: skip
    table = (
        columns(("vulnerability", "status", "score", "component", "matched by", "advisory"), rows, widest=36) if rows else ""
    )
    keys = [
        f"key {m.fingerprint} is named by {m.channel} [{m.group}] {m.dated or 'undated'}: {m.excerpt}"
        for m in report.keys[:10]
    ]
    return "\n".join([head, *([table] if table else []), *map(shown, keys)])


@command.command(
    epilog="\b\nExample:  fulldress vendor check advisories/\nExits 10 when something is wrong with a document."
)
@click.argument("places", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to print.")
def check(places: tuple[Path, ...], form: str) -> None:
    """Look at advisory files, or whole folders of them, offline: CSAF tests, checksums, signatures, feeds, security.txt.

    A folder is laid out as a CSAF provider's: documents with .asc and .sha256 or .sha512 beside them, keys as .asc files.
    """
    documents: list[Document] = []
    errors: list[str] = []
    for place in places:
        report = _checked(place)
        documents += report.documents
        errors += [e for c in report.channels for e in c.errors]
    if not documents and not errors:
        raise NothingToDo("there is no document in " + ", ".join(map(str, places)), why="nothing looked at is never fine")
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode({"documents": documents, "errors": errors}), indent=2))
    else:
        for document in documents:
            click.echo(f"{shown(document.place)}: {document.kind}, signature {document.signature}")
            for problem in document.problems:
                click.echo(f"  {shown(problem)}")
        for error in errors:
            click.echo(f"error: {shown(error)}")
        click.echo(f"{len(documents)} documents, {sum(bool(d.problems) for d in documents)} with something wrong")
    if errors or any(d.problems for d in documents):
        raise SystemExit(EXIT_FINDINGS)


def _checked(place: Path) -> ChannelReport:
    if not place.exists():
        raise UsageError(f"there is no {place}", fix="name a file or a folder")
    channel = Channel(name=str(place), kind="folder", url=str(place.absolute()), group="here")
    blobs = BlobStore(state_dir() / "blobs")
    return reading.read_channels(VendorRecord(name=""), [channel], Https(), blobs, Path("/"), datetime.now(UTC))
