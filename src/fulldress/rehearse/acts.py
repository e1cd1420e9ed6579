"""One act of a rehearsal: a plan played on a fresh clone, with the sink listening, and what was seen.

Three kinds of act: under load (to measure), under load followed by a snapshot restore (the package as it came), and quiet,
forward and back (to prove rollback). An act reads the mirror and writes only below the rehearsal's own directory.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from fulldress import engine
from fulldress.measure.load import punctuality
from fulldress.model.changes import WriteSet
from fulldress.model.plan import PlanLock, StepTiming
from fulldress.model.proof import Proof
from fulldress.model.rehearsal import Act, LockHold, LockImpact
from fulldress.ports import Clone, Host
from fulldress.rehearse import proof
from fulldress.rehearse.beside import Beside
from fulldress.rehearse.containment import Containment
from fulldress.rehearse.intervals import MODES, STRONG
from fulldress.rehearse.ledger import step_at
from fulldress.rehearse.locks import LockTrace
from fulldress.rehearse.locktimeline import timeline
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.network import Network
from fulldress.rehearse.samples import Sample
from fulldress.rehearse.serverlog import ServerLog
from fulldress.rehearse.setting import Setting
from fulldress.rehearse.sink import Sink, start_sink
from fulldress.rehearse.target import Target, target_of
from fulldress.rehearse.traffic import RunningLoad, start_load
from fulldress.store.journal import Journal

CALM_S = 6.0
"""Load before the plan begins, so that the chart shows what ordinary looks like."""
AFTER_S = 5.0
"""Load after the plan ended: queues drain, caches fill, the worker catches up."""
HEALTH_S = 60.0


class Stage(NamedTuple):
    """A booted clone with its sink."""

    clone: Clone
    sink: Sink
    directory: Path
    watch: Containment

    @property
    def host(self) -> Host:
        """The clone as it is booted now."""
        return self.clone.host


@contextlib.contextmanager
def timed(durations: dict[str, float], what: str) -> Iterator[None]:
    """Add the seconds of a piece of work to the rehearsal's durations."""
    started = time.monotonic()
    yield
    durations[what] = round(durations.get(what, 0.0) + time.monotonic() - started, 3)


@contextlib.contextmanager
def staged(setting: Setting, name: str, *, volatile: bool = False) -> Iterator[Stage]:
    """A fresh clone, its sink, and the product answering; all gone afterwards. ``volatile``: its syncs cost nothing."""
    directory = setting.directory / name
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        label = f"{setting.id[-4:]}-{name}"
        network = stack.enter_context(Network(setting.keeper, label=label, wiring=setting.wiring))
        sink = start_sink(network.sink, directory, setting.outside)
        stack.callback(sink.stop)
        with timed(setting.durations, "clone and boot"):
            making = setting.driver.at(setting.scratch)
            made = making.make(setting.mirror, network, label=label, trust=sink.authority.read_bytes(), volatile=volatile)
            clone = stack.enter_context(made)
        with timed(setting.durations, "until the product answers"):
            await_product(clone.host, setting.release.estate.base_url)
        yield Stage(clone, sink, directory, Containment(clone))


def await_product(host: Host, url: str) -> None:
    """Wait until the product answers on the clone; a clone on which it never does is said by the load itself."""
    script = f'for i in $(seq {int(HEALTH_S * 5)}); do curl -sk -o /dev/null -m 2 -- "$1" && exit 0; sleep 0.2; done; exit 1'
    host.run(["bash", "-c", script, "await", url], timeout_s=HEALTH_S * 3)


