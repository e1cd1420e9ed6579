"""Find what must be known before the package runs: ranked findings, each with its cure.

With PACKAGE: any file, any user, no release folder. Without: the release folder's package, with all that is known of
the estate; writes ``03-findings/findings.json``.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

import click

from fulldress.cli.groups import Sectioned
from fulldress.cli.progress import terminal_progress
from fulldress.cli.scanout import FORMS, View, show
from fulldress.cli.scanwork import ALONE, package_context
from fulldress.cli.stagework import next_command, stage_work
from fulldress.errors import EXIT_BROKE, EXIT_FINDINGS, EXIT_OK, UsageError
from fulldress.formats import localtime
from fulldress.intake.budgets import Budgets, raised
from fulldress.model.finding import SEVERITIES, FindingsReport, Severity
from fulldress.model.package import PackageLock
from fulldress.report.cure import ShownCure
from fulldress.report.text import summary
from fulldress.scan.lineage import Before, only_new
from fulldress.scan.rule import Context
from fulldress.scan.sweep import RAISED, sweep
from fulldress.scan.waivers import read_waivers
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, write_json
from fulldress.store.state import state_dir


class Ask(NamedTuple):
    """What the command line asked for beside the package."""

    view: View
    baseline: Path | None = None
    waivers: Path | None = None
    peers: tuple[str, ...] = ()


class _Scan(Sectioned):
    sections: ClassVar = {
        "What to look at": ("folder", "vendor", "limits", "no_sandbox"),
        "What counts": ("baseline", "waivers", "fail_on", "peers"),
        "What to show": ("form", "output", "everything", "diff"),
    }


@click.command(
    cls=_Scan,
    epilog="""\b
Examples:
  fulldress scan vendor.zip
  fulldress scan vendor.zip --format html --output scan.html
  fulldress scan vendor.zip --baseline previous.zip --fail-on high
