"""Starts the sink's server inside its namespace, and reads what it recorded."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import select
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from fulldress.errors import CapabilityMissing, UsageError
from fulldress.model.plan import StepTiming
from fulldress.model.rehearsal import OutsideCall, Retries, SideEffect
from fulldress.rehearse.attempts import retries
from fulldress.rehearse.ledger import Tally, calls, effects, tally
from fulldress.rehearse.outside import Entry, Listen, Outside
from fulldress.rehearse.stubs import all_stubs
from fulldress.rehearse.stubs.base import KEY_VARIABLE
from fulldress.rehearse.traffic import child_environment, end
from fulldress.store.codec import write_bytes
from fulldress.store.state import state_dir

JOURNAL_FILE = "sink.jsonl"
_ERRORS = "sink.err"
_START_S = 30.0
_STOP_S = 10.0
_COUNTERS = ("seen4", "seen6", "pinged4", "pinged6")


class Sink:
    """A running sink. ``stop`` it; what it recorded can be read before and after."""

    def __init__(self, process: subprocess.Popen[bytes], netns: str | None, directory: Path, ready: dict[str, Any]) -> None:
        self._process = process
        self._netns = netns
        self.journal = directory / JOURNAL_FILE
        self.authority = Path(ready["authority"])
        """Certificate (PEM) that clones must trust for TLS to succeed."""
        self.listen = msgspec.convert(ready["ready"], Listen)
        self._counted: dict[str, int] | None = None

    @property
    def running(self) -> bool:
        """Whether it still answers."""
        return self._process.poll() is None

    def entries(self, since: float = 0.0) -> list[Entry]:
        """The journal's lines from a moment (epoch seconds) on."""
        decoder = msgspec.json.Decoder(Entry)
        lines = self.journal.read_bytes().split(b"\n")[:-1]  # a last line without its end is still being written
        return [entry for entry in map(decoder.decode, lines) if entry.at >= since]

    def calls(self, since: float = 0.0, steps: Sequence[StepTiming] = ()) -> list[OutsideCall]:
        """What was asked of the outside since then, each with the step that was under way."""
        return calls(self.entries(since), steps)

    def effects(self, since: float = 0.0, steps: Sequence[StepTiming] = ()) -> list[SideEffect]:
        """What was changed out there since then, with its undo."""
        return effects(self.entries(since), steps)

    def retries(self) -> list[Retries]:
        """What was tried again because it failed."""
        return retries(self.entries())

    def tally(self) -> Tally:
        """The journal beside the kernel's own counters; these are read for the last time when the sink stops."""
        kernel = self._counted if self._counted is not None else self._counters()
        return tally(self.entries(), kernel)

    def stop(self) -> None:
        """End the server; the journal stays. Does nothing when it has ended."""
        if self._counted is None:
            self._counted = self._counters()
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S)
        end(self._process)
        shutil.rmtree(self.authority.parents[1], ignore_errors=True)  # its keys, and what was uploaded: nobody needs it now

    def _counters(self) -> dict[str, int]:
        counted: dict[str, int] = {}
        for name in _COUNTERS if self._netns else ():
            command = ["ip", "netns", "exec", str(self._netns), "nft", "-j", "list", "set", "inet", "sink", name]
            done = subprocess.run(command, capture_output=True, check=False, timeout=10)
            if done.returncode == 0:
                counted.update(read_counters(done.stdout))
        return counted


def read_counters(listing: bytes) -> dict[str, int]:
    """``address:port/protocol`` (``address/icmp``) -> packets, from nft's JSON of one of the sink's sets."""
    counted: dict[str, int] = {}
    for part in msgspec.json.decode(listing).get("nftables", ()):
        for element in part.get("set", {}).get("elem", ()):
            inner = element.get("elem", {})
            if isinstance(inner["val"], str):
                counted[f"{inner['val']}/icmp"] = int(inner.get("counter", {}).get("packets", 1))
                continue
            address, protocol, port = inner["val"]["concat"]
            counted[f"{address}:{port}/{protocol}"] = int(inner.get("counter", {}).get("packets", 1))
    return counted


def start_sink(netns: str | None, directory: Path, outside: Outside, *, listen: Listen | None = None) -> Sink:
    """Start the server in a network namespace (None: here) and return once it listens.

    ``directory`` takes the journal, the certificates and uploaded files. Raises UsageError for a kind that no stub
    speaks and CapabilityMissing when it cannot start.
    """
    _check_kinds(outside)
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "outside.json"
    write_bytes(config, msgspec.json.encode(outside), mode=0o600)
    with contextlib.ExitStack() as unless_started:
        process = _spawn(netns, directory, config, listen or Listen())
        unless_started.callback(end, process)
        ready = _ready(process, directory / _ERRORS)
        unless_started.pop_all()
    return Sink(process, netns, directory, ready)


def _spawn(netns: str | None, directory: Path, config: Path, listen: Listen) -> subprocess.Popen[bytes]:
    prefix = ["ip", "netns", "exec", netns] if netns else []
    with (directory / _ERRORS).open("wb") as stream:
        return subprocess.Popen(
            [
                *prefix,
                *(sys.executable, "-m", "fulldress.rehearse.sinkserver"),
                *("--journal", str(directory / JOURNAL_FILE)),
                *("--state", str(directory / "state")),
                *("--config", str(config)),
                *("--listen", msgspec.json.encode(listen).decode()),
            ],
            stdin=subprocess.PIPE,  # its end tells the child that we are gone
            stdout=subprocess.PIPE,
            stderr=stream,
            env={**child_environment(), KEY_VARIABLE: digest_key(directory)},
            start_new_session=True,
        )


def digest_key(directory: Path) -> str:
    """The key of the digests: one for each release folder, kept outside of it, where only we read it."""
    folder = next(
        (str(at) for at in directory.absolute().parents if (at / "release.toml").exists()), str(directory.absolute())
    )
    place = state_dir() / "sink.key"
    if not place.exists():
        with (
            contextlib.suppress(FileExistsError),
            os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream,
        ):
            stream.write(secrets.token_bytes(32))
    return hmac.new(place.read_bytes(), folder.encode(), hashlib.sha256).hexdigest()


def _check_kinds(outside: Outside) -> None:
    known = sorted(all_stubs())
    for name, endpoint in outside.endpoint.items():
        if endpoint.kind and endpoint.kind not in known:
            raise UsageError(
                f"no stub speaks {endpoint.kind!r}, wanted for {name}", fix=f"choose one of: {', '.join(known)}"
            )


def _ready(process: subprocess.Popen[bytes], errors: Path) -> dict[str, Any]:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], _START_S)
    line = process.stdout.readline() if readable else b""
    if not line:
        said = errors.read_bytes()[-2000:].decode("utf-8", "backslashreplace").strip()
        raise CapabilityMissing("the sink did not start", why=said, fix="`fulldress doctor` says what is missing")
    return msgspec.json.decode(line, type=dict[str, Any])
