"""A crash sweep of a synthetic plan of twelve steps on a machine with PostgreSQL.  Run as root: python -m bench.sweep

Boots a machine made for this, mirrors it while it runs, plays the plan forward and back, then rolls back from every step and
breaks something at every moment of every step. Prints how many injections fired, how many machines were equal afterwards,
and the time; the target is at least 100 injections in at most 15 minutes on 2 cores.

    python -m bench.sweep [--crash each] [--points 1] [--workers 2] [--faults kill-runner,kill-step,power-cut]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fulldress.adapters import nspawn
from fulldress.adapters.image import base_image, copy_tree
from fulldress.adapters.scope import Scope
from fulldress.adapters.scratch import scratch_dir
from fulldress.model.faults import Sweep
from fulldress.model.plan import Plan, PlanLock, Step
from fulldress.model.release import Declared, Release
from fulldress.ports import Host, Keeper
from fulldress.rehearse import clones, mirror
from fulldress.rehearse.acts import forward_and_back
from fulldress.rehearse.crashsweep import sweep
from fulldress.rehearse.setting import Setting, quiet
from fulldress.rehearse.verdict import crash_check, undone_check
from fulldress.rehearse.wanted import USUAL, wanted
from fulldress.steps import StepContext, compile_step
from fulldress.store.blobs import BlobStore

TARGET_S, TARGET_INJECTIONS = 900.0, 100
UNIT = (
    "[Service]\nExecStart=/bin/sleep infinity\nKillMode=mixed\nTimeoutStopSec=2\n\n[Install]\nWantedBy=multi-user.target\n"
)
TABLE = "create table item (id bigint primary key, body text not null); insert into item select g, md5(g::text)"
PREPARE = f"""
mkdir -p /etc/swept /opt/swept/data
printf '[app]\\nworkers = 4\\n' >/etc/swept/app.conf
printf 'old\\n' >/etc/swept/extra.conf
for n in 1 2 3 4 5; do echo "$n" >/opt/swept/data/$n; done
printf '%s' '{UNIT}' >/etc/systemd/system/swept.service
systemctl daemon-reload; systemctl start swept.service
runuser -u postgres -- psql -qX -c "{TABLE} from generate_series(1, 5000) g"
"""
REBUILD = "for n in 1 2 3 4 5; do echo new-$n >/opt/swept/data/$n; sleep 0.05; done; echo made >/opt/swept/data/index\n"


def twelve() -> tuple[Step, ...]:
    """The plan: files, configuration, a unit, three migrations, a script; ten of the steps change something."""
    sql = {"database": "postgres"}
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("room", "check", {"command": "test -d /opt/swept"}),
        ("program", "files", {"path": "/opt/swept/app.py", "content": "print('new')\n", "mode": "0755"}),
        ("extra", "files", {"path": "/etc/swept/extra.conf", "content": "new\n"}),
        ("workers", "config-key", {"file": "/etc/swept/app.conf", "key": "app.workers", "value": "8"}),
        ("stop", "unit", {"action": "stop", "unit": "swept.service"}),
        (
            "column",
            "migration",
            {
                **sql,
                "content": "alter table item add column size integer",
                "down": "alter table item drop column if exists size",
                "verify-query": "select count(*) = 1 from information_schema.columns"
                " where table_name = 'item' and column_name = 'size'",
            },
        ),
        (
            "table",
            "migration",
            {
                **sql,
                "content": "create table kept as select id, body from item where id % 10 = 0",
                "down": "drop table if exists kept",
                "verify-query": "select to_regclass('kept') is not null",
            },
        ),
        (
            "rows",
            "migration",
            {
                **sql,
                "content": "update item set body = body || '!'",
                "down": "update item set body = rtrim(body, '!') where right(body, 1) = '!'",
                "verify-query": "select count(*) = 0 from item where right(body, 1) <> '!'",
            },
        ),
        ("data", "script", {"content": REBUILD, "guards": ["/opt/swept/data"], "verify": "test -e /opt/swept/data/index"}),
        ("start", "unit", {"action": "start", "unit": "swept.service"}),
        ("enable", "unit", {"action": "enable", "unit": "swept.service"}),
        ("answers", "check", {"command": "systemctl is-active --quiet swept.service"}),
    ]
    return tuple(Step(id=name, kind=kind, title=name, params=params, timeout_s=60) for name, kind, params in rows)


def locked(host: str, steps: tuple[Step, ...], blobs: BlobStore) -> PlanLock:
    """Steps as a compiled plan."""
    scripts = tuple(compile_step(step, StepContext({}, blobs.put)) for step in steps)
    plan = Plan(release="swept", host=host, step=steps)
    return PlanLock(digest="0" * 64, plan=plan, scripts=scripts, inputs={}, package_sha256="", adapted_sha256="")


def prepare(host: Host) -> None:
    """Make the machine what the plan upgrades."""
    done = host.run(["bash", "-euo", "pipefail", "-s"], stdin=PREPARE.encode(), timeout_s=120)
    if not done.ok:
        raise SystemExit(done.stderr.decode())


@contextlib.contextmanager
def ground(keeper: Keeper, name: str, base: Path | None = None) -> Iterator[Setting]:
    """A mirror of a machine made for this, and what a rehearsal of it plays in; taken away with the keeper.

    ``base``: the root tree that the machine is made of; else the base image.
    """
    scratch = scratch_dir()
    top = scratch / "clones" / name
    keeper.keep("tree", str(top))
    copy_tree(base or base_image(), top / "production")
    keeper.keep("machine", name)
    machine = nspawn.boot(top / "production", name)
    prepare(machine)
    copy = mirror.refresh(machine, top / "mirror")
    machine.poweroff()
    yield quiet(
        name,
        Release(name="swept", estate=Declared(database="postgres", base_url="file:///etc/swept/app.conf")),
        copy,
        blobs=BlobStore(top / "blobs"),
        directory=top / "rehearsal",
        engine_dir=top / "engine",
        scratch=scratch,
        keeper=keeper,
        driver=clones.driver("overlay", keeper, nspawn.boot),
    )


def show(found: Sweep, seconds: float) -> bool:
    """Print the table; True when everything fired and was equal."""
    print(f"{'fault':<15}{'moment':<9}{'phase':<7}{'tried':>6}{'fired':>7}{'equal':>7}{'good':>6}")
    rows = Counter((i.fault, i.moment, i.phase) for i in found.injections)
    for (fault, moment, phase), tried in sorted(rows.items()):
        mine = [i for i in found.injections if (i.fault, i.moment, i.phase) == (fault, moment, phase)]
        fired, equal, good = (sum(getattr(i, name) for i in mine) for name in ("fired", "equal", "good"))
        print(f"{fault:<15}{moment:<9}{phase:<7}{tried:>6}{fired:>7}{equal:>7}{good:>6}")
    checks = [*([undone_check(found, len(found.undone))] if found.undone else []), crash_check(found)]
    for check in checks:
        print(f"{check.name}: {check.judgement}, {check.measured}")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    print(
        f"{len(found.injections)} injections in {found.seconds:.0f} s with {found.workers} workers on {os.cpu_count()} cores"
        f" (whole run {seconds:.0f} s, CPU of orchestrators {cpu:.0f} s); target {TARGET_S:.0f} s"
    )
    return all(check.judgement == "pass" for check in checks)


def main() -> int:
    """Measure; exit 1 when something was not equal, did not fire, or took too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crash", default="each")
    parser.add_argument("--undo-at", default="each")
    parser.add_argument("--points", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--faults", default=",".join(USUAL))
    given, began = parser.parse_args(), time.monotonic()
    with Scope("bench-sweep") as keeper, ground(keeper, keeper.id) as setting:
        lock = locked(setting.mirror.host, twelve(), setting.blobs)
        asked = wanted([step.id for step in lock.plan.step], **vars(given))
        setting = setting._replace(wanted=asked)
        back, _ = forward_and_back(setting, lock, name="rollback", title="forward and back")
        if back.proof is None or not back.proof.equal:
            print(f"the plan itself cannot be undone: {back.proof}")
            return 1
        found = sweep(setting, lock, back).sweep
    good = show(found, time.monotonic() - began)
    enough = len(found.injections) >= TARGET_INJECTIONS or given.crash != "each"
    return 0 if good and enough and found.seconds <= TARGET_S else 1


if __name__ == "__main__":
    sys.exit(main())
