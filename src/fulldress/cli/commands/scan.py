"""Find what must be known before the package runs: ranked findings, each with its cure.

With PACKAGE: any file, any user, no release folder. Without: the release folder's package, with all that is known of
the estate; writes ``03-findings/findings.json``.
"""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from fulldress.cli.progress import terminal_progress
from fulldress.cli.scanwork import package_context, release_context
from fulldress.cli.stagework import next_command, stage_work
from fulldress.errors import EXIT_BROKE, EXIT_FINDINGS, EXIT_OK
from fulldress.model.finding import SEVERITIES, FindingsReport, Severity
from fulldress.model.package import PackageLock
from fulldress.report.github import annotations_text
from fulldress.report.sarif import sarif
from fulldress.report.text import findings_text, summary
from fulldress.scan.sweep import RAISED, load_rules, sweep
from fulldress.scan.waivers import read_waivers
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import canonical, read_json, write_json
from fulldress.store.state import state_dir


@click.command(epilog="Example:  fulldress scan vendor.zip --fail-on high")
@click.argument("package", required=False, type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif", "github"]), default="text", help="What to print."
)
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="Exit 10 when a finding is at least this severe.")
@click.option("--all", "everything", is_flag=True, help="All findings, not only the fifteen most dangerous.")
@click.option(
    "--vendor", type=click.Path(path_type=Path, exists=True), help="With PACKAGE: the record of the vendor's keys."
)
@click.option("--no-sandbox", is_flag=True, help="With PACKAGE: unpack without confinement, on a kernel that has none.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="The release folder (default: here or above)."
)
def command(
    package: Path | None,
    form: str,
    fail_on: Severity | None,
    everything: bool,
    vendor: Path | None,
    no_sandbox: bool,
    folder: Path,
) -> int:
    """Find what must be known before the package runs: ranked findings, each with its cure.

    With PACKAGE, scans that file for any user, without a release folder. Without, scans the release folder's package with
    all that is known of the estate and writes 03-findings/findings.json. Exits 0 unless --fail-on says otherwise, or 1 when
    a rule failed (which is a finding of its own).
    """
    if package is not None:
        report = _alone(package, form, everything, vendor, sandboxed=not no_sandbox)
    else:
        report = _in_folder(f.ReleaseFolder.find(folder), form, everything)
    if any(finding.rule == RAISED for finding in report.findings):
        return EXIT_BROKE  # what a rule did not look at is not known to be fine
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on else ()
    return EXIT_FINDINGS if any(finding.severity in failing for finding in report.findings) else EXIT_OK


def _alone(package: Path, form: str, everything: bool, vendor: Path | None, *, sandboxed: bool) -> FindingsReport:
    progress = terminal_progress()
    with package_context(package, vendor=vendor, sandboxed=sandboxed, progress=progress) as context:
        report = sweep(context, progress=progress)
    _print(report, context.package, form, everything)
    if form == "text":
        next_command(f"fulldress new NAME --package {package}   (to judge it against your estate and adapt it)")
    return report


def _in_folder(folder: f.ReleaseFolder, form: str, everything: bool) -> FindingsReport:
    with stage_work(folder, "scan") as work:
        lock = read_json(folder.path(f.PACKAGE_LOCK), PackageLock)
        context = release_context(folder, lock, BlobStore(state_dir() / "blobs"))
        waivers = read_waivers(folder.path(f.WAIVERS), datetime.now(UTC).date())
        report = sweep(context, waivers=waivers.active, progress=terminal_progress())
        write_json(work.path(f.FINDINGS), report)
        work.facts = {
            "findings": len(report.findings),
            "summary": summary(report),
            "waived": len(report.waived),
            "stood_aside": sorted(report.rules_stood_aside),
        }
    _print(report, lock, form, everything, ended=[f"{w.fingerprint}: {w.said}" for w in waivers.expired])
    if form == "text":
        next_command("fulldress adapt" if any(x.curable for x in report.findings) else "fulldress plan")
    return report


def _print(
    report: FindingsReport, lock: PackageLock, form: str, everything: bool, *, ended: list[str] | None = None
) -> None:
    if form == "json":
        click.echo(msgspec.json.format(canonical(report), indent=2))
    elif form == "sarif":
        click.echo(msgspec.json.format(canonical(sarif(report, lock, load_rules())), indent=2))
    elif form == "github":
        click.echo(annotations_text(report, lock))
    else:
        tty = sys.stdout.isatty()
        width = min(shutil.get_terminal_size().columns, 120) if tty else 100
        colour = tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        text = findings_text(report, lock, everything=everything, colour=colour, width=max(width, 40), ended=ended or ())
        click.echo(text)