def play(
    setting: Setting,
    stage: Stage,
    lock: PlanLock,
    *,
    undo: bool = False,
    keep_going: bool = False,
    after: Callable[[str], None] | None = None,
) -> list[StepTiming]:
    """Play a plan on the clone, by the same engine that will run it on production. ``after`` is told each step's end."""
    total = len(lock.plan.step)
    setting.progress.start(f"{'undoing' if undo else 'playing'} {total} steps", total)

    def tell(event: engine.StepEvent) -> None:
        if event.kind == "ended":
            setting.progress.advance()
            if after is not None:
                after(event.step.id)

    journal = stage.directory / "journal.jsonl"

    def perform(on_event: Callable[[engine.StepEvent], None]) -> engine.Outcome:
        return engine.perform(
            lock,
            stage.host,
            run_id=f"{setting.id}-{stage.directory.name}",
            state_dir=setting.engine_dir,
            journal=Journal(journal),
            push=setting.blobs.read,
            on_event=on_event,
            undo=undo,
            rollback_on_failure=not keep_going,
        )

    timings = stage.watch.played(perform, journal, tell)
    setting.progress.finish()
    return timings


def under_load(
    setting: Setting,
    lock: PlanLock,
    *,
    name: str,
    title: str,
    restore: bool = False,
    then: Callable[[Host], str] | None = None,
) -> Act:
    """The plan under load. With ``restore``, a snapshot restore follows, and what it does not revert is noted.

    ``then`` looks at the clone when plan and load are over; what it says is noted.
    """
    with staged(setting, name) as stage:
        before = _capture(setting, stage) if restore else None
        log = ServerLog(stage.host, setting.release.estate.database)
        trace = LockTrace(stage.host, setting.release.estate.database)
        load = loaded(setting, stage, setting.load.planned, stage.directory / "load")
        try:
            with log, trace:
                time.sleep(CALM_S)
                with timed(setting.durations, f"plan, {name}"):
                    steps = play(setting, stage, lock, keep_going=restore)
                time.sleep(AFTER_S)
            report = load.stop()
        finally:
            load.kill()
        said = then(stage.host) if then is not None else ""
        act = Act(
            name=name,
            title=title,
            steps=tuple(steps),
            load=report,
            locks=tuple(attributed(_strongest(trace.holds()), steps)),
            impacts=tuple(_impacts(setting, trace, log, load.samples(), steps)),
            calls=tuple(stage.sink.calls(steps=steps)),
            retries=tuple(stage.sink.retries()),
            effects=tuple(stage.sink.effects(steps=steps)),
            unrecorded=stage.sink.tally().unaccounted if setting.driver.full_dress else None,
            contained=tuple(stage.watch.found),
            notes=(
                *(*setting.load.notes, punctuality(report), trace.note, log.note),
                *(_outside(setting, stage), *stage.watch.notes),
                *filter(None, (said,)),
            ),
        )
    if before is None:
        return act
    return msgspec.structs.replace(act, proof=_restored(setting, before))


def loaded(setting: Setting, stage: Stage, planned: Sequence[Planned], directory: Path) -> RunningLoad:
    """A load of a clone, under way."""
    target = _target(setting, stage)
    return start_load(
        target.url,
        planned,
        host_header=target.host_header,
        tls=target.tls,
        directory=directory,
        netns=stage.clone.front.netns,
        source=setting.load.source,
        slow_ms=setting.release.objectives.slow_ms,
    )


def _impacts(
    setting: Setting, trace: LockTrace, log: ServerLog, samples: Iterable[Sample], steps: Sequence[StepTiming]
) -> list[LockImpact]:
    """Which locks stood in the way of whom."""
    holds, slow_s = attributed(trace.holds(), steps), setting.release.objectives.slow_ms / 1000
    return timeline(holds, trace.witness, log.waits, log.changes, samples, name=trace.name, slow_s=slow_s)


def _target(setting: Setting, stage: Stage) -> Target:
    """Where the load goes: a clone is known to itself as production is, a staging host under its own address."""
    front = stage.clone.front
    known = setting.release.estate.base_url if setting.driver.full_dress else front.url
    return target_of(known, urlsplit(front.url).hostname or "", front.netns)


