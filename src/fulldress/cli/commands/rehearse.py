"""Rehearse the plan full dress and under load on clones of production: locks, outage, rollback, verdict.

Joins the plan with the rehearsal; production is only read.
"""

from __future__ import annotations

import datetime
import secrets
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from fulldress.adapters import nspawn, scope
from fulldress.adapters.hosts import open_host
from fulldress.adapters.scratch import scratch_dir
from fulldress.cli.mirrorwork import refreshed, wishes
from fulldress.cli.pagework import write_page
from fulldress.cli.progress import terminal_progress
from fulldress.cli.stagework import StageWork, here, next_command, stage_work
from fulldress.enginequeue import WorkQueue
from fulldress.errors import EXIT_NO_GO, CapabilityMissing, NothingToDo, Stale
from fulldress.model.package import PackageLock
from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import Check, LoadReport, RehearsalReport
from fulldress.model.release import Release
from fulldress.plan.as_it_came import lock_as_it_came
from fulldress.plan.lock import require_fresh
from fulldress.ports import CloneDriver, Keeper, Progress
from fulldress.rehearse import clones, mirror, proof
from fulldress.rehearse.acts import timed
from fulldress.rehearse.declared import TrafficFile
from fulldress.rehearse.loading import load_of
from fulldress.rehearse.network import wiring_of
from fulldress.rehearse.outside import Outside
from fulldress.rehearse.rehearsal import rehearse
from fulldress.rehearse.setting import Load, Setting, quiet
from fulldress.rehearse.sweepworker import Shared, work
from fulldress.rehearse.verdict import failures
from fulldress.rehearse.wanted import FAULTS, USUAL, wanted
from fulldress.report.sanitise import visible
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, read_toml, write_json
from fulldress.store.folder import ReleaseFolder
from fulldress.store.state import state_dir

LONGEST_ACT_S = 300.0
"""The schedule of the load is as long as that; it is stopped when the act ends."""
OUTSIDE = "outside.toml"
TRAFFIC = "traffic.toml"
MOST_SHOWN = 10
"""Rollbacks and faults that went wrong, named on the screen."""
COLOURS = {"pass": "green", "fail": "red", "no-data": "yellow", "inconclusive": "yellow"}


