"""Run the rehearsed plan on production: step by step, resumable, undone when a step fails.

Joins the plan, its rehearsals and the run stage.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import click

from fulldress.adapters.hosts import open_host
from fulldress.cli.running import go, operator
from fulldress.cli.stagework import here, stage_work
from fulldress.model.plan import PlanLock
from fulldress.plan.lock import require_fresh
from fulldress.run.gate import require_no_unfinished, require_rehearsed, require_trusted
from fulldress.run.perform import open_run
from fulldress.store import folder as f
from fulldress.store.codec import read_json


@click.command(epilog="Example:  fulldress run")
@click.option(
    "--without-rehearsal-because", "because", default="", metavar="TEXT", help="Run a plan without a green rehearsal."
)
def command(because: str) -> int:
    """Run exactly the plan that was rehearsed. A failing step is undone, together with everything before it.

    Refused when an input changed since the plan was locked (exit 21), when no rehearsal of exactly this plan is green or
    nobody accepted a package of an unexpected signer (exit 20), or when another run holds the target. Ctrl-C stops after
    the step that is under way.
    """
    folder = here()
    with stage_work(folder, "run") as work:
        require_no_unfinished(folder)
        lock = read_json(folder.path(f.PLAN_LOCK), PlanLock)
        require_fresh(folder, lock)
        require_trusted(folder)
        rehearsal = "" if because.strip() else require_rehearsed(folder, lock).id
        identity = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ-") + secrets.token_hex(2)
        directory = folder.path(f.RUNS) / identity
        host = open_host(lock.plan.host)
        report = open_run(directory, lock, host, operator=operator(), because=because.strip(), rehearsal=rehearsal)
        click.echo(f"run {identity} on {host.name}, plan {lock.digest[:16]}, {len(lock.plan.step)} steps")
        work.facts.update(run=identity, plan_digest=lock.digest)
        return go(folder, directory, report)