def _restored(setting: Setting, before: proof.StateSnapshot) -> Proof:
    """A snapshot restore: the machine as it was, from the same mirror. Compared like any other rollback."""
    with staged(setting, "restored") as stage:
        allowed = (*setting.allowed, *proof.BETWEEN_CLONES)
        return proof.compare(before, _capture(setting, stage), allowed)


def forward_and_back(setting: Setting, lock: PlanLock, *, name: str, title: str) -> tuple[Act, WriteSet | None]:
    """The plan on a quiet clone, done and undone; everything is compared with what it was before. Also what it wrote."""
    with staged(setting, name) as stage, _control(setting) as control:
        beside = Beside(setting.mirror, stage.clone, control)
        before = _capture(setting, stage)
        with timed(setting.durations, "plan, quiet"):
            done = play(setting, stage, lock, after=beside.seen.step)
        if stage.watch.over:
            return Act(name=name, title=title, steps=tuple(done), contained=tuple(stage.watch.found)), None
        with timed(setting.durations, "write-set"):
            writes = beside.write_set(before, done)
        with timed(setting.durations, "rollback"):
            undone = play(setting, stage, lock, undo=True)
        after = _capture(setting, stage)
        steps = [*done, *(step for step in undone if step.phase == "undo")]
        act = Act(
            name=name,
            title=title,
            steps=tuple(steps),
            calls=tuple(stage.sink.calls(steps=steps)),
            retries=tuple(stage.sink.retries()),
            effects=tuple(stage.sink.effects(steps=steps)),
            unrecorded=stage.sink.tally().unaccounted if setting.driver.full_dress else None,
            contained=tuple(stage.watch.found),
            proof=beside.named(proof.compare(before, after, setting.allowed)),
            notes=(_outside(setting, stage), *stage.watch.notes),
        )
        return act, writes


@contextlib.contextmanager
def _control(setting: Setting) -> Iterator[Clone | None]:
    """A clone that nothing is done to, where clones are made."""
    if not setting.driver.full_dress:
        yield None
        return
    with staged(setting, "control") as stage:
        yield stage.clone


def _capture(setting: Setting, stage: Stage) -> proof.StateSnapshot:
    return capture_state(setting, stage.host)


def capture_state(setting: Setting, host: Host) -> proof.StateSnapshot:
    """What a clone is at this moment: files, units, configuration, rows, schema."""
    estate = setting.release.estate
    with timed(setting.durations, "proof"):
        return proof.capture(
            host,
            databases=(estate.database,) if estate.database else (),
            config_globs=estate.config_files,
        )


def _outside(setting: Setting, stage: Stage) -> str:
    if not setting.driver.full_dress:
        return "No sink stood around the staging host: what it asked of the outside is not known."
    return reconciled(stage.sink)


def reconciled(sink: Sink) -> str:
    """What the sink recorded beside what the kernel counted; something that slipped past is said by name."""
    tally = sink.tally()
    pings = f" It pinged {', '.join(tally.pinged)}: a ping is always answered." if tally.pinged else ""
    if tally.reconciled:
        places = len(tally.kernel)
        return f"The kernel counted {places} places that the clone tried to reach; the sink answered them all.{pings}"
    return f"Left the clone without being recorded by the sink: {', '.join(tally.unaccounted)}."


def _strongest(holds: Sequence[LockHold]) -> list[LockHold]:
    """The locks worth showing, the longest hold or wait first."""
    strong = [hold for hold in holds if MODES.index(hold.mode) >= STRONG]
    return sorted(strong, key=lambda hold: (-(hold.held + hold.waited), hold.at))


def attributed(locks: Sequence[LockHold], steps: Sequence[StepTiming]) -> list[LockHold]:
    """Say of each lock during which step it was asked for; those between steps stay without."""
    return [msgspec.structs.replace(lock, step=step_at(lock.at, steps)) for lock in locks]
