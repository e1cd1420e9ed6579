"""``python -m demo``: plays one upgrade from the vendor's ZIP to the finished run, on real machines.

Builds the vendor's package and the production machine (cached), then types the product's commands one after another in a
fresh release folder ``demo/release``. In the middle of the run the runner is killed with SIGKILL; one command finishes it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import time
from pathlib import Path

import click

from demo import door, estate, package, pki, production
from demo.alone import alone
from demo.screen import BEGAN, DemoFailed, background, fulldress, say, scene
from fulldress.adapters import scope
from fulldress.cli.main import guarded
from fulldress.cli.progress import terminal_progress
from fulldress.errors import EXIT_NO_GO, EXIT_USAGE
from fulldress.store.folder import PLAN, RUNS, WAIVERS
from fulldress.store.journal import read_journal

HERE = Path(__file__).parent
RELEASE = HERE / "release"
"""Where the release folder is made, unless --into says otherwise."""
MACHINE = f"machine:{estate.NAME}"
SECRETS = "/etc/dten-lims/secrets.env"
ANSWER = "the CA was rotated last quarter; the old key expired and was not compromised"
SPOILED = "09"
"""The step that loses its undo in a full demo: a migration."""
KILL_AFTER_STEPS = 8
"""The runner is killed when so many steps have begun."""


@click.command()
@click.option("--results", default=200_000, show_default=True, help="Rows in production's result table.")
@click.option("--size", "size_gb", default=0.0, help="Grow production's database to about so many GB.")
@click.option("--no-kill", is_flag=True, help="Let the runner live.")
@click.option("--full", is_flag=True, help="Rehearse three times, roll back from every step, crash inside every step.")
@click.option("--ssh", "far", is_flag=True, help="Reach production over SSH, as a machine that stands elsewhere.")
@click.option("--wait", "wait_s", default=0.0, help="Wait so many seconds for another demo to end; 0 refuses at once.")
@click.option("--into", type=click.Path(path_type=Path), default=RELEASE, help="Where to make the release folder.")
def demo(results: int, size_gb: float, no_kill: bool, full: bool, far: bool, wait_s: float, into: Path) -> None:
    """Play the upgrade of dten-lims 4.2 to 5.0."""
    with alone(wait_s):
        _play(results, size_gb, into.absolute(), kill=not no_kill, full=full, far=far)


def _play(results: int, size_gb: float, release: Path, *, kill: bool, full: bool, far: bool) -> None:
    scope.reap()
    scene(1, "Friday afternoon: a ZIP arrives, and there is a production")
    package.main()
    home = package.BUILD / "home" if far else None
    with production.production(results, size_gb, package.BUILD, terminal_progress(), far=home) as prod:
        address = door.ADDRESS if far else MACHINE
        say(f"production is up: dten-lims 4.2, {results} results, {address}")
        if home is not None:
            os.environ["HOME"] = str(home)  # where every command looks for its keys and its known hosts
        _folder(release, address)
        _inspect(release)
        _rotate_the_secret(prod)
        _rehearse(release, full=full)
        _run(prod, release, kill=kill)
        scene(9, "What is left")
        say(f"the third parties remember: {prod.remembered_briefly()}")
    fulldress("status", cwd=release)
    report = release / "report.html"
    say(f"the whole story on one page: {report} ({report.stat().st_size // 1024} KB, opens from disk)")
    say(f"played in {time.monotonic() - BEGAN:.0f} s")


def _folder(release: Path, address: str) -> None:
    shutil.rmtree(release, ignore_errors=True)
    archive = package.BUILD / package.NAME
    fulldress("new", release.name, "--package", str(archive), "--host", address, cwd=release.parent)
    text = (HERE / "release.toml").read_text().replace("{package}", str(archive)).replace(MACHINE, address)
    (release / "release.toml").write_text(text)
    for name in ("matrix.toml", "outside.toml", "traffic.toml"):
        shutil.copy(HERE / name, release)
    shutil.copy(package.BUILD / "vendor.toml", release)
    (release / WAIVERS).parent.mkdir()
    shutil.copy(HERE / "waivers.toml", release / WAIVERS)
    (release / "chain").mkdir()
    for certificate in sorted((package.BUILD / "vendor-portal").glob("*-ca-[gt]*.pem")):
        shutil.copy(certificate, release / "chain")
    _channels(release)


def _channels(release: Path) -> None:
    """What the vendor published, carried in by hand: the forum thread, and the portal's list of fingerprints."""
    portal = package.BUILD / "vendor-portal"
    for channel, name in (("forum", "forum-thread.txt"), ("portal", "fingerprints.txt")):
        (release / "channels" / channel).mkdir(parents=True)
        shutil.copy(portal / name, release / "channels" / channel)


