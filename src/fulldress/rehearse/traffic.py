"""Starts the load generator, also inside a network namespace, and brings its report back.

The generator is a child process, so that its timing does not suffer from this one's work; it ends when this process does.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

import fulldress
from fulldress.errors import CapabilityMissing, FulldressError, UsageError
from fulldress.measure.load import SLOW_MS, nearest_rank, report
from fulldress.model.rehearsal import LoadReport, LoadShard
from fulldress.rehearse.link import Secure, Tls
from fulldress.rehearse.loadgen import FACTS_FILE, SAMPLES_FILE, Facts, Job, Zero
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.openloop import Options
from fulldress.rehearse.samples import Sample, merged, outcomes_in, packed, read_samples
from fulldress.rehearse.sessions import check_take
from fulldress.rehearse.wire import unsendable, unsendable_target
from fulldress.store.codec import read_json, write_bytes, write_json

REPORT_FILE = "load.json"
MOST_SHARDS = 16
_ONE_SHARD_RPS = 20_000
_START_S = 60.0
_LEAD_NS = 200_000_000
"""From "all are ready" to the schedule's zero."""


class _Plan(NamedTuple):
    directory: Path
    directories: tuple[Path, ...]
    """Of the processes: the same one when there is only one."""
    source: str
    slow_ms: float
    longest_s: float


