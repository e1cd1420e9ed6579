"""Draft or lock the plan: ordered steps with do, verify and undo, bound to the digests of its inputs.

Joins the adapted package, the estate and the release folder; the planning itself is in ``plan/``.
"""

from __future__ import annotations

import click

from fulldress.cli.stagework import StageWork, here, next_command, stage_work
from fulldress.formats.hosttext import printable
from fulldress.model.estate import Estate
from fulldress.model.finding import Adaptation, StepDraft
from fulldress.model.package import PackageLock
from fulldress.model.plan import Plan, PlanLock
from fulldress.plan.draft import Draft, Source, draft
from fulldress.plan.lock import make_lock
from fulldress.plan.runbook import runbook
from fulldress.plan.tomlout import plan_toml
from fulldress.steps import kinds
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, read_toml, write_bytes, write_json
from fulldress.store.folder import ReleaseFolder
from fulldress.store.state import state_dir


@click.command(epilog="Example:  fulldress plan, edit 05-plan/plan.toml, fulldress plan")
@click.option("--redraft", is_flag=True, help="Write plan.toml anew; edits in it are lost.")
@click.option("--entry", default=None, help="Place of the package's script that starts the upgrade.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
def command(redraft: bool, entry: str | None, form: str) -> None:
    """Turn the adapted package into ordered steps with do, verify and undo, and lock them.

    Writes 05-plan/plan.toml when there is none (or with --redraft); else your edits are kept and only locked. The lock
    binds the plan to its inputs; runbook.md holds the same commands for use by hand.
    """
    folder = here()
    with stage_work(folder, "plan") as work:
        lock, drafted = _plan(folder, work, redraft, entry)
    if form == "json":
        click.echo(folder.path(f.PLAN_LOCK).read_text())
    else:
        _show(lock, drafted)
    next_command("fulldress rehearse")


def _plan(folder: ReleaseFolder, work: StageWork, redraft: bool, entry: str | None) -> tuple[PlanLock, Draft | None]:
    release, adapted = folder.release(), read_json(folder.path(f.ADAPTED_LOCK), PackageLock)
    blobs = BlobStore(state_dir() / "blobs")
    drafted = None
    if redraft or entry is not None or not folder.path(f.PLAN).exists():
        estate = read_json(folder.path(f.ESTATE), Estate)
        has_curl = not estate.hosts or "curl" in estate.hosts[0].commands or not estate.hosts[0].commands
        drafted = draft(release, Source(adapted, blobs.read), _drafts(folder), entry=entry, has_curl=has_curl)
        write_bytes(folder.path(f.PLAN), plan_toml(drafted.plan, drafted.notes).encode("utf-8", "replace"))
    plan = read_toml(folder.path(f.PLAN), Plan)
    vendor = read_json(folder.path(f.PACKAGE_LOCK), PackageLock) if folder.path(f.PACKAGE_LOCK).exists() else adapted
    lock = make_lock(folder, plan, adapted, vendor.sha256, blobs.put)
    write_json(folder.path(f.PLAN_LOCK), lock)
    places = {e.sha256: e.place for e in adapted.entries if e.sha256 and "!/" not in e.place}
    write_bytes(folder.path(f.RUNBOOK), runbook(lock, places, blobs.read).encode("utf-8", "replace"))
    work.facts.update(steps=len(plan.step), plan_digest=lock.digest, redrafted=drafted is not None)
    return lock, drafted


def _drafts(folder: ReleaseFolder) -> list[StepDraft]:
    """Steps that the adaptations ask for, in the order of the adaptations."""
    files = sorted(folder.path(f.ADAPTATIONS).glob("[0-9]*.toml"))
    return [step for path in files for step in read_toml(path, Adaptation).steps]


def _show(lock: PlanLock, drafted: Draft | None) -> None:
    notes = drafted.notes if drafted else {}
    scripts = {s.id: s for s in lock.scripts}
    for step in lock.plan.step:
        if scripts[step.id].undo:
            undo = click.style("undo", fg="green")
        elif kinds()[step.kind].KIND.needs_undo:
            undo = click.style("kept", fg="yellow")
        else:
            undo = "    "
        click.echo(f"  {step.id:<38} {step.kind:<11} {undo}  {printable(step.title)}")
        if step.breaks:
            click.echo(click.style(f"  {'':<38} {'':<11}       {printable(step.breaks)}", fg="yellow"))
        if "kept as a script" in notes.get(step.id, ""):
            click.echo(click.style(f"  {'':<38} {'':<11}       {printable(notes[step.id])}", dim=True))
    if drafted and drafted.dropped:
        click.echo(f"{len(drafted.dropped)} statements that change nothing were left out (first: {_first(drafted)})")
    click.echo(f"{len(lock.plan.step)} steps, plan {lock.digest[:16]}; commands in {f.RUNBOOK}")


def _first(drafted: Draft) -> str:
    one = drafted.dropped[0]
    return printable(f"{one.place}:{one.line} {one.text.splitlines()[0][:60]}")
