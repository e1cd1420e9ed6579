"""Nouns of a rehearsal and of a run: load, locks, side effects, proof of rollback, verdicts. No I/O."""

from __future__ import annotations

from typing import Literal

import msgspec

from fulldress.model.plan import StepTiming

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


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was before."""

    part: Literal["file", "unit", "config", "rows", "schema", "side-effect"]
    name: str
    before: str
    after: str


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the short allow-list of differences: pattern and reason."""

    part: str
    pattern: str
    reason: str


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """``proof.json``: is the machine after rollback what it was before? Digests per part, differences by name."""

    schema_version: int = 1
    equal: bool
    before: dict[str, str]
    """part -> digest"""
    after: dict[str, str]
    counted: dict[str, int]
    """part -> how many things were compared"""
    differences: tuple[Difference, ...]
    allowed: tuple[Allowed, ...]


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
    proof: Proof | None = None
    notes: tuple[str, ...] = ()


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