\b
Exit codes: 0 looked at; 1 broke, or a rule failed; 2 wrong command line or file;
3 nothing to look at; 10 findings at or above --fail-on""",
)
@click.argument("package", required=False, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMS), default="text", help="The form of the report.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it into this file, whole or not at all, instead of stdout.",
)
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="Exit 10 when a finding is at least this severe.")
@click.option("--all", "everything", is_flag=True, help="All findings, not only the fifteen most dangerous.")
@click.option("--diff", is_flag=True, help="Show under each finding what its cure would change.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, exists=True),
    help="The previous package, its findings.json, lock or release folder: only what is new is listed and counts.",
)
@click.option("--waivers", type=click.Path(path_type=Path, exists=True), help="With PACKAGE: findings that people accepted.")
@click.option(
    "--peers",
    default="none",
    help="Other programs to ask too: none, auto (shellcheck, squawk, systemd-analyze), or names; kingfisher by name only.",
)
@click.option(
    "--vendor", type=click.Path(path_type=Path, exists=True), help="With PACKAGE: the record of the vendor's keys."
)
@click.option(
    "--budget",
    "limits",
    multiple=True,
    metavar="NAME=NUMBER",
    help="With PACKAGE: raise a limit: depth=9, stub_bytes=300000.",
)
@click.option("--no-sandbox", is_flag=True, help="With PACKAGE: unpack without confinement, on a kernel that has none.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
def command(
    package: Path | None,
    form: str,
    output: Path | None,
    fail_on: Severity | None,
    everything: bool,
    diff: bool,
    baseline: Path | None,
    waivers: Path | None,
    peers: str,
    vendor: Path | None,
    limits: tuple[str, ...],
    no_sandbox: bool,
    folder: Path,
) -> int:
    """Find what must be known before the package runs: ranked findings, each with its cure.

    With PACKAGE, scans that file for any user, without a release folder. Without, scans the release folder's package with
    all that is known of the estate and writes 03-findings/findings.json.
    """
    _can_write(output)
    _spare(output, package, baseline, waivers, vendor)
    ask = Ask(View(form=form, everything=everything, diff=diff, output=output), baseline, waivers, _chosen(peers))
    if package is not None:
        report = _alone(package, ask, vendor, raised(ALONE, limits), sandboxed=not no_sandbox)
    else:
        report = _in_folder(f.ReleaseFolder.find(folder), ask)
    if any(finding.rule == RAISED for finding in report.findings):
        return EXIT_BROKE  # what a rule did not look at is not known to be fine, whatever --fail-on says
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on else ()
    return EXIT_FINDINGS if any(finding.severity in failing for finding in report.findings) else EXIT_OK


def _chosen(peers: str) -> tuple[str, ...]:
    if peers == "none":
        return ()
    from fulldress.cli.peerwork import chosen  # noqa: PLC0415 - loaded when needed: most scans ask nobody

    return chosen(peers)


def _before(baseline: Path | None, *, sandboxed: bool = True) -> Before | None:
    if baseline is None:
        return None
    from fulldress.cli.before import read_before  # noqa: PLC0415 - loaded when needed: as above

    return read_before(baseline, sandboxed=sandboxed)


def _spare(output: Path | None, *read: Path | None) -> None:
    """Raises UsageError when the report would be written over something that is read."""
    for path in read:
        if output is not None and path is not None and path.exists() and output.exists() and output.samefile(path):
            raise UsageError(f"--output {output} would write over {path}", why="it is read here", fix="name another file")


def _can_write(output: Path | None) -> None:
    """Raises UsageError before any work when the report could not be written after it."""
    if output is None:
        return
    folder = next(parent for parent in output.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"--output {output}: {folder} cannot be written to",
            why="the report would be lost",
            fix="name a file in a folder of yours",
        )


def _alone(package: Path, ask: Ask, vendor: Path | None, budgets: Budgets, *, sandboxed: bool) -> FindingsReport:
    progress = terminal_progress()
    before = _before(ask.baseline, sandboxed=sandboxed)
    with package_context(package, vendor=vendor, sandboxed=sandboxed, progress=progress, budgets=budgets) as context:
        context.known_hosts = before.hosts if before is not None else None
        report = _listed(_swept(context, ask.waivers, ask.peers), context, before)
        _show(report, context, ask.view)
    if ask.view.form == "text":
        next_command(f"fulldress new NAME --package {shlex.quote(str(package))}   (judges it against your estate)")
    return report


def _in_folder(folder: f.ReleaseFolder, ask: Ask) -> FindingsReport:
    from fulldress.cli.releasework import release_context  # noqa: PLC0415 - loaded when needed: it knows the inventory

    before = _before(ask.baseline)
    with stage_work(folder, "scan") as work:
        lock = read_json(folder.path(f.PACKAGE_LOCK), PackageLock)
        context = release_context(folder, lock, BlobStore(state_dir() / "blobs"))
        context.known_hosts = before.hosts if before is not None else None
        whole = _swept(context, folder.path(f.WAIVERS), ask.peers)
        write_json(work.path(f.FINDINGS), whole)
        work.facts = {
            "findings": len(whole.findings),
            "summary": summary(whole),
            "waived": len(whole.waived),
            "stood_aside": sorted(whole.rules_stood_aside),
        }
    report = _listed(whole, context, before)
    _show(report, context, ask.view)
    if ask.view.form == "text":
        next_command("fulldress adapt" if any(x.curable for x in whole.findings) else "fulldress plan")
    return report


def _swept(context: Context, waivers: Path | None, peers: tuple[str, ...]) -> FindingsReport:
    """All rules over the package; waivers count, and those that do not are said."""
    split = read_waivers(waivers, localtime.today(context.release, context.estate)) if waivers else None
    active = split.active if split else ()
    report = sweep(context, waivers=active, progress=terminal_progress())
    if peers:
        from fulldress.cli.peerwork import with_peers  # noqa: PLC0415 - loaded when needed: most scans ask nobody

        report = with_peers(report, context, peers, active)
    return split.told(report) if split else report


def _listed(report: FindingsReport, context: Context, before: Before | None) -> FindingsReport:
    return only_new(report, context.package, before) if before is not None else report


def _show(report: FindingsReport, context: Context, view: View) -> None:
    cures: Mapping[str, ShownCure] = {}
    if view.with_cures:
        from fulldress.cli.curework import shown_cures  # noqa: PLC0415 - loaded when needed: it knows the patches

        cures = shown_cures(context, report.findings)
    show(report, context.package, view, cures)
