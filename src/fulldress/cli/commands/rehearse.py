"""Rehearse the plan full dress and under load on clones of production: locks, outage, rollback, verdict.

Joins the plan with the rehearsal; production is only read.
"""

from __future__ import annotations

import datetime
import secrets
from pathlib import Path

import click

from fulldress.adapters import nspawn, scope
from fulldress.adapters.hosts import open_host
from fulldress.adapters.scratch import scratch_dir
from fulldress.cli.pagework import write_page
from fulldress.cli.progress import terminal_progress
from fulldress.cli.stagework import StageWork, here, next_command, stage_work
from fulldress.errors import EXIT_NO_GO
from fulldress.model.package import PackageLock
from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import Check, LoadReport, RehearsalReport
from fulldress.model.release import Release
from fulldress.plan.as_it_came import lock_as_it_came
from fulldress.plan.lock import require_fresh
from fulldress.ports import CloneDriver, Host, Keeper, Progress
from fulldress.rehearse import clones, mirror, proof
from fulldress.rehearse.acts import Load, Setting, timed
from fulldress.rehearse.declared import TrafficFile
from fulldress.rehearse.loading import load_of
from fulldress.rehearse.network import wiring_of
from fulldress.rehearse.outside import Outside
from fulldress.rehearse.rehearsal import rehearse
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, read_toml, write_json
from fulldress.store.folder import ReleaseFolder
from fulldress.store.state import state_dir

LONGEST_ACT_S = 300.0
"""The schedule of the load is as long as that; it is stopped when the act ends."""
OUTSIDE = "outside.toml"
TRAFFIC = "traffic.toml"
COLOURS = {"pass": "green", "fail": "red", "no-data": "yellow", "inconclusive": "yellow"}


@click.command(epilog="Example:  fulldress rehearse --load 2")
@click.option(
    "--load", "multiple", default=1.0, show_default=True, help="Load as a multiple of the log's busiest ten minutes."
)
@click.option("--seed", default=1, show_default=True, help="Two rehearsals with one seed send the same requests.")
@click.option(
    "--driver",
    type=click.Choice(clones.NAMES),
    default="overlay",
    show_default=True,
    help="What makes the clones; `staging` is not full dress.",
)
@click.option(
    "--compare", default=0.0, metavar="SECONDS", help="Also play old and new on one schedule, so long each.  [default: not]"
)
@click.option("--adapted-only", is_flag=True, help="Leave out the package as it came.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print the verdict.")
def command(multiple: float, seed: int, driver: str, compare: float, adapted_only: bool, form: str) -> int:
    """Play the plan on copy-on-write clones of production, under load fitted to its logs, forward and back.

    \b
    Act 1  the package as it came, under load; then a snapshot restore and what that leaves at third parties
    Act 2  the adapted package under the same load
    Act 3  the adapted package forward and back on a quiet clone; equality proven by digests

    Exit code 0 when the verdict is pass, 20 otherwise.
    """
    folder = here()
    with stage_work(folder, "rehearse") as work, scope.Scope("rehearse") as keeper:
        report = _rehearse(folder, keeper, multiple, seed, adapted_only, driver, compare)
        _keep(work, report)
    write_page(folder, f"{f.REHEARSALS}/{report.id}")
    if form == "json":
        click.echo((folder.path(f.REHEARSALS) / report.id / "rehearsal.json").read_text())
    else:
        _show(report)
    green = report.verdict == "pass"
    next_command("fulldress run" if green else "read the failed checks above, then: fulldress plan, fulldress rehearse")
    return 0 if green else EXIT_NO_GO


