"""The demo's production: the machine ``dten-prod``, the world outside it, and its users.

The filled machine is built once and cached on the scratch file system (by the digest of what it is made from); every
start of the demo takes a fresh reflink copy, so that the upgrade is always played from version 4.2.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from demo import door, estate, net, week
from demo.lims_tree import LIMS
from fulldress.adapters import nspawn
from fulldress.adapters.image import base_image
from fulldress.adapters.scratch import scratch_dir
from fulldress.formats.accesslog import parse
from fulldress.model.rehearsal import LoadReport
from fulldress.ports import Progress
from fulldress.rehearse.fitting import fit
from fulldress.rehearse.schedule import schedule
from fulldress.rehearse.traffic import RunningLoad, start_load

HERE = Path(__file__).parent
USERS_S = 240.0
"""The users of the demo leave after this many seconds, whatever happens."""


class Production:
    """The running machine and its surroundings."""

    def __init__(self, machine: nspawn.Machine, root: Path, state: Path) -> None:
        self.machine, self.root, self.state = machine, root, state

    def remembered_briefly(self) -> str:
        """What the third parties remember now: webhooks and flags."""
        state = json.loads(self.state.read_text())
        hooks = ", ".join(sorted(hook["url"] for hook in state["webhooks"].values()))
        flags = ", ".join(f"{name}={str(value).lower()}" for name, value in sorted(state["flags"].items()))
        return f"webhooks to {hooks}; flags {flags}"


def prepared(results: int, size_gb: float, progress: Progress, *, far: bool = False) -> Path:
    """The filled root tree of 4.2, built when it is not in the cache. ``far``: with a way in over SSH."""
    image = base_image(progress=progress)
    home = scratch_dir() / "demo"
    tree = home / f"dten-4.2-{_recipe(image)}-{results}-{size_gb:g}{'-far' if far else ''}"
    if tree.exists():
        return tree
    progress.start(f"building production: dten-lims 4.2, {results} results")
    building = tree.with_name(tree.name + ".building")
    _forget(building)
    estate.build_root(image, building)
    if far:
        door.install(building)
    with _booted(building, "dten-building") as machine:
        estate.fill(machine, results, size_gb=size_gb)
    week.write(building / "var/log/nginx")
    building.replace(tree)
    progress.finish()
    return tree


def _recipe(image: Path) -> str:
    hasher = hashlib.sha256(str(image).encode())
    for path in sorted([*HERE.glob("*.py"), *(p for p in LIMS.rglob("*") if p.is_file())]):
        if "__pycache__" not in path.parts and path.name not in ("__main__.py", "screen.py", "production.py"):
            hasher.update(path.relative_to(HERE).as_posix().encode() + path.read_bytes())
    return hasher.hexdigest()[:12]


@contextlib.contextmanager
def _booted(root: Path, name: str) -> Iterator[nspawn.Machine]:
    network = net.up()
    machine = nspawn.boot(root, name, netns=network.production)
    try:
        yield machine
    finally:
        machine.poweroff()
        net.down()


@contextlib.contextmanager
def production(
    results: int, size_gb: float, build: Path, progress: Progress, *, far: Path | None = None
) -> Iterator[Production]:
    """Production up and serving; taken away at the end, also after a failure and after a killed earlier demo.

    ``far``: the home directory of a client that will be let in over SSH.
    """
    take_away()
    tree = prepared(results, size_gb, progress, far=far is not None)
    root = scratch_dir() / "demo" / estate.NAME
    subprocess.run(["cp", "-a", "--reflink=auto", str(tree), str(root)], check=True)
    if far is not None:
        door.unlock(root, far)
    state = build / "third-parties.json"
    state.unlink(missing_ok=True)
    network = net.up()
    third_parties = [sys.executable, "-m", "demo.world", "--address", net.WORLD, "--state", str(state)]
    world = subprocess.Popen(["ip", "netns", "exec", network.world, *third_parties], start_new_session=True)
    try:
        machine = nspawn.boot(root, estate.NAME, netns=network.production)
        _await_healthy(machine)
        yield Production(machine, root, state)
    finally:
        world.terminate()
        world.wait()
        take_away()


def take_away() -> None:
    """End the demo's machine and remove its namespaces and its root; the cache stays."""
    for name in (estate.NAME, "dten-building"):
        if nspawn.recorded(name) is not None:
            nspawn.attach(name).kill()
    net.down()
    _forget(scratch_dir() / "demo" / estate.NAME)


def _forget(tree: Path) -> None:
    if tree.exists():
        shutil.rmtree(tree)


def _await_healthy(machine: nspawn.Machine, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if machine.run(["curl", "-fsS", "-m", "2", "-o", "/dev/null", "http://127.0.0.1/healthz"]).ok:
            return
        time.sleep(0.1)
    raise RuntimeError("production does not answer /healthz")


def users(root: Path, directory: Path) -> RunningLoad:
    """Production's users: requests like those in its own logs, sent from the world outside."""
    logs = sorted((root / "var/log/nginx").glob("access.log*"))
    requests = (r for path in logs for r in parse(path.read_text(errors="surrogateescape").splitlines()))
    planned = schedule(fit(requests), seconds=USERS_S, seed=7)
    shutil.rmtree(directory, ignore_errors=True)
    return start_load(
        f"http://{net.PRODUCTION}:80", planned, directory=directory, netns=net.Network().world, source="the demo's users"
    )


def said(report: LoadReport) -> str:
    """One line about a load."""
    return (
        f"{report.scheduled} requests, {report.failed} failed, p50 {report.p50:.0f} ms, p99 {report.p99:.0f} ms, "
        f"longest outage {report.endpoint_outage_seconds:.1f} s"
    )
