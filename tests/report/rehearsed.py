"""A rehearsal's report with something in every part, for the tests of the page."""

from __future__ import annotations

from fulldress.model.changes import Change, WriteSet
from fulldress.model.faults import Injection, Sweep, UndoneFrom
from fulldress.model.plan import StepTiming
from fulldress.model.proof import Allowed, Difference, Proof
from fulldress.model.rehearsal import (
    Act,
    Check,
    EndpointLoad,
    EndpointShift,
    FidelityFigure,
    FiredJob,
    LoadBucket,
    LoadReport,
    LockHold,
    LockImpact,
    LockWait,
    MirrorFacts,
    OutsideCall,
    RehearsalReport,
    Retries,
    SideEffect,
    StepDurations,
)

START = 1_795_000_000.0
STEPS = ("stop-units", "migrate", "start-units")


def difference(name: str = "/etc/lims.conf", part: str = "file") -> Difference:
    return Difference(part=part, name=name, before="content=aaaa", after="content=bbbb")  # type: ignore[arg-type]


def load(seconds: int = 60) -> LoadReport:
    buckets = tuple(
        LoadBucket(
            start=START + i,
            sent=20 + i % 7,
            failed=3 if 20 <= i < 24 else 0,
            p50=8,
            p99=900 if 20 <= i < 26 else 30,
            worst=1500,
        )
        for i in range(seconds)
    )
    return LoadReport(
        source="access.log", started=START, seconds=seconds, bucket_seconds=1.0, scheduled=1300, completed=1288,
        failed=12, waited=80, slow_ms=500, p50=8, p99=900, worst=3400, lag_p99_ms=0.2, outage_seconds=1, buckets=buckets,
        endpoint_outage_seconds=4.3, worst_endpoint="GET /api/results",
        endpoints={"GET /api/results": EndpointLoad(sent=700, failed=12, p50=8, p99=900, worst=3400, outage_seconds=4.3)},
    )  # fmt: skip


def steps(phase: str = "do") -> tuple[StepTiming, ...]:
    return tuple(
        StepTiming(
            id=name, title=name, kind="unit", phase=phase, started=START + 15 + 5 * n, ended=START + 19 + 5 * n, code=0
        )
        for n, name in enumerate(STEPS)
    )


def lock(statement: str = "ALTER TABLE result ADD COLUMN public_id uuid") -> LockHold:
    return LockHold(
        at=START + 20.5, relation="public.result", mode="AccessExclusive", waited=0.2, held=3.2, backend=7,
        statement=statement, waiters=4, step="migrate",
    )  # fmt: skip


def impact() -> LockImpact:
    waits = tuple(
        LockWait(at=START + 21 + n / 4, waited=2.5 - n / 4, backend=20 + n, statement="SELECT 1") for n in range(4)
    )
    return LockImpact(
        lock=lock(), waits=waits, slowed=80, failed=12, endpoints=("GET /api/results",), sources=("uprobes", "server log")
    )


def retried() -> Retries:
    return Retries(
        endpoint="api.example:443",
        method="POST",
        path="/v1/hooks",
        attempts=3,
        failed=2,
        intervals=(0.51, 1.02),
        scripted=("503",),
        asked_s=3,
        recovered=True,
    )


def job() -> FiredJob:
    return FiredJob(
        name="/etc/cron.d/dten-import:3", kind="cron", command="/opt/bin/dten-import", due=START + 7000, fired=START + 90,
        seconds=2.5, code=3, writes=("/var/spool/lims/in.csv",), output="sftp: no such host\ngiving up",
        calls=(OutsideCall(at=START + 91, protocol="sftp", endpoint="sftp.old-labs.example:22", path="/in"),),
    )  # fmt: skip


def injection(moment: str = "inside", *, fired: bool = True, equal: bool = True, step: str = "migrate") -> Injection:
    return Injection(
        step=step, phase="do", moment=moment, fault="kill-step", point=0.5, fired=fired, ending="rolled-back", equal=equal,
        differences=() if equal else (difference("public.result", "rows"),), seconds=4,
    )  # type: ignore[arg-type]  # fmt: skip


def sweep(*injections: Injection) -> Sweep:
    undone = (
        UndoneFrom(step="stop-units", steps=1, equal=True),
        UndoneFrom(step="migrate", steps=2, equal=False, differences=(difference(),)),
    )
    return Sweep(undone=undone, injections=injections, workers=2, seconds=200)


def report() -> RehearsalReport:
    """Every part that the page can show."""
    proof = Proof(
        equal=False, before={"file": "a" * 64}, after={"file": "b" * 64}, counted={"file": 9}, differences=(difference(),),
        allowed=(Allowed(part="file", pattern="/var/log/*", reason="logs grow"),),
    )  # fmt: skip
    effect = SideEffect(
        kind="webhook", endpoint="hooks.example:80", method="POST", path="/v1/webhooks", resource="wh_1",
        undo="DELETE http://hooks.example/v1/webhooks/wh_1",
    )  # fmt: skip
    came = Act(
        name="as-it-came", title="the package as it came, then a snapshot restore", steps=steps(), load=load(),
        locks=(lock(),), impacts=(impact(),), effects=(effect,), notes=("locks: exact",),
    )  # fmt: skip
    adapted = Act(
        name="adapted",
        title="the adapted package",
        steps=steps(),
        load=load(),
        locks=(lock(),),
        jobs=(job(),),
        retries=(retried(),),
    )
    back = Act(name="rollback", title="forward and back", steps=(*steps(), *steps("undo")), proof=proof)
    return RehearsalReport(
        id="20261122T030000Z-abcd", plan_digest="d" * 64, started="2026-11-22T03:00:00+00:00", verdict="fail",
        checks=(Check(name="equal after rollback", judgement="fail", measured="1 differs", limit="0 differ"),),
        acts=(came, adapted, back), durations={"mirror": 8.0}, not_shown=("Hardware differs.",),
        mirror=MirrorFacts(host="ssh:p", refreshed=START - 600, seconds=8, copied_bytes=1, databases=("15/main: copied",)),
        sweep=sweep(injection(), injection("after", fired=False), injection(equal=False)), times=3,
        step_durations=(StepDurations(step="migrate", phase="do", samples=(2.0, 3.0, 2.5), median=2.5, worst=3.0),),
        shifts=(
            EndpointShift(
                endpoint="GET /api/results", before=700, after=698, p50_before=8, p50_after=9, p99_before=30, p99_after=45,
                low=0.1, high=0.4, judgement="regressed",
            ),
        ),
        fidelity=(FidelityFigure(name="rate, RMSE", measured=0.04, noise=0.05, meaning="requests a minute"),),
        write_set=WriteSet(
            changes=(Change(path="/etc/lims.conf", before="file", after="file", what=("content",), bytes=200),),
            control=12, backup=("/etc/lims.conf",), backup_bytes=200,
        ),
    )  # fmt: skip
