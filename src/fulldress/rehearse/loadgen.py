"""The load generator as a process of its own: ``python -m fulldress.rehearse.loadgen``.

It can be started inside a network namespace. Standard input: one line, the :class:`Job` as JSON. Standard output: one line
``{"started": EPOCH}`` as soon as the schedule's zero is known. Results are files in the job's directory: ``load.json`` (a
LoadReport) and ``samples.bin``. SIGTERM or SIGINT ends it early and it still reports; so does the end of standard input when
the job says ``lifeline``, so that it cannot outlive whoever started it. Nothing else is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop

from fulldress.measure.load import SLOW_MS, Outcome, report
from fulldress.rehearse.model_traffic import MOST_PLANNED, Planned
from fulldress.rehearse.openloop import Engine, Options
from fulldress.store.codec import write_bytes, write_json

REPORT_FILE = "load.json"
SAMPLES_FILE = "samples.bin"
_RECORD = struct.Struct("<dffHHB")
_GENERATOR_LIMITED_S = 0.001
_NICE = -10


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What one process sends, and where its results go."""

    options: Options
    planned: tuple[Planned, ...]
    directory: str
    source: str
    slow_ms: float = SLOW_MS
    lifeline: bool = False


class Sample(NamedTuple):
    """One line of ``samples.bin``: times in seconds, ``latency`` None without an answer or time-out."""

    due: float
    latency: float | None
    lag: float
    status: int
    endpoint: str
    generator_limited: bool
    """The generator itself was more than a millisecond late."""


def main() -> int:
    """Entry point of the process."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    if len(job.planned) > MOST_PLANNED:
        sys.stderr.write(f"more than {MOST_PLANNED} requests in one schedule\n")
        return 2
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(_perform(job))
    return 0


@contextlib.contextmanager
def _punctual() -> Iterator[None]:
    """While load is sent: no pauses of the garbage collector (the load is bounded), and first on the processor.

    Real-time order at its lowest priority; it sleeps whenever nothing is due, and the kernel keeps a share for all others.
    Without the right to it, a better nice value; without that, as it is: the report tells the lag in any case.
    """
    gc.freeze()
    gc.disable()
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        gc.enable()


async def _perform(job: Job) -> None:
    loop = asyncio.get_running_loop()
    engine = Engine(job.planned, job.options)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, engine.stop)
    if job.lifeline:
        await loop.connect_read_pipe(lambda: _Lifeline(engine), sys.stdin)
    await engine.warm_up()
    with _punctual():
        running = asyncio.create_task(engine.run())
        await asyncio.sleep(0)
        sys.stdout.write(msgspec.json.encode({"started": engine.started}).decode() + "\n")
        sys.stdout.flush()
        await running
    _write(job, list(engine.outcomes()), engine)


class _Lifeline(asyncio.Protocol):
    """Standard input's end means that whoever started this process is gone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self._engine.stop()


def _write(job: Job, outcomes: list[Outcome], engine: Engine) -> None:
    directory = Path(job.directory)
    write_bytes(directory / SAMPLES_FILE, _packed(outcomes))
    result = report(outcomes, source=job.source, started=engine.started, ended=engine.ended, slow_ms=job.slow_ms)
    write_json(directory / REPORT_FILE, result)


def _packed(outcomes: list[Outcome]) -> bytes:
    names = {name: number for number, name in enumerate(sorted({one.endpoint for one in outcomes}))}
    out = bytearray(msgspec.json.encode(list(names)) + b"\n")
    for one in outcomes:
        latency = -1.0 if one.latency is None else one.latency
        limited = one.lag > _GENERATOR_LIMITED_S
        out += _RECORD.pack(one.due, latency, one.lag, one.status, names[one.endpoint], limited)
    return bytes(out)


def read_samples(path: Path) -> Iterator[Sample]:
    """The single requests of a load, in the order they were due."""
    head, _, packed = path.read_bytes().partition(b"\n")
    names = msgspec.json.decode(head, type=list[str])
    for due, latency, lag, status, endpoint, limited in _RECORD.iter_unpack(packed):
        yield Sample(due, None if latency < 0 else latency, lag, status, names[endpoint], bool(limited))


if __name__ == "__main__":
    raise SystemExit(main())
