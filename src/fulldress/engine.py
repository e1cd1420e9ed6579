"""Durable execution of a plan on one host: DBOS behind our port, and the only writer of run events.

The plan's steps are DBOS steps; each is a job on the host that runs once however often it is asked for
(:mod:`fulldress.adapters.transient`), so killing this process at any moment loses and repeats nothing: the next call of
:func:`perform` with the same run goes on. DBOS' rows can be changed by anyone who can write the file; the evidence is the
hash-chained journal, in which every event of a run is written once.

One run at a time in a process; callers hold the lock. Nothing here knows rehearsal from production.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy
from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID
from sqlalchemy import event as sql_event

from fulldress.enginework import Live, Outcome, StepEvent, todo
from fulldress.errors import FulldressError
from fulldress.model.plan import PlanLock
from fulldress.ports import Host
from fulldress.store.codec import canonical
from fulldress.store.journal import Journal

__all__ = ["Outcome", "StepEvent", "perform"]

APPLICATION_VERSION = "fulldress-engine-1"
"""Fixed: DBOS recovers only workflows of the same version, and a run must survive an update of this program."""
EXECUTOR = "runner"
TAKE_UP_S = 0.05
"""How often DBOS looks for what an earlier process left pending."""


class EngineStuck(FulldressError):
    """The engine did what there was to do but did not record the end of it; ``fulldress resume`` goes on safely."""

    slug = "engine-stuck"


_LIVE: dict[str, Live] = {}


def perform(
    lock: PlanLock,
    host: Host,
    *,
    run_id: str,
    state_dir: Path,
    journal: Journal,
    push: Callable[[str], bytes],
    on_event: Callable[[StepEvent], None] | None = None,
    stop_after: str | None = None,
    undo: bool = False,
    rollback_on_failure: bool = True,
    stop: threading.Event | None = None,
    fence: str = "",
) -> Outcome:
    """Do the plan on the host (or undo what was done of it), going on where an earlier call of the same run ended.

    ``push`` reads a blob by SHA-256. A failing step is undone together with all before it, unless told otherwise.
    ``stop`` (set by anyone, at any time) or ``stop_after`` (a step id) end the call between steps with state ``stopped``.
    ``fence``: a step does nothing unless the host's holder file names it.
    Raises StateDiskFull, or FulldressError ``host-lost``; both leave a run that can be resumed.
    """
    folder = state_dir / "runs" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    phase = "undo" if undo else "do"
    live = Live(
        lock,
        host,
        run_id,
        folder,
        journal,
        phase,
        on_event=on_event,
        stop=stop or threading.Event(),
        stop_after=stop_after,
        fence=fence,
    )
    live.room()
    live.push(push)
    _LIVE[run_id] = live
    try:
        _launch(folder / "engine.sqlite")
        return _drive(live, phase, rollback_on_failure)
    except sqlalchemy.exc.OperationalError as error:
        raise live.disk_full_or(error) from error
    finally:
        live.abandoned.set()  # an interrupt leaves the worker waiting for the host: nobody listens to it any more
        DBOS.destroy()
        _LIVE.pop(run_id, None)


def _drive(live: Live, phase: str, rollback: bool) -> Outcome:
    """Let what an earlier process left pending end (or be superseded), then do what is still to do."""
    for status in DBOS.list_workflows(status=["PENDING", "ENQUEUED"]):
        _wait(live, status.workflow_id)
    if live.failure:
        raise live.failure
    work = todo(live, phase, rollback)
    if live.stopped_early or not work["items"]:
        return live.outcome()
    number = len(DBOS.list_workflows()) + 1
    name = f"{live.run_id}.{phase}.{number}"
    with SetWorkflowID(name):
        DBOS.start_workflow(_workflow, live.run_id, work)
    _wait(live, name)
    if live.failure:
        raise live.failure
    return live.outcome()


def _wait(live: Live, workflow_id: str) -> None:
    """Until the workflow has ended and DBOS has recorded that, or it has failed here; signals are still answered."""
    late = 0.0
    while live.failure is None:
        live.finished.wait(0.05)
        status = DBOS.get_workflow_status(workflow_id)
        if status is not None and status.status not in ("PENDING", "ENQUEUED", "DELAYED"):
            break
        if live.finished.is_set():
            late = late or time.monotonic()
            time.sleep(0.02)
            if time.monotonic() - late > 30:
                raise EngineStuck("the engine did not record the end of the run", fix="fulldress resume")
    live.finished.clear()


@DBOS.workflow(name="fulldress.work", max_recovery_attempts=1_000_000)
def _workflow(run_id: str, work: dict[str, Any]) -> str:
    """Items in order; after a failure the undo of everything begun, in reverse order, as ordinary steps."""
    live = _LIVE[run_id]
    try:
        return _work(live, run_id, work)
    except Exception as error:  # named boundary: the caller of perform gets it, DBOS records the attempt as failed
        live.failure = error
        raise
    finally:
        live.finished.set()


def _work(live: Live, run_id: str, work: dict[str, Any]) -> str:
    phase, begun = work["phase"], list(work["begun"])
    for step, attempt in work["items"]:
        if live.must_stop(phase):
            return "stopped"
        if phase == "do":
            begun.append([step, attempt])
        ended = _step(run_id, phase, step, attempt)
        if ended != 0 and phase == "do":
            return _undo_all(run_id, begun) if work["rollback"] else "failed"
        if live.stop_after == step and phase == live.phase:
            live.stopped_early = True
            return "stopped"
    return "ended"


def _undo_all(run_id: str, begun: list[list[Any]]) -> str:
    for step, attempt in reversed(begun):
        _step(run_id, "undo", step, attempt)
    return "rolled-back"


@DBOS.step(name="fulldress.step")
def _step(run_id: str, phase: str, step: str, attempt: int) -> int:
    """One phase of one step; returns its exit code. Everything else about it is in the journal."""
    return _LIVE[run_id].step(phase, step, attempt)


class _Json(Serializer):
    """JSON only: what lies in a file that others can write is never unpickled."""

    def name(self) -> str:
        return "fulldress_json"

    def serialize(self, data: Any) -> str:
        return canonical({"error": str(data)} if isinstance(data, BaseException) else {"value": data}).decode()

    def deserialize(self, serialized_data: str) -> Any:
        plain = json.loads(serialized_data)
        return RuntimeError(plain["error"]) if "error" in plain else plain["value"]


def _launch(path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")

    @sql_event.listens_for(engine, "connect")
    def _durable(connection: Any, record: Any) -> None:
        del record
        connection.isolation_level = "IMMEDIATE"
        for pragma in ("busy_timeout=30000", "foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

    config: DBOSConfig = {
        "name": "fulldress",
        "system_database_url": f"sqlite:///{path}",
        "system_database_engine": engine,
        "application_version": APPLICATION_VERSION,
        "executor_id": EXECUTOR,
        "log_level": "CRITICAL",
        "serializer": _Json(),
        "notification_listener_polling_interval_sec": 0.5,
    }
    dbos = DBOS(config=config)
    # What a killed process left pending is taken up from this queue, which looks once a second: each resume began that late.
    dbos._registry.get_internal_queue()._polling_interval_sec = TAKE_UP_S
    DBOS.launch()
