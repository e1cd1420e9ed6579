"""The Protocols through which stages reach the world: Host, Keeper, Progress.

Signatures only: no logic, no I/O. Adapters implement them, stages receive them, tests bring fakes that pass the same
conformance tests as the real part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
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
