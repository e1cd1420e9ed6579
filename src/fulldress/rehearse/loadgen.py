"""The load generator as a process of its own: ``python -m fulldress.rehearse.loadgen``.

It can be started inside a network namespace. Standard input: one line, the :class:`Job` as JSON; standard output: one line,
``{"ready":true}``, once connections are open; standard input again: one line, the :class:`Zero`, the same for all processes
that share a schedule. Results are files in the job's directory: ``samples.bin`` and ``engine.json`` (:class:`Facts`).
SIGTERM or SIGINT ends it early and it still reports; so does the end of standard input when the job says ``lifeline``, so
that it cannot outlive whoever started it. Nothing else is written.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fulldress.rehearse.model_traffic import MOST_PLANNED, Planned
from fulldress.rehearse.openloop import Engine, Options
from fulldress.rehearse.samples import packed
from fulldress.store.codec import write_bytes, write_json

FACTS_FILE = "engine.json"
SAMPLES_FILE = "samples.bin"
_NICE = -10


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What one process sends, and where its results go."""

    options: Options
    planned: tuple[Planned, ...]
    directory: str
    lifeline: bool = False
    real_time: bool = True
    """First on the processor while it sends."""


class Zero(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule's zero, by the monotonic clock and in seconds since the epoch."""

    monotonic_ns: int
    epoch: float


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What one process tells besides its samples."""

    ended: float
    held_back: int
    cpu_seconds: float
    """User and system time of this process between the schedule's zero and its last answer."""


def main() -> int:
    """Entry point of the process."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    if len(job.planned) > MOST_PLANNED:
        sys.stderr.write(f"more than {MOST_PLANNED} requests in one schedule\n")
        return 2
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    engine = Engine(job.planned, job.options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: engine.stop())
    engine.warm_up()
    sys.stdout.write('{"ready":true}\n')
    sys.stdout.flush()
    line = sys.stdin.buffer.readline()
    if not line:
        return 0  # whoever started it is gone
    zero = msgspec.json.decode(line, type=Zero)
    if job.lifeline:
        engine.watch(sys.stdin.fileno(), lambda: _lifeline(engine))
    with _punctual(job.real_time):
        before = time.process_time()
        engine.run(zero.monotonic_ns, zero.epoch)
        cpu = time.process_time() - before
    directory = Path(job.directory)
    write_bytes(directory / SAMPLES_FILE, packed(engine.outcomes()))
    write_json(directory / FACTS_FILE, Facts(ended=engine.ended, held_back=engine.held_back, cpu_seconds=round(cpu, 4)))
    return 0


@contextlib.contextmanager
def _punctual(real_time: bool) -> Iterator[None]:
    """While load is sent: no pauses of the garbage collector (the load is bounded), and first on the processor.

    Real-time order at its lowest priority; it sleeps whenever nothing is due, and the kernel keeps a share for all others.
    Without the right to it, a better nice value; without that, as it is: the report tells the lag in any case.
    """
    gc.freeze()
    gc.disable()
    if real_time:
        _come_first()
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        gc.enable()


def _come_first() -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)


def _lifeline(engine: Engine) -> None:
    """Standard input's end means that whoever started this process is gone."""
    if not os.read(sys.stdin.fileno(), 1):
        engine.stop()


if __name__ == "__main__":
    raise SystemExit(main())