class RunningLoad:
    """A load under way. Stop it, or wait for its end, exactly once; either gives the report."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]], plan: _Plan, started: float) -> None:
        self._processes = tuple(processes)
        self._plan = plan
        self.started = started
        """Seconds since the epoch at which the schedule's zero is."""

    @property
    def running(self) -> bool:
        """Whether it is still sending or waiting for answers."""
        return any(process.poll() is None for process in self._processes)

    def stop(self) -> LoadReport:
        """Send nothing more, let what is under way end (up to its time-out), and report."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        return self.wait()

    def wait(self) -> LoadReport:
        """Wait until the schedule is played, and report."""
        until = time.monotonic() + self._plan.longest_s
        for process, directory in zip(self._processes, self._plan.directories, strict=True):
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.kill()
                raise _broken("it did not end in time", directory) from None
            end(process)
            if process.returncode:
                self.kill()
                raise _broken(f"it ended with exit code {process.returncode}", directory)
        return self._report()

    def samples(self) -> Iterator[Sample]:
        """The single requests, once it has ended and was reported."""
        return read_samples(self._plan.directory / SAMPLES_FILE)

    def kill(self) -> None:
        """End it without a report; does nothing when it has ended."""
        for process in self._processes:
            end(process)

    def _report(self) -> LoadReport:
        plan = self._plan
        facts = [read_json(directory / FACTS_FILE, Facts) for directory in plan.directories]
        whole = plan.directory / SAMPLES_FILE
        parts = [directory / SAMPLES_FILE for directory in plan.directories]
        if parts != [whole]:
            write_bytes(whole, packed(merged(parts)))
        result = report(
            outcomes_in(whole),
            source=plan.source,
            started=self.started,
            ended=max(one.ended for one in facts),
            slow_ms=plan.slow_ms,
            held_back=sum(one.held_back for one in facts),
            shards=[_shard(path, one) for path, one in zip(parts, facts, strict=True)],
        )
        write_json(plan.directory / REPORT_FILE, result)
        return result


def _shard(path: Path, facts: Facts) -> LoadShard:
    lags = sorted(one.lag * 1000 for one in outcomes_in(path))
    return LoadShard(
        requests=len(lags),
        lag_p50_ms=round(nearest_rank(lags, 0.5), 3),
        lag_p99_ms=round(nearest_rank(lags, 0.99), 3),
        cpu_seconds=facts.cpu_seconds,
    )


def start_load(
    target: str,
    planned: Sequence[Planned],
    *,
    directory: Path,
    netns: str | None = None,
    host_header: str = "",
    source: str = "schedule",
    slow_ms: float = SLOW_MS,
    timeout_s: float = 10.0,
    max_connections: int = 2000,
    tls: Tls | None = None,
    shards: int | None = None,
    real_time: bool = True,
) -> RunningLoad:
    """Start sending a schedule to ``http(s)://HOST:PORT``; returns once the first request is about to leave.

    ``directory`` takes the report and the samples. ``tls`` says how an https target is trusted (else: by the machine's
    authorities). ``shards`` processes share the schedule (at most 16; by default as many as its rate needs): the
    requests, their times and the report are the same with any number. ``real_time`` puts them first on the processor,
    where that is allowed: punctual, at the expense of whatever else the machine does. Raises UsageError for a target
    that is no such address or a header that cannot be sent, and CapabilityMissing when a process cannot be started
    (for example no such namespace).
    """
    parts = split(planned, shards if shards is not None else shards_for(planned))
    options = _options(target, host_header, timeout_s, max(1, max_connections // len(parts)), tls)
    _sendable(planned)
    directories = [directory] if len(parts) == 1 else [directory / f"shard-{number}" for number in range(len(parts))]
    plan = _Plan(directory, tuple(directories), source, slow_ms, _longest(planned, timeout_s))
    with contextlib.ExitStack() as unless_started:
        processes = []
        for each, part in zip(directories, parts, strict=True):
            each.mkdir(parents=True, exist_ok=True)
            processes.append(process := _spawn(netns, each))
            unless_started.callback(end, process)
            job = Job(options=options, planned=tuple(part), directory=str(each), lifeline=True, real_time=real_time)
            _say(process, job)
        for process, each in zip(processes, directories, strict=True):
            _await_ready(process, each)
        zero = Zero(monotonic_ns=time.monotonic_ns() + _LEAD_NS, epoch=time.time() + _LEAD_NS / 1e9)
        for process in processes:
            _say(process, zero)
        unless_started.pop_all()
    return RunningLoad(processes, plan, zero.epoch)


def shards_for(planned: Sequence[Planned]) -> int:
    """How many processes a schedule needs: by its busiest second; half of the processors are left for the machine."""
    busiest = max(Counter(int(one.at_s) for one in planned).values(), default=0)
    return max(1, min(-(-busiest // _ONE_SHARD_RPS), len(os.sched_getaffinity(0)) // 2, MOST_SHARDS))


def split(planned: Sequence[Planned], shards: int) -> list[list[Planned]]:
    """Parts of a schedule for so many processes: in turn, but a session stays together."""
    if not 1 <= shards <= MOST_SHARDS:
        raise UsageError(f"{shards} shards of a load", fix=f"choose 1 to {MOST_SHARDS}")
    parts: list[list[Planned]] = [[] for _ in range(shards)]
    for index, one in enumerate(planned):
        parts[(index if one.session is None else one.session.id) % shards].append(one)
    return parts


def _longest(planned: Sequence[Planned], timeout_s: float) -> float:
    """Seconds after which it must have ended, whatever the server does: a session may time out at each of its requests."""
    inside: Counter[int] = Counter()
    thinking: dict[int, float] = {}
    last = 0.0
    for one in planned:
        last = max(last, one.at_s)
        if one.session is not None:
            inside[one.session.id] += 1
            thinking[one.session.id] = thinking.get(one.session.id, 0.0) + one.session.think_s
    sessions = max((thinking[each] + count * timeout_s for each, count in inside.items()), default=0.0)
    return last + timeout_s + sessions + 60


def _sendable(planned: Sequence[Planned]) -> None:
    """What would only fail when it is due is refused before anything is sent."""
    fine: set[str] = set()
    for one in planned:
        if one.path not in fine:
            if unsendable_target(one.path):
                raise UsageError(f"the target {one.path!r} cannot be sent")
            fine.add(one.path)
        if one.headers and (wrong := unsendable(one.headers)):
            raise UsageError(f"the header {wrong!r} of {one.endpoint or one.path} cannot be sent")
        for take in one.session.take if one.session else ():
            check_take(take)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a child if it still runs, and close our ends of its pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _options(target: str, host_header: str, timeout_s: float, max_connections: int, tls: Tls | None) -> Options:
    address = urlsplit(target)
    if address.scheme not in ("http", "https") or not address.hostname or address.path not in ("", "/"):
        raise UsageError(f"{target!r} is no address to send load to", fix="write http://HOST:PORT or https://HOST:PORT")
    header = host_header or address.netloc
    if any(ord(sign) <= ord(" ") or ord(sign) > ord("~") for sign in header):
        raise UsageError(f"{header!r} is no host name")
    secure = address.scheme == "https"
    options = Options(
        host=address.hostname,
        port=address.port or (443 if secure else 80),
        host_header=header,
        timeout_s=timeout_s,
        max_connections=max_connections,
        tls=(tls or Tls()) if secure else None,
    )
    if options.tls is not None:
        Secure(options.tls, header)  # what is wrong with it is said here rather than by the process
    return options


def _spawn(netns: str | None, directory: Path) -> subprocess.Popen[bytes]:
    prefix = ["ip", "netns", "exec", netns] if netns else []
    errors = (directory / "loadgen.err").open("wb")
    try:
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "fulldress.rehearse.loadgen"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=child_environment(),
            start_new_session=True,  # Ctrl-C reaches whoever started it, who then stops it and reads the report
        )
    except OSError as error:
        raise CapabilityMissing(f"the load generator cannot be started: {error}") from error
    finally:
        errors.close()


def child_environment() -> dict[str, str]:
    """This process's environment, in which a child finds the same package."""
    home = str(Path(fulldress.__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH", ""))))}


def _say(process: subprocess.Popen[bytes], what: Job | Zero) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # then it says nothing either
        process.stdin.write(msgspec.json.encode(what) + b"\n")
        process.stdin.flush()


def _await_ready(process: subprocess.Popen[bytes], directory: Path) -> None:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _START_S)
    if not ready or not process.stdout.readline():
        end(process)
        raise _broken("it did not start", directory)


def _broken(what: str, directory: Path) -> FulldressError:
    said = ""
    errors = directory / "loadgen.err"
    if errors.exists():
        said = errors.read_bytes()[-2000:].decode("utf-8", "backslashreplace").strip()
    return FulldressError(f"the load generator failed: {what}", why=said, slug="load-generator-failed")
