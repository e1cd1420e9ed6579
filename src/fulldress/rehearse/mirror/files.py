"""Files from a host by rsync: from a tree that is seen from here, or over SSH. Goes on where it was cut off.

Reads the host, writes only below the target. Knows nothing of databases but that some folders are not its business.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from fulldress.adapters.inroot import InTree
from fulldress.adapters.ssh import SshHost
from fulldress.errors import CapabilityMissing
from fulldress.ports import Host, Progress
from fulldress.rehearse.mirror.nouns import NEVER, MirrorFailed

PARTIAL = ".fulldress-partial"
"""Where rsync keeps the part of a large file that it had when the connection broke."""
SNAPSHOT = ".fulldress-mirror-"
"""Snapshots of ours on a host begin so; never copied."""
ATTRIBUTES = ("-aHAX", "--numeric-ids", "--no-human-readable", "--stats", "-s", "--timeout=180")
VANISHED, PARTLY = 24, 23
BROKEN = (10, 12, 20, 30, 35, 255)
"""How rsync says that the connection broke, or stood still."""
_PROGRESS = re.compile(r"\s*([\d,]+)\s+\d+%")
_FIGURE = re.compile(
    r"^(Literal data|Total transferred file size|Number of regular files transferred): ([\d,]+)", re.MULTILINE
)


class Source(NamedTuple):
    """Where rsync reads from."""

    place: str
    """Put before an absolute path of the host: ``/srv/tree``, ``user@host:`` or nothing."""
    options: tuple[str, ...] = ()
    remote: bool = False

    def at(self, path: str) -> str:
        """An absolute path of the host, for rsync."""
        return self.place + path


class Moved(NamedTuple):
    """What rsync did, or would do."""

    literal: int
    """Bytes that were moved."""
    size: int
    """Size of the files that differ."""
    files: int
    code: int
    said: str


class LeftOut(NamedTuple):
    """Something below the root that a pass does not copy."""

    path: str
    """Absolute, or a name pattern without a slash."""
    kept: bool = False
    """What the mirror has there stays: another pass fills it."""
    declared: bool = False
    """By a person: a file is left out too, and ``*``, ``?`` and ``[...]`` are wildcards."""


def source(host: Host, bandwidth: int = 0) -> Source:
    """Where the files of a host are read; raises CapabilityMissing when its root cannot be seen from here at all."""
    limit = (f"--bwlimit={bandwidth}",) if bandwidth else ()
    if isinstance(host, SshHost):
        way = host.rsync()
        return Source(way.place, (*way.options, *limit), remote=True)
    if isinstance(host, InTree):
        return Source("" if (tree := str(host.whole_tree())) == "/" else tree, limit)
    if host.root is not None:
        return Source(str(host.root), limit)
    raise CapabilityMissing(f"the root tree of {host.name} cannot be seen from here", fix="mirror it on a machine that can")


def filters(base: str, left_out: Sequence[LeftOut]) -> list[str]:
    """rsync's rules for a pass whose top is ``base``, an absolute path."""
    rules = [f"--filter=protect {PARTIAL}/", f"--exclude={SNAPSHOT}*", "--exclude=/**/.*.lck"]
    for path, kept, declared in left_out:
        if not path.startswith("/"):
            rules.append(f"--exclude={path}")
            continue
        top = base.rstrip("/") + "/"
        if not path.startswith(top):
            continue
        below = "/" + path[len(top) :]
        pattern = below.rstrip("/") if declared else literal(below)
        rules += [f"--filter=protect {pattern}/**", f"--filter=protect {pattern}"] if kept else []
        rules += [f"--include={pattern}/", f"--exclude={pattern}"] if declared else []
        rules.append(f"--exclude={pattern}/**")
    return rules


def tree_argv(base: str, left_out: Sequence[LeftOut]) -> list[str]:
    """rsync for one file system of a root tree."""
    deleting = ["--delete", "--delete-excluded", f"--partial-dir={PARTIAL}"]
    return ["rsync", *ATTRIBUTES, "-S", "-x", *deleting, *filters(base, left_out)]


