"""Starts the load generator, also inside a network namespace, and brings its report back.

The generator is a child process, so that its timing does not suffer from this one's work; it ends when this process does.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

import fulldress
from fulldress.errors import CapabilityMissing, FulldressError, UsageError
from fulldress.measure.load import SLOW_MS
from fulldress.model.rehearsal import LoadReport
from fulldress.rehearse.loadgen import REPORT_FILE, SAMPLES_FILE, Job, Sample, read_samples
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.openloop import Options
from fulldress.store.codec import read_json

_START_S = 60.0


class RunningLoad:
    """A load under way. Stop it, or wait for its end, exactly once; either gives the report."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path, started: float, longest_s: float) -> None:
        self._process = process
        self._directory = directory
        self._longest_s = longest_s
        self.started = started
        """Seconds since the epoch at which the schedule's zero is."""

    @property
    def running(self) -> bool:
        """Whether it is still sending or waiting for answers."""
        return self._process.poll() is None

    def stop(self) -> LoadReport:
        """Send nothing more, let what is under way end (up to its time-out), and report."""
        if self.running:
            self._process.terminate()
        return self.wait()

    def wait(self) -> LoadReport:
        """Wait until the schedule is played, and report."""
        try:
            self._process.wait(self._longest_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise _broken("it did not end in time", self._directory) from None
        end(self._process)
        if self._process.returncode:
            raise _broken(f"it ended with exit code {self._process.returncode}", self._directory)
        return read_json(self._directory / REPORT_FILE, LoadReport)

    def samples(self) -> Iterator[Sample]:
        """The single requests, once it has ended."""
        return read_samples(self._directory / SAMPLES_FILE)

    def kill(self) -> None:
        """End it without a report; does nothing when it has ended."""
        end(self._process)


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
) -> RunningLoad:
    """Start sending a schedule to ``http://HOST:PORT``; returns once the first request is about to leave.

    ``directory`` takes the report and the samples. Raises UsageError for a target that is no http address and
    CapabilityMissing when the process cannot be started (for example no such namespace).
    """
    options = _options(target, host_header, timeout_s, max_connections)
    directory.mkdir(parents=True, exist_ok=True)
    job = Job(
        options=options, planned=tuple(planned), directory=str(directory), source=source, slow_ms=slow_ms, lifeline=True
    )
    longest = (planned[-1].at_s if planned else 0.0) + timeout_s + 60
    with contextlib.ExitStack() as unless_started:
        process = _spawn(netns, directory)
        unless_started.callback(end, process)
        started = _started(process, job, directory)
        unless_started.pop_all()
    return RunningLoad(process, directory, started, longest)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a child if it still runs, and close our ends of its pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _options(target: str, host_header: str, timeout_s: float, max_connections: int) -> Options:
    address = urlsplit(target)
    if address.scheme != "http" or not address.hostname or address.path not in ("", "/"):
        raise UsageError(f"{target!r} is no address to send load to", fix="write http://HOST:PORT")
    header = host_header or address.netloc
    if any(ord(sign) <= ord(" ") or ord(sign) > ord("~") for sign in header):
        raise UsageError(f"{header!r} is no host name")
    return Options(
        host=address.hostname,
        port=address.port or 80,
        host_header=header,
        timeout_s=timeout_s,
        max_connections=max_connections,
    )


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


def _started(process: subprocess.Popen[bytes], job: Job, directory: Path) -> float:
    """Hand over the job; the moment of the schedule's zero."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # then it says nothing either
        process.stdin.write(msgspec.json.encode(job) + b"\n")
        process.stdin.flush()
    ready, _, _ = select.select([process.stdout], [], [], _START_S)
    line = process.stdout.readline() if ready else b""
    if not line:
        end(process)
        raise _broken("it did not start", directory)
    return float(msgspec.json.decode(line, type=dict[str, float])["started"])


def _broken(what: str, directory: Path) -> FulldressError:
    said = ""
    errors = directory / "loadgen.err"
    if errors.exists():
        said = errors.read_bytes()[-2000:].decode("utf-8", "backslashreplace").strip()
    return FulldressError(f"the load generator failed: {what}", why=said, slug="load-generator-failed")