def _inspect(release: Path) -> None:
    scene(2, "Taken apart before anyone runs it")
    say("What was written down about the vendor in 2024 counts because two people agreed on it")
    fulldress("vendor", "propose", "--by", "Erika Musterfrau", "--reason", "taken over from contract 4711", cwd=release)
    fulldress("vendor", "approve", "--by", "Max Mustermann", "--reason", "compared with the contract", cwd=release)
    fulldress("intake", cwd=release)
    _accept(release)
    scene(3, "Mapped onto what is installed")
    fulldress("inventory", cwd=release)
    fulldress("matrix", cwd=release)
    fulldress("matrix", "breaking", cwd=release)
    scene(4, "What would go wrong")
    fulldress("scan", cwd=release)
    scene(5, "Cured by patches over the untouched package")
    fulldress("adapt", cwd=release)
    scene(6, "A plan of steps that can be undone")
    fulldress("plan", cwd=release)


def _accept(release: Path) -> None:
    """The channels are read, the recorded contact is asked, two people decide; without it `run` refuses."""
    erika, max_, fingerprint = "Erika Musterfrau", "Max Mustermann", pki.NEW_RELEASE_KEY.fingerprint
    fulldress("vendor", "fetch", "--offline", cwd=release)
    fulldress("trust", "escalate", "--by", erika, cwd=release)
    say("Erika calls the contact recorded in 2024; the fingerprint is read aloud")
    confirmed = ("--outcome", "confirmed", "--why", "expired", "--fingerprint", fingerprint)
    fulldress("trust", "answer", "--by", erika, "--asked", "release management", *confirmed, "--text", ANSWER, cwd=release)
    old_key = package.BUILD / "vendor-portal" / "dten-release-2023.asc"
    fulldress("trust", "dossier", "--key", str(old_key), cwd=release)
    fulldress("trust", "accept", "--by", erika, "--reason", "called the contact recorded 2024-03-05", cwd=release)
    fulldress("trust", "accept", "--by", max_, "--reason", "read the dossier; heard the call", cwd=release)


def _rotate_the_secret(prod: production.Production) -> None:
    """The plan asks for it: what the package had in clear is rotated and kept in the host's own secret file."""
    say(f"Erika rotates the token that was in the package; the new one goes into {SECRETS} on production only")
    kept = prod.machine.read_file(SECRETS).decode()
    prod.machine.write_file(SECRETS, f"{kept}HOOKS_LAB_PARTNER_TOKEN=demo-{secrets.token_hex(12)}\n".encode(), mode=0o640)
    prod.machine.run(["chown", "root:dten", SECRETS])


def _rehearse(release: Path, *, full: bool) -> None:
    scene(7, "Rehearsed full dress and under load, as it came and adapted, forward and back")
    if not full:
        fulldress("rehearse", cwd=release)
        return
    _without_an_undo(release)
    say("Three times, back from every step, and with the runner, the step or the machine killed inside every step")
    fulldress("rehearse", "--times", "3", "--undo-at", "each", "--crash", "inside", cwd=release)


def _without_an_undo(release: Path) -> None:
    """What an undo is worth: somebody takes one out of the plan, and the rehearsal names what stays changed."""
    plan = release / PLAN
    whole = plan.read_text()
    down = re.compile(r"^down = '''.*?^'''\n", re.DOTALL | re.MULTILINE)
    before, step, after = whole.partition(f'id = "{SPOILED}')
    say(f"Somebody takes the undo of step {SPOILED} out of the plan; without a reason it is not a plan any more")
    plan.write_text(before + step + down.sub("", after, count=1))
    fulldress("plan", cwd=release, expect=(EXIT_USAGE,))
    say("With a reason it is; the rehearsal does not believe it")
    reason = 'irreversible-because = "a new column hurts nobody"\n[step.params]'
    plan.write_text(before + step + down.sub("", after, count=1).replace("[step.params]", reason, 1))
    fulldress("plan", cwd=release)
    fulldress("rehearse", "--adapted-only", "--undo-at", SPOILED, cwd=release, expect=(EXIT_NO_GO,))
    say("The plan as it was")
    plan.write_text(whole)
    fulldress("plan", cwd=release)


def _run(prod: production.Production, release: Path, *, kill: bool) -> None:
    scene(8, "The same plan on production, with its users")
    load = production.users(prod.root, package.BUILD / "users")
    try:
        if kill:
            _killed_in_the_middle(release)
            fulldress("resume", cwd=release)
        else:
            fulldress("run", cwd=release)
        time.sleep(2)
    finally:
        seen = load.stop()
    say(f"what the users saw: {production.said(seen)}")


def _killed_in_the_middle(release: Path) -> None:
    runner = background("run", cwd=release)
    while runner.poll() is None and _steps_begun(release) < KILL_AFTER_STEPS:
        time.sleep(0.02)
    if runner.poll() is not None:
        raise DemoFailed(f"`fulldress run` ended with exit code {runner.returncode} before it could be killed")
    runner.kill()
    runner.wait()
    say(f"kill -9 {runner.pid}: the runner is gone in the middle of step {KILL_AFTER_STEPS}; one command goes on")


def _steps_begun(release: Path) -> int:
    journals = sorted((release / RUNS).glob("*/journal.jsonl"))
    if not journals:
        return 0
    return sum(1 for event in read_journal(journals[-1]) if event.kind == "step-started")


if __name__ == "__main__":
    os.chdir(HERE.parent)
    sys.exit(guarded(lambda: demo(standalone_mode=False)))
