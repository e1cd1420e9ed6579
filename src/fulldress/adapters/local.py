"""``local:``: the computer that Fulldress runs on, as a Host. Commands run as the user who started it.

Not for machines that must not be changed by accident: a command here is a command on this computer.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fulldress.adapters import commands, inroot
from fulldress.ports import Completed


class LocalHost:
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

    def stream(self, argv: Sequence[str], *, user: str | None = None) -> Iterator[bytes]:
        """Run a command and yield its stdout in chunks; raises StepFailed when it does not exit 0."""
        return commands.stream(argv, commands.identity(user))

    def read_file(self, path: str) -> bytes:
        """The bytes of a file; raises FileNotFoundError."""
        with self._root_fd() as root:
            return inroot.read(root, path)

    def write_file(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write whole or not at all; parents are made."""
        with self._root_fd() as root:
            inroot.write(root, path, data, mode=mode)

    def boot_id(self) -> str:
        """Changes whenever this computer boots anew."""
        return self.read_file("/proc/sys/kernel/random/boot_id").decode().strip()

    @contextlib.contextmanager
    def _root_fd(self) -> Iterator[int]:
        fd = os.open(str(self.root), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)
