"""A 20-step plan on a real machine while its runner is killed at random: steps lost, effects doubled.

    FULLDRESS_TEST_BASE=/path/to/root-tree python -m bench.kill [--kills 40]

Each step appends one line to a file on the machine and takes 0.05 to 0.3 s. The runner (a process of its own) is killed
with SIGKILL at a random moment and started again until the plan is done; then the lines and the journal are counted.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fulldress.adapters import nspawn
from fulldress.adapters.image import base_image
from fulldress.adapters.scratch import scratch_dir
from fulldress.engine import perform
from fulldress.model.plan import Plan, PlanLock, Step
from fulldress.steps import StepContext, compile_step
from fulldress.store.blobs import BlobStore
from fulldress.store.journal import Journal, read_journal

STEPS = 20


def plan_lock(host: str, effects: str, blobs: BlobStore, seed: int) -> PlanLock:
    """Twenty steps, each with one effect that would show if it came twice."""
    chance = random.Random(seed)
    steps = tuple(
        Step(
            id=f"s{n:02d}",
            kind="script",
            title=f"effect {n}",
            params={
                "content": f"echo s{n:02d} >>{effects}; sleep {chance.uniform(0.05, 0.3):.2f}\n",
                "undo": f"echo u{n:02d} >>{effects}\n",
                "verify": f"grep -qx s{n:02d} {effects}",
            },
        )
        for n in range(STEPS)
    )
    ctx = StepContext({}, blobs.put)
    plan = Plan(release="bench", host=host, step=steps)
    scripts = tuple(compile_step(s, ctx) for s in steps)
    return PlanLock(digest="0" * 64, plan=plan, scripts=scripts, inputs={}, package_sha256="", adapted_sha256="")


def child(machine: str, folder: Path, run: str, seed: int, undo: bool) -> int:
    """The runner: performs the plan, or goes on with it."""
    host, blobs = nspawn.attach(machine), BlobStore(folder / "blobs")
    lock = plan_lock(host.name, f"/var/tmp/{run}.effects", blobs, seed)
    journal = Journal(folder / f"{run}.jsonl")
    outcome = perform(lock, host, run_id=run, state_dir=folder, journal=journal, push=blobs.read, undo=undo)
    return 0 if outcome.state == ("rolled-back" if undo else "done") else 1


def soak(machine: str, folder: Path, run: str, seed: int, chance: random.Random, undo: bool) -> int:
    """Start and kill the runner until it ends by itself; returns how often it was killed."""
    kills = 0
    while True:
        argv = [sys.executable, __file__, "--child", machine, str(folder), run, str(seed)]
        argv += ["--undo"] if undo else []
        process = subprocess.Popen(argv, start_new_session=True)
        try:
            code = process.wait(timeout=chance.uniform(1.0, 2.6))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            continue
        if code != 0:
            raise SystemExit(f"the runner ended with {code}")
        return kills


def count(machine: str, folder: Path, run: str, undo: bool) -> tuple[int, int, int]:
    """Steps lost, effects doubled on the machine, events doubled in the journal (which must verify)."""
    lines = nspawn.attach(machine).read_file(f"/var/tmp/{run}.effects").decode().split()
    wanted = [f"s{n:02d}" for n in range(STEPS)] + ([f"u{n:02d}" for n in range(STEPS)] if undo else [])
    seen = Counter(lines)
    events = Counter((e.kind, e.data["step"], e.data["phase"]) for e in read_journal(folder / f"{run}.jsonl"))
    lost = sum(w not in seen for w in wanted)
    return lost, sum(n - 1 for n in seen.values()), sum(n - 1 for n in events.values())


@contextmanager
def machine_of(base: Path) -> Iterator[str]:
    """A machine over the base tree; nothing of it is left behind."""
    scratch = Path(tempfile.mkdtemp(prefix="bench-kill-", dir=scratch_dir()))
    tree = scratch / "tree"
    machine = None
    try:
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(tree)], check=True)
        machine = nspawn.boot(tree, f"bench-kill-{os.getpid()}")
        yield machine.state.name
    finally:
        if machine is not None:
            machine.kill()
        shutil.rmtree(scratch, ignore_errors=True)


def main() -> None:
    """Soak until enough kills, print a row a run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--undo", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        machine, folder, run, seed = options.child
        sys.exit(child(machine, Path(folder), run, int(seed), options.undo))
    base = base_image()
    chance, kills, number = random.Random(options.seed), 0, 0
    totals = [0, 0, 0]
    print(f"seed {options.seed}")
    print(f"{'run':>4} {'way':<8} {'kills':>5} {'steps':>5} {'lost':>5} {'doubled':>8} {'events doubled':>15}")
    with machine_of(base) as machine, tempfile.TemporaryDirectory(prefix="bench-kill-") as directory:
        while kills < options.kills:
            number += 1
            run, folder = f"bench{number}", Path(directory)
            for undo in (False, True):
                killed = soak(machine, folder, run, options.seed + number, chance, undo)
                found = count(machine, folder, run, undo)
                kills += killed
                totals = [a + b for a, b in zip(totals, found, strict=True)]
                way = "back" if undo else "forward"
                print(f"{number:>4} {way:<8} {killed:>5} {STEPS:>5} {found[0]:>5} {found[1]:>8} {found[2]:>15}", flush=True)
    print(f"{kills} kills, {number * STEPS * 2} steps: {totals[0]} lost, {totals[1]} doubled, {totals[2]} events doubled")
    sys.exit(1 if any(totals) else 0)


if __name__ == "__main__":
    main()
