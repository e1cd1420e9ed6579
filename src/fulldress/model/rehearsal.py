"""Nouns of a rehearsal and of a run: load, locks, side effects, scheduled jobs, verdicts. No I/O."""

from __future__ import annotations

from typing import Literal

import msgspec

from fulldress.model.changes import WriteSet
from fulldress.model.faults import Sweep
from fulldress.model.plan import StepTiming
from fulldress.model.proof import Proof

Judgement = Literal["pass", "fail", "inconclusive", "no-data"]
"""Only ``pass`` is green."""


class LoadBucket(msgspec.Struct, frozen=True, kw_only=True):
    """One slice of time of the load (a tenth of a second or a second). Latencies in milliseconds."""

    start: float
    """Seconds since the epoch."""
    sent: int
    failed: int
    p50: float
    p99: float
    worst: float


class EndpointLoad(msgspec.Struct, frozen=True, kw_only=True):
    """The load of one endpoint template, ``GET /api/results/{id}``."""

    sent: int
    failed: int
    p50: float
    p99: float
    worst: float
    outage_seconds: float = 0.0
    """Longest run of requests that failed or were slow, from the first falling due to the end of the last."""


class LoadShard(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the load generator."""

    requests: int
    lag_p50_ms: float
    lag_p99_ms: float
    cpu_seconds: float
    """User and system time of this process from the first request being due to the last one being over."""


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """``traffic.json``: what the load saw. Latency counts from the *scheduled* send time."""

    schema_version: int = 1
    source: str
    """What the model was fitted to, or ``access log`` when a real log was read."""
    started: float
    seconds: float
    bucket_seconds: float
    scheduled: int
    completed: int
    failed: int
    """No answer, time-out, or status 5xx."""
    waited: int
    """Slower than ``slow_ms``."""
    slow_ms: float
    p50: float
    p99: float
    worst: float
    lag_p99_ms: float
    """The generator's own send lag; above 1 ms the latencies are partly its own."""
    outage_seconds: float
    """Longest stretch in which no request of any endpoint completed although some were due."""
    endpoint_outage_seconds: float = 0.0
    """Longest outage of a single endpoint: a locked table takes down those that need it, and only those."""
    worst_endpoint: str = ""
    buckets: tuple[LoadBucket, ...]
    endpoints: dict[str, EndpointLoad] = {}
    lag_p50_ms: float = 0.0
    generator_limited: float = 0.0
    """Share of the requests that left more than a millisecond late: their latencies are partly the generator's own."""
    failures: dict[str, int] = {}
    """Failed requests by kind: ``no-connection``, ``untrusted``, ``no-answer``, ``cut``, ``garbled``, ``timed-out``,
    ``server-error``, ``unexpected`` (not what was declared), ``unfilled`` (its session lacked a value: never sent)."""
    held_back: int = 0
    """Requests that found every connection the generator may open in use, and waited for one."""
    shards: tuple[LoadShard, ...] = ()


class LockHold(msgspec.Struct, frozen=True, kw_only=True):
    """A table lock that was taken while the plan ran. Seconds; ``at`` since the epoch."""

    at: float
    relation: str
    mode: str
    waited: float
    held: float
    backend: int
    statement: str = ""
    waiters: int = 0
    """Sessions that queued behind it."""
    step: str = ""


class LockWait(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One session that queued behind a lock. Seconds; ``at`` since the epoch."""

    at: float
    waited: float
    backend: int
    statement: str = ""


class LockImpact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the timeline: statement -> lock -> table -> who waited -> which requests suffered for it."""

    lock: LockHold
    waits: tuple[LockWait, ...] = ()
    slowed: int = 0
    """Requests that were under way while somebody waited for it, and slower than the limit."""
    failed: int = 0
    endpoints: tuple[str, ...] = ()
    """Of which endpoints, the worst first."""
    sources: tuple[str, ...] = ()
    """Who saw it: ``uprobes``, ``samples``, ``server log``, ``ddl trigger``."""


class FiredJob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A scheduled job that falls due in the window and was fired on a clone. Seconds; times since the epoch."""

    name: str
    """Unit, or ``file:line`` of a crontab."""
    kind: Literal["cron", "anacron", "timer", "at"]
    command: str
    due: float
    """When it falls due in production, in the estate's own time zone's reckoning."""
    fired: float = 0.0
    """When the clone's own scheduler started it; 0 when it did not."""
    seconds: float = 0.0
    code: int | None = None
    calls: tuple[OutsideCall, ...] = ()
    writes: tuple[str, ...] = ()
    """Paths it changed."""
    output: str = ""
    trouble: str = ""
    """Why it was not fired, or what went wrong."""


class EndpointShift(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint under one and the same schedule, before and after the upgrade. Milliseconds."""

    endpoint: str
    before: int
    """Requests that were measured."""
    after: int
    p50_before: float
    p50_after: float
    p99_before: float
    p99_after: float
    low: float
    """Interval of the relative change of the share of slow or failed requests, or of p99 (see ``measure``)."""
    high: float
    judgement: Literal["regressed", "improved", "unchanged", "not enough data"]
    measure: Literal["p99", "p50"] = "p99"
    """Of which the interval is: the one that decided."""


class FidelityFigure(msgspec.Struct, frozen=True, kw_only=True):
    """How like the log the load was, by one measure, beside how unlike one part of the log is to another."""

    name: str
    measured: float
    noise: float | None
    """The same measure between two halves of the log; None when there is too little of it."""
    meaning: str


class StepDurations(msgspec.Struct, frozen=True, kw_only=True):
    """How long a step took over all rehearsals of its plan, in seconds."""

    step: str
    phase: Literal["do", "undo"]
    samples: tuple[float, ...]
    median: float
    worst: float


class ExpectedLock(msgspec.Struct, frozen=True, kw_only=True):
    """The strongest lock that a step took on a table, and the longest it was held in any rehearsal. Seconds."""

    step: str
    relation: str
    mode: str
    held: float
    waited: float


class OutsideCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One connection or request that left the clone and was answered by the sink. Bodies are digests only."""

    at: float
    protocol: str
    """dns, http, https, sftp, smtp, tcp, udp."""
    endpoint: str
    """``name:port`` as asked for, or the address when it was hard-coded."""
    method: str = ""
    path: str = ""
    status: int = 0
    body_sha256: str = ""
    detail: str = ""
    step: str = ""


class SideEffect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something changed at a third party: it needs an undo of its own, because no snapshot reverts it."""

    kind: Literal["webhook", "flag", "credential", "upload", "mail", "other"]
    endpoint: str
    method: str
    path: str
    resource: str
    """What identifies it there (an id in the answer, a flag's name)."""
    opened_by: str = ""
    """Step id."""
    closed: bool = False
    """True when a later call undid it."""
    undo: str = ""
    """Drafted call that closes it: ``DELETE https://host/path/id``."""
    step: str = ""
    """The same as a step for ``plan.toml``; empty when no HTTP call undoes it, or nothing is left to undo."""


class Retries(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the machine did when a third party failed: how often it tried, and how long it waited in between. Seconds."""

    endpoint: str
    method: str = ""
    path: str = ""
    """Empty when it was the connection that failed."""
    attempts: int
    failed: int
    intervals: tuple[float, ...] = ()
    """From each failed attempt to the next."""
    scripted: tuple[str, ...] = ()
    """What struck it, as declared in ``outside.toml``."""
    asked_s: float = 0.0
    """The ``Retry-After`` that it was told."""
    recovered: bool = False
    """The last attempt succeeded."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the verdict table: measured, limit, margin."""

    name: str
    judgement: Judgement
    measured: str
    limit: str
    margin: str = ""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One act of a rehearsal: a plan played on one clone under one schedule of load."""

    name: str
    """``as-it-came``, ``adapted``, ``rollback``."""
    title: str
    steps: tuple[StepTiming, ...]
    load: LoadReport | None = None
    locks: tuple[LockHold, ...] = ()
    calls: tuple[OutsideCall, ...] = ()
    effects: tuple[SideEffect, ...] = ()
    unrecorded: tuple[str, ...] | None = None
    """Places that the kernel saw the clone reach for and the sink did not record; None when nobody counted."""
    impacts: tuple[LockImpact, ...] = ()
    """The timeline of the locks that mattered, the worst first."""
    retries: tuple[Retries, ...] = ()
    """What the machine did about calls that failed."""
    jobs: tuple[FiredJob, ...] = ()
    """Scheduled jobs that were fired in this act."""
    proof: Proof | None = None
    notes: tuple[str, ...] = ()
    contained: tuple[str, ...] = ()
    """What the plan did that the clone had to contain: went down, left things running, ran into its limits."""


class MirrorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the clones were made from, and how."""

    host: str
    refreshed: float
    """Seconds since the epoch when the copy began."""
    seconds: float
    copied_bytes: int
    databases: tuple[str, ...] = ()
    """``15/main: base backup``: each cluster and the way it was copied."""
    excluded: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    """Titles of the declared masking that was applied; empty: personal data is as in production."""
    driver: str = "overlay"
    """``overlay``, ``btrfs``, ``staging``: what made the clones."""
    doubtful: tuple[str, ...] = ()
    """Databases of the host that are not in the mirror as they should be, with the reason."""
    left_out: tuple[str, ...] = ()
    """File systems below the root that were not copied: ``/mnt/share: reason``."""
    files: int = 0
    file_bytes: int = 0
    full_dress: bool = True
    """False when the clones were not copies of production as a whole (a staging host)."""


class RehearsalReport(msgspec.Struct, frozen=True, kw_only=True):
    """``06-rehearsals/<id>/rehearsal.json``: everything the page shows."""

    schema_version: int = 1
    id: str
    plan_digest: str
    started: str
    verdict: Judgement
    checks: tuple[Check, ...]
    acts: tuple[Act, ...]
    durations: dict[str, float]
    """Stage of the rehearsal (mirror, clone, boot, plan, rollback, proof) -> seconds."""
    not_shown: tuple[str, ...]
    """What this rehearsal did not show."""
    mirror: MirrorFacts | None = None
    sweep: Sweep | None = None
    """Rollback from every step and crashes inside them, when asked for."""
    times: int = 1
    """How often the adapted package was rehearsed under load."""
    step_durations: tuple[StepDurations, ...] = ()
    expected_locks: tuple[ExpectedLock, ...] = ()
    shifts: tuple[EndpointShift, ...] = ()
    """The installed version and the new one on one schedule."""
    fidelity: tuple[FidelityFigure, ...] = ()
    write_set: WriteSet | None = None


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """``08-runs/<id>/run.json``."""

    schema_version: int = 1
    id: str
    plan_digest: str
    host: str
    operator: str
    state: Literal["running", "done", "failed", "rolled-back", "rollback-incomplete"]
    started: str
    ended: str = ""
    steps: tuple[StepTiming, ...] = ()
    load: LoadReport | None = None
    resumed: int = 0
    """How many times another process took the run over."""
    backup: str = ""
    """What was backed up before the first step, in words; empty: nothing was."""
    drift: tuple[str, ...] = ()
    """Paths that somebody else wrote meanwhile; each was named once and stopped the run."""
    watched: str = ""
    """What the drift alarm between the steps saw, in words; empty: nobody watched."""
    restored: str = ""
    """After a rollback: how the backed-up paths compare with their backup, in words."""