def _rehearse(
    folder: ReleaseFolder, keeper: Keeper, multiple: float, seed: int, adapted_only: bool, driver: str, compare: float
) -> RehearsalReport:
    release, plan = folder.release(), read_json(folder.path(f.PLAN_LOCK), PlanLock)
    require_fresh(folder, plan)
    scope.reap()
    progress, blobs = terminal_progress(), BlobStore(state_dir() / "blobs")
    host = open_host(plan.plan.host)
    durations: dict[str, float] = {}
    identity = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ-") + secrets.token_hex(2)
    making = clones.driver(driver, keeper, nspawn.boot, staging=release.staging)
    copy = _mirror(host, making, progress, durations)
    load = _load(folder, release, Path(copy.tree), multiple, seed)
    scratch = scratch_dir()
    engine_dir = scratch / "engine" / identity
    keeper.keep("tree", str(engine_dir))
    setting = Setting(
        id=identity,
        release=release,
        mirror=copy,
        blobs=blobs,
        directory=folder.path(f.REHEARSALS) / identity,
        engine_dir=engine_dir,
        scratch=scratch,
        keeper=keeper,
        driver=making,
        wiring=wiring_of(host),
        load=load,
        outside=read_toml(folder.path(OUTSIDE), Outside) if folder.path(OUTSIDE).exists() else Outside(),
        allowed=proof.allowed(release.estate.allow_differences),
        progress=progress,
        durations=durations,
    )
    as_it_came = None
    if not adapted_only:
        package = read_json(folder.path(f.PACKAGE_LOCK), PackageLock)
        as_it_came = lock_as_it_came(package, blobs, release=release.name, host=plan.plan.host)
    return rehearse(setting, plan, as_it_came, compare_s=compare)


def _mirror(host: Host, making: CloneDriver, progress: Progress, durations: dict[str, float]) -> mirror.Mirror:
    with timed(durations, "mirror"):
        return mirror.refresh(host, making.place(host.name), progress=progress)


def _load(folder: ReleaseFolder, release: Release, tree: Path, multiple: float, seed: int) -> Load:
    """The schedule fitted to the access logs that the mirror holds."""
    declared = read_toml(folder.path(TRAFFIC), TrafficFile) if folder.path(TRAFFIC).exists() else TrafficFile()
    return load_of(tree, release.estate, declared, seconds=LONGEST_ACT_S, multiple=multiple, seed=seed)


def _keep(work: StageWork, report: RehearsalReport) -> None:
    """Write the rehearsal's files."""
    where = f"{f.REHEARSALS}/{report.id}"
    write_json(work.path(f"{where}/rehearsal.json"), report)
    for act in report.acts:
        if act.proof is not None and act.name == "rollback":
            write_json(work.path(f"{where}/proof.json"), act.proof)
        if act.load is not None and act.name == "adapted":
            write_json(work.path(f"{where}/traffic.json"), act.load)
    work.facts.update(id=report.id, verdict=report.verdict, plan=report.plan_digest)


def _show(report: RehearsalReport) -> None:
    for act in report.acts:
        if act.load is not None:
            locks = (
                f", longest lock {act.locks[0].mode} on {act.locks[0].relation} {act.locks[0].held:.2f} s"
                if act.locks
                else ""
            )
            click.echo(
                f"{act.title}:\n  {act.load.scheduled} requests, {act.load.failed} failed, {act.load.waited} slow, "
                f"p99 {act.load.p99:.0f} ms, longest outage {outage(act.load)}{locks}"
            )
        left = [e for e in act.effects if not e.closed]
        if act.name == "as-it-came" and left:
            click.echo("  a snapshot restore would leave behind:")
            for effect in left:
                click.echo(f"    {effect.kind:<8} {effect.endpoint} {effect.resource}  (undo: {effect.undo})")
    click.echo(f"{'check':<36}{'verdict':<14}{'measured':<34}{'limit':<16}margin")
    for check in report.checks:
        click.echo(_row(check))
    click.echo(f"verdict: {click.style(report.verdict, fg=COLOURS[report.verdict], bold=True)}, rehearsal {report.id}")


def outage(load: LoadReport) -> str:
    """The longest outage, and of which endpoint."""
    where = f" of {load.worst_endpoint}" if load.worst_endpoint else ""
    return f"{load.endpoint_outage_seconds:.1f} s{where}"


def _row(check: Check) -> str:
    word = click.style(f"{check.judgement:<14}", fg=COLOURS[check.judgement])
    return f"{check.name:<36}{word}{check.measured:<34}{check.limit:<16}{check.margin}".rstrip()