def never() -> list[LeftOut]:
    """What no mirror holds."""
    return [LeftOut(path) for path in NEVER]


def would_move(argv: Sequence[str], src: Source, path: str, target: Path) -> Moved:
    """What the pass would do; nothing is written."""
    return run([*argv, "--dry-run"], src, path, target, None)


def run(argv: Sequence[str], src: Source, path: str, target: Path, progress: Progress | None) -> Moved:
    """One rsync from ``path`` of the host to ``target``. Ends with us: Ctrl-C takes it along.

    Returns also when files vanished (normal on a live machine) or some could not be copied: look at ``code``. Raises
    MirrorFailed when it ended in any other way.
    """
    if shutil.which("rsync") is None:
        raise CapabilityMissing("rsync is not installed", fix="apt-get install rsync")
    # killed ourselves, we must not leave one behind that writes into the mirror of the next refresh
    command = ["setpriv", "--pdeathsig", "TERM", *argv, *src.options, "--info=progress2", src.at(path), str(target)]
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
        assert child.stdout is not None, "asked for a pipe"
        reached = [0]
        try:
            said = "\n".join(_followed(child.stdout, progress, reached))
            code = child.wait()
        finally:
            _end(child)
        errors.seek(0)
        wrong = errors.read().decode(errors="replace").strip()
    figures = {name: int(number.replace(",", "")) for name, number in _FIGURE.findall(said)}
    moved = Moved(
        figures.get("Literal data", 0),
        figures.get("Total transferred file size", 0),
        figures.get("Number of regular files transferred", 0),
        code,
        wrong[-1500:],
    )
    if code not in (0, VANISHED, PARTLY):
        raise _failed(code, wrong, reached[0])
    return moved


def _failed(code: int, wrong: str, reached: int) -> MirrorFailed:
    if "rsync: command not found" in wrong or "rsync: not found" in wrong:
        return MirrorFailed("rsync is not installed on the host", why=wrong[-800:], fix="apt-get install rsync, there")
    if code in BROKEN or "connection unexpectedly closed" in wrong:
        return MirrorFailed(
            "the connection broke while files were copied",
            why=f"{reached / 1e6:.0f} MB of this file system had come. {wrong[-800:] or f'rsync ended with {code}'}",
            fix="run the command again: what was copied is kept, and it goes on from there",
        )
    return MirrorFailed("files could not be copied", why=wrong[-1500:] or f"rsync ended with {code}")


def _followed(stream: IO[bytes], progress: Progress | None, reached: list[int]) -> Iterator[str]:
    """rsync's lines; those that say how far it is become progress, and ``reached[0]`` is the bytes that came."""
    rest = b""
    while chunk := os.read(stream.fileno(), 1 << 16):
        *lines, rest = re.split(rb"[\r\n]", rest + chunk)
        for raw in lines:
            line = raw.decode(errors="replace")
            if found := _PROGRESS.match(line):
                now = int(found[1].replace(",", ""))
                if progress is not None and now > reached[0]:
                    progress.advance(now - reached[0])
                reached[0] = max(reached[0], now)
            else:
                yield line
    yield rest.decode(errors="replace")


def _end(child: subprocess.Popen[bytes]) -> None:
    """SIGTERM lets rsync put aside what it has of a large file; harmless when it has ended."""
    if child.returncode is None:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if child.stdout is not None:
        child.stdout.close()


def literal(path: str) -> str:
    """A path as an rsync pattern that matches only itself."""
    return "".join("\\" + c if c in "*?[\\" else c for c in path)


def folder_in(tree: Path, path: str) -> Path:
    """The folder ``path`` of the copied tree, made where missing; refuses to walk through a link in it."""
    here = tree
    for part in Path(path.lstrip("/")).parts:
        here = here / part
        if here.is_symlink() or (here.exists() and not here.is_dir()):
            raise MirrorFailed(f"{path} of the mirror lies behind something that is no folder, at {here}")
        here.mkdir(exist_ok=True)
    return here