EXAMPLES = """\b
Examples:
  fulldress rehearse --load 0.5,1,2
  fulldress rehearse --times 3 --undo-at each --crash inside
  fulldress rehearse --adapted-only --crash each --points 3 --faults kill-runner,power-cut,disk-full
  fulldress rehearse --undo-at 07,14
  fulldress rehearse --crash each --queue postgresql://user@host/database
  fulldress rehearse --join postgresql://user@host/database ID   (on another machine, in a copy of the folder)"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--load",
    default="1",
    show_default=True,
    metavar="X[,X...]",
    help="Load as a multiple of the log's busiest ten minutes; of several each is played, and the limits hold for all.",
)
@click.option("--seed", default=1, show_default=True, help="Two rehearsals with one seed send the same requests.")
@click.option(
    "--driver",
    type=click.Choice(clones.NAMES),
    default="overlay",
    show_default=True,
    help="What makes the clones; `staging` is not full dress.",
)
@click.option("--times", default=1, show_default=True, help="Rehearse the adapted package so often, each on a fresh clone.")
@click.option(
    "--undo-at", default="none", show_default=True, metavar="each|STEP,...|none", help="Stop after this step and roll back."
)
@click.option(
    "--crash",
    default="none",
    show_default=True,
    metavar="before|inside|after|each|none",
    help="Break something at this moment of every step, forward and back.",
)
@click.option("--points", default=1, show_default=True, help="Moments inside each step.")
@click.option("--faults", default=",".join(USUAL), show_default=True, help=f"What to break: {', '.join(FAULTS)}.")
@click.option("--workers", default=0, help="Clones side by side.  [default: one for each processor]")
@click.option("--queue", default="", metavar="URL", help="PostgreSQL that hands out the crash sweep to other machines too.")
@click.option("--join", nargs=2, metavar="URL ID", help="Help with a crash sweep that another machine began.")
@click.option("--jobs/--no-jobs", default=True, help="Fire the scheduled jobs due in the window.  [default: jobs]")
@click.option(
    "--compare", default=0.0, metavar="SECONDS", help="Also play old and new on one schedule, so long each.  [default: not]"
)
@click.option("--adapted-only", is_flag=True, help="Leave out the package as it came.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print the verdict.")
def command(
    join: tuple[str, str] | None,
    form: str,
    adapted_only: bool,
    seed: int,
    driver: str,
    compare: float,
    **options: Any,
) -> int:
    """Play the plan on copy-on-write clones of production, under load fitted to its logs, forward and back.

    \b
    Act 1  the package as it came, under load; then a snapshot restore and what that leaves at third parties
    Act 2  the adapted package under the same load, --times N
    Act 3  the adapted package forward and back on a quiet clone; equality proven by digests
    Act 4  the scheduled jobs that fall due in the window, fired on an upgraded clone
    Sweep  rollback from every step (--undo-at), crashes at every moment of every step (--crash)

    Exit code 0 when the verdict is pass, 20 otherwise.
    """
    folder = here()
    if join:
        return _join(folder, *join)
    with stage_work(folder, "rehearse") as work, scope.Scope("rehearse") as keeper:
        report = _rehearse(folder, keeper, Asked(seed, adapted_only, driver, compare, options))
        _keep(work, report)
    write_page(folder, f"{f.REHEARSALS}/{report.id}")
    if form == "json":
        click.echo((folder.path(f.REHEARSALS) / report.id / "rehearsal.json").read_text())
    else:
        _show(report)
    green = report.verdict == "pass"
    next_command("fulldress run" if green else "read the failed checks above, then: fulldress plan, fulldress rehearse")
    return 0 if green else EXIT_NO_GO


class Asked(NamedTuple):
    """The options as typed; ``wanted`` are those of :func:`fulldress.rehearse.wanted.wanted`."""

    seed: int
    adapted_only: bool
    driver: str
    compare: float
    wanted: dict[str, Any]


def _rehearse(folder: ReleaseFolder, keeper: Keeper, asked: Asked) -> RehearsalReport:
    release, plan = folder.release(), read_json(folder.path(f.PLAN_LOCK), PlanLock)
    require_fresh(folder, plan)
    setting_wanted = wanted([step.id for step in plan.plan.step], **asked.wanted)
    scope.reap()
    host, progress = open_host(plan.plan.host), terminal_progress()
    durations: dict[str, float] = {}
    identity = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ-") + secrets.token_hex(2)
    making = clones.driver(asked.driver, keeper, nspawn.boot, staging=release.staging)
    with timed(durations, "mirror"):
        copy = refreshed(folder, host, progress, making.place(host.name))

    def load(number: int) -> Load:
        multiple, again = setting_wanted.rounds[number]
        return _load(folder, release, Path(copy.tree), multiple, asked.seed + again)

    setting = _setting(folder, release, keeper, identity, copy, making)._replace(
        wiring=wiring_of(host),
        load=load(0),
        load_again=load,
        progress=progress,
        durations=durations,
        wanted=setting_wanted,
    )
    announce(setting, progress)
    as_it_came = None
    if not asked.adapted_only:
        package = read_json(folder.path(f.PACKAGE_LOCK), PackageLock)
        as_it_came = lock_as_it_came(package, setting.blobs, release=release.name, host=plan.plan.host)
    return rehearse(setting, plan, as_it_came, compare_s=asked.compare)


def announce(setting: Setting, progress: Progress) -> None:
    """Say the name of the work before it begins, when other machines may join."""
    if setting.wanted.queue and setting.wanted.sweeps:
        progress.note(f"when the crash sweep begins, other machines join with: fulldress rehearse --join URL {setting.id}")


def _setting(
    folder: ReleaseFolder, release: Release, keeper: Keeper, identity: str, copy: mirror.Mirror, making: CloneDriver
) -> Setting:
    """What every act plays in, still without load."""
    scratch = scratch_dir()
    engine_dir = scratch / "engine" / identity
    keeper.keep("tree", str(engine_dir))
    return quiet(
        identity,
        release,
        copy,
        blobs=BlobStore(state_dir() / "blobs"),
        directory=folder.path(f.REHEARSALS) / identity,
        engine_dir=engine_dir,
        scratch=scratch,
        keeper=keeper,
        driver=making,
        outside=read_toml(folder.path(OUTSIDE), Outside) if folder.path(OUTSIDE).exists() else Outside(),
        allowed=proof.allowed(release.estate.allow_differences),
    )


def _join(folder: ReleaseFolder, url: str, identity: str) -> int:
    """Take passes of a sweep that another machine began, until it is over."""
    release, plan = folder.release(), read_json(folder.path(f.PLAN_LOCK), PlanLock)
    queue = WorkQueue(url, identity)
    facts = queue.facts()
    if facts is None:
        raise NothingToDo(
            f"no crash sweep {identity} is under way there", fix="begin it with: fulldress rehearse --queue URL"
        )
    shared = msgspec.json.decode(facts, type=Shared)
    if shared.plan_digest != plan.digest:
        raise Stale(
            "this folder's plan is not the one that is being swept",
            why=f"{plan.digest[:16]} here, {shared.plan_digest[:16]} there",
            fix="copy the release folder from the machine that began the sweep",
        )
    _require_contents(plan, shared.host)
    scope.reap()
    with scope.Scope("join") as keeper:
        making = clones.driver(shared.driver, keeper, nspawn.boot, staging=release.staging)
        copy = mirror.load(making.place(shared.host))
        mirror.require_masks(copy, wishes(folder).mask)
        setting = _setting(folder, release, keeper, f"{identity}-{secrets.token_hex(2)}", copy, making)
        here_only = setting.engine_dir / "joined"
        setting = setting._replace(directory=here_only, wiring=shared.wiring)
        click.echo(f"joined {identity}", err=True)
        played = work(queue, shared, setting, plan)
    click.echo(f"the sweep is over; {played} passes were played here")
    return 0


def _require_contents(plan: PlanLock, host: str) -> None:
    """What the steps need must be here: a sweep would put down its absence as a failure of the plan."""
    blobs = BlobStore(state_dir() / "blobs")
    missing = [sha for sha in dict.fromkeys(sha for step in plan.scripts for sha in step.blobs) if not blobs.has(sha)]
    if missing:
        raise CapabilityMissing(
            f"{len(missing)} contents of the plan are not on this machine, the first is {missing[0][:16]}",
            why=f"a copy of the release folder does not hold them; without them no step can be played on a clone of {host}",
            fix=f"copy the directory blobs of the first machine's state directory to {blobs.root}",
        )


def _load(folder: ReleaseFolder, release: Release, tree: Path, multiple: float, seed: int) -> Load:
    """The schedule fitted to the access logs that the mirror holds."""
    declared = read_toml(folder.path(TRAFFIC), TrafficFile) if folder.path(TRAFFIC).exists() else TrafficFile()
    return load_of(tree, release.estate, declared, seconds=LONGEST_ACT_S, multiple=multiple, seed=seed)


def _keep(work: StageWork, report: RehearsalReport) -> None:
    """Write the rehearsal's files."""
    where = f"{f.REHEARSALS}/{report.id}"
    write_json(work.path(f"{where}/rehearsal.json"), report)
    if report.write_set is not None:
        write_json(work.path(f"{where}/write-set.json"), report.write_set)
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
    wide = max(34, *(len(visible(check.measured)) + 2 for check in report.checks))
    click.echo(f"{'check':<36}{'verdict':<14}{'measured':<{wide}}{'limit':<16}margin")
    for check in report.checks:
        click.echo(_row(check, wide))
    lines = failures(report.sweep) if report.sweep is not None else []
    for line in lines[:MOST_SHOWN]:
        click.echo(f"  {visible(line)}")
    if len(lines) > MOST_SHOWN:
        click.echo(f"  and {len(lines) - MOST_SHOWN} more, in rehearsal.json")
    click.echo(f"verdict: {click.style(report.verdict, fg=COLOURS[report.verdict], bold=True)}, rehearsal {report.id}")


def outage(load: LoadReport) -> str:
    """The longest outage, and of which endpoint."""
    where = f" of {load.worst_endpoint}" if load.worst_endpoint else ""
    return f"{load.endpoint_outage_seconds:.1f} s{where}"


def _row(check: Check, wide: int) -> str:
    word = click.style(f"{check.judgement:<14}", fg=COLOURS[check.judgement])
    return f"{check.name:<36}{word}{visible(check.measured):<{wide}}{check.limit:<16}{check.margin}".rstrip()
