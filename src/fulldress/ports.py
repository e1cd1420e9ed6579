"""The Protocols through which stages reach the world: Host, Keeper, Progress, Clone and the drivers that make clones.

Signatures only: no logic, no I/O. Adapters implement them, stages receive them, tests bring fakes that pass the same
conformance tests as the real part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended. ``code`` is None when it is unknown (connection lost, machine died)."""

    code: int | None
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def ok(self) -> bool:
        """True when the command is known to have exited 0."""
        return self.code == 0


class Host(Protocol):
    """One machine of the estate. Every command is started by that machine's own init, never by bare nsenter."""

    @property
    def name(self) -> str:
        """The address as written in ``release.toml``, for example ``machine:dten-prod``."""
        ...

    @property
    def root(self) -> Path | None:
        """The machine's root tree as seen from here, or None where it cannot be seen (SSH)."""
        ...

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0, user: str | None = None) -> Completed:
        """Run a command to its end; stdout and stderr apart. A time-out gives ``code=None``."""
        ...

    def stream(self, argv: Sequence[str], *, user: str | None = None) -> Iterator[bytes]:
        """Run a command and yield its stdout in chunks; raises StepFailed when it does not exit 0."""
        ...

    def read_file(self, path: str) -> bytes:
        """The bytes of a file; raises FileNotFoundError."""
        ...

    def write_file(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write whole or not at all (temporary name, fsync, rename); parents are made."""
        ...

    def boot_id(self) -> str:
        """Changes whenever the machine boots anew."""
        ...


class Keeper(Protocol):
    """Remembers what must not outlive this command (mounts, namespaces, clones) and takes it away, however we end."""

    def keep(self, kind: str, value: str) -> None:
        """Say it *before* making it. Kinds: machine, mount, netns, tree, process."""
        ...

    def release(self, kind: str, value: str) -> None:
        """Take it away now."""
        ...


class Progress(Protocol):
    """Where long work says how far it is. The terminal draws a bar; without a TTY it prints plain lines."""

    def start(self, label: str, total: float | None = None) -> None:
        """A new piece of work begins; ``total`` in any unit, None when unknown."""
        ...

    def advance(self, amount: float = 1.0) -> None:
        """So much more is done."""
        ...

    def note(self, text: str) -> None:
        """A line worth keeping."""
        ...

    def finish(self) -> None:
        """The piece of work is done."""
        ...


class Guest(Host, Protocol):
    """A booted clone: a host that can also be stopped in every way a machine can stop."""

    @property
    def running(self) -> bool:
        """True while its init lives."""
        ...

    def freeze(self) -> None:
        """Stop every process at once."""
        ...

    def thaw(self) -> None:
        """Go on."""
        ...

    def poweroff(self, *, timeout_s: float = 60.0) -> None:
        """Orderly shutdown."""
        ...

    def kill(self) -> None:
        """Power cut."""
        ...


class ClonedCluster(Protocol):
    """A database cluster inside a mirror."""

    @property
    def version(self) -> str:
        """``15``."""
        ...

    @property
    def name(self) -> str:
        """``main``."""
        ...

    @property
    def data(self) -> str:
        """Its data directory on the host."""
        ...


class CloneSource(Protocol):
    """What a clone is made from: the mirror of a host."""

    @property
    def host(self) -> str:
        """Address of the host that was copied."""
        ...

    @property
    def tree(self) -> str:
        """Path of its root tree; never written by a clone."""
        ...

    @property
    def clusters(self) -> Sequence[ClonedCluster]:
        """The database clusters in it."""
        ...


class CloneNetwork(Protocol):
    """Where a clone is plugged in."""

    @property
    def inside(self) -> str:
        """Network namespace of the clone."""
        ...

    @property
    def sink(self) -> str:
        """Network namespace beside it: of the sink and of the load."""
        ...

    @property
    def resolver(self) -> str:
        """Address of the name server."""
        ...

    @property
    def addresses(self) -> Sequence[str]:
        """The clone's own addresses, with prefix."""
        ...


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """Where users of a clone come in: the load goes there."""

    url: str
    """``http://HOST:PORT``"""
    netns: str | None = None
    """Network namespace from which it can be reached; None: from here."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What runs in a clone at one moment."""

    boot: str
    """Changes whenever it boots anew."""
    outside: int
    """Processes in no unit at all."""
    transient: frozenset[str]
    """Units that run now and have no file: somebody made them with a command."""


class Clone(Protocol):
    """One clone; a context manager that is booted on entry and leaves nothing behind.

    What a driver cannot do raises CapabilityMissing: nothing is ever played that did not happen.
    """

    @property
    def name(self) -> str:
        """Unique on this computer."""
        ...

    @property
    def host(self) -> Host:
        """The booted clone."""
        ...

    @property
    def writes(self) -> Path | None:
        """The directory that holds exactly what the clone wrote, under the same names; None where there is none."""
        ...

    @property
    def front(self) -> Front:
        """Where users come in."""
        ...

    @property
    def neutralised(self) -> tuple[str, ...]:
        """Lines of ``/etc/hosts`` that were left out, so that the sink answers for these names."""
        ...

    @property
    def trouble(self) -> str:
        """Why the clone was stopped by its keeper (it wrote more than it may), empty when it was not."""
        ...

    @property
    def running(self) -> bool:
        """True while its init lives."""
        ...

    def __enter__(self) -> Clone: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def boot(self) -> Host:
        """Boot, or boot again what was stopped; what it wrote stays."""
        ...

    def freeze(self) -> None:
        """Stop every process at once."""
        ...

    def thaw(self) -> None:
        """Go on."""
        ...

    def kill(self) -> None:
        """Power cut."""
        ...

    def poweroff(self) -> None:
        """Orderly shutdown."""
        ...

    def destroy(self) -> None:
        """Take away all of it. Safe to call twice."""
        ...

    def look(self) -> Look | None:
        """What runs in it now; None while it does not answer. Cheap: steps under load are not slowed by it."""
        ...

    def strain(self) -> Mapping[str, int]:
        """The limits that the clone has run into so far, in words, and how often."""
        ...


class CloneDriver(Protocol):
    """A way to make clones; all ways pass one conformance suite."""

    @property
    def name(self) -> str:
        """``overlay``, ``btrfs``, ``staging``."""
        ...

    @property
    def full_dress(self) -> bool:
        """True when its clones are copies of production as a whole, in a network of their own."""
        ...

    def place(self, host: str) -> Path:
        """The directory in which the mirror of this host belongs, made so that its clones cost little."""
        ...

    def at(self, scratch: Path) -> CloneDriver:
        """The driver with its clones in another directory: a disk of their own, which may be filled without harm."""
        ...

    def make(
        self,
        mirror: CloneSource,
        network: CloneNetwork,
        *,
        label: str = "clone",
        trust: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        volatile: bool = False,
    ) -> Clone:
        """A clone that is not booted yet. ``trust``: a PEM certificate it shall trust; ``files``: path -> content."""
        ...
