"""``local:``: the computer that Fulldress runs on, as a Host. Commands run as the user who started it.

Not for machines that must not be changed by accident: a command here is a command on this computer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fulldress.adapters import commands, inroot
from fulldress.ports import Completed


class LocalHost(inroot.InTree):
    """This computer; implements ``ports.Host``."""

    @property
    def name(self) -> str:
        """``local:``."""
        return "local:"

    @property
    def root(self) -> Path | None:
        """Our own root tree."""
        return Path("/")

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0, user: str | None = None) -> Completed:
        """Run a command to its end; stdout and stderr apart. A time-out gives ``code=None``."""
        return commands.run(argv, commands.identity(user), stdin=stdin, timeout_s=timeout_s)

    def abandon(self) -> None:
        """Ctrl-C: what other threads have begun here ends now."""
        commands.end_all()

    def stream(self, argv: Sequence[str], *, user: str | None = None) -> Iterator[bytes]:
        """Run a command and yield its stdout in chunks; raises StepFailed when it does not exit 0."""
        return commands.stream(argv, commands.identity(user))

    def _tree(self) -> str:
        return str(self.root)
