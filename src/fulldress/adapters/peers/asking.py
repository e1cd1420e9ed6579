"""Runs another program over copies of a package's files: a private folder, no network if the kernel allows, limits, a clock.

The copies are named by number, never by the package. The program's output is a stranger's word about a stranger's bytes:
it is parsed, not printed.
"""

from __future__ import annotations

import functools
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fulldress.adapters.limits import limit
from fulldress.model.finding import Finding

MAX_OUTPUT = 64 << 20
CPU_SECONDS = 300
FILE_BYTES = 1 << 30


class PeerFile(NamedTuple):
    """A file of the package that a peer may look at."""

    place: str
    data: Callable[[], bytes]
    """Reads it, when its turn comes: never two of them in memory at once."""


class Said(NamedTuple):
    """What a peer says of one line."""

    place: str
    line: int
    """1-based; 0 when it names none."""
    code: str
    """Its own name for what it found: ``SC2115``."""
    severity: str
    """``medium``, ``low`` or ``info`` in our words."""
    message: str
    more: str = ""
    """Advice, or where to read about the code."""


class Answer(NamedTuple):
    """All that a peer says."""

    version: str
    said: tuple[Said, ...]
    trouble: str = ""
    """Why it did not answer in full; empty when it did."""


class Done(NamedTuple):
    """How a program ended: exit code (None: out of time), stdout, stderr."""

    code: int | None
    out: bytes
    err: bytes


def program(name: str) -> str | None:
    """Where the program is: on PATH, or beside this interpreter; None when it is not installed."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


@functools.cache
def cut_off() -> tuple[str, ...]:
    """The words that run a program without network: ``unshare``; empty where the kernel does not let us."""
    for words in (("unshare", "--net", "--"), ("unshare", "--map-root-user", "--net", "--")):
        if shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    return ()


def ask(argv: Sequence[str], folder: Path, seconds: float) -> Done:
    """Run it in ``folder``, which is also its home. Ends it, and what it started, when the time is over."""
    out, err = folder / ".out", folder / ".err"
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
    }
    with out.open("wb") as stdout, err.open("wb") as stderr:
        child = subprocess.Popen(
            [*cut_off(), *argv], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            start_new_session=True, preexec_fn=_limits,
        )  # fmt: skip
        try:
            code: int | None = child.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(child)
    return Done(code, _read(out), _read(err))


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _limits() -> None:
    limit(
        {
            resource.RLIMIT_CPU: CPU_SECONDS,
            resource.RLIMIT_FSIZE: FILE_BYTES,
            resource.RLIMIT_NOFILE: 1024,
            resource.RLIMIT_CORE: 0,
        }
    )


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(MAX_OUTPUT)


def laid_out(files: Iterable[PeerFile], folder: Path, suffix: str = "") -> dict[str, str]:
    """Copies of the files under numbers; returns name -> place."""
    names = {}
    for number, file in enumerate(files):
        name = f"{number:06}{suffix}"
        (folder / name).write_bytes(file.data())
        names[name] = file.place
    return names


def version_of(path: str, folder: Path) -> str:
    """The first thing that looks like a version in what ``--version`` prints."""
    words = ask([path, "--version"], folder, 20).out.decode(errors="replace").split()
    return next((w.strip("(),") for w in words if w[:1].isdigit()), "unknown version")


def as_finding(peer: str, said: Said, others: Sequence[Said] = ()) -> Finding:
    """A finding of the peer's own; ``others`` are the same code elsewhere."""
    where = ", ".join(sorted({f"{o.place}:{o.line}" for o in others})[:4])
    also = f" Also at {where}" + (f" and {len(others) - 4} more places." if len(others) > 4 else ".") if others else ""
    times = f" ({len(others) + 1} times)" if others else ""
    return Finding(
        rule=f"{peer}/{said.code}",
        severity=said.severity,  # type: ignore[arg-type]
        confidence="possible",
        title=f"{peer}: {said.message.split(chr(10))[0]}{times}"[:300],
        place=said.place,
        line=said.line,
        consequence=f"{peer} says so; it is another program's opinion.{also}",
        fix=said.more or f"Look at the place and at what {peer} writes about {said.code}.",
    )
