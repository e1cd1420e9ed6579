"""Files of another root tree, opened so that no symlink in it can lead out of it (openat2 with RESOLVE_IN_ROOT).

A container is not trusted: an absolute link in it, followed from here, would point at *our* files.
"""

from __future__ import annotations

import abc
import contextlib
import ctypes
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
_LIBC = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_in(root: int, path: str, flags: int) -> int:
    """Open ``path`` as a process whose root directory is the descriptor ``root`` would; raises OSError."""
    how = _How(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    target = ctypes.c_char_p(os.fsencode(path))
    while True:
        got = int(_LIBC.syscall(_OPENAT2, root, target, ctypes.byref(how), ctypes.sizeof(how)))
        if got >= 0:
            return got
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):  # EAGAIN: a rename raced with the walk; ask again
            raise OSError(number, os.strerror(number), path)


@contextlib.contextmanager
def opened(root: int, path: str, flags: int) -> Iterator[int]:
    """``open_in`` that closes."""
    fd = open_in(root, path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def read(root: int, path: str) -> bytes:
    """The bytes of a regular file; FileNotFoundError when there is none, OSError for devices, pipes and directories."""
    with opened(root, path, os.O_PATH) as handle:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):  # opening a device or a pipe has effects, or blocks
            raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, "not a regular file", path)
        return Path(f"/proc/self/fd/{handle}").read_bytes()


def write(root: int, path: str, data: bytes, *, mode: int) -> None:
    """Write whole or not at all: temporary name, fsync, rename. Parents are made (0755). A link at ``path`` is replaced."""
    pure = PurePosixPath("/") / path
    with _directory(root, pure.parent) as folder:
        temporary = f".{pure.name[:80]}.{secrets.token_hex(6)}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with contextlib.ExitStack() as undo:
            undo.callback(os.unlink, temporary, dir_fd=folder)
            with os.fdopen(fd, "wb") as out:
                out.write(data)
                out.flush()
                os.fchmod(out.fileno(), mode)
                os.fsync(out.fileno())
            os.rename(temporary, pure.name, src_dir_fd=folder, dst_dir_fd=folder)
            undo.pop_all()
        os.fsync(folder)


@contextlib.contextmanager
def _directory(root: int, path: PurePosixPath) -> Iterator[int]:
    """The directory, made with its parents where missing."""
    for known in (path, *path.parents):
        try:
            fd = open_in(root, str(known), os.O_RDONLY | os.O_DIRECTORY)
            break
        except FileNotFoundError:
            continue
    try:
        for part in path.relative_to(known).parts:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=fd)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


class InTree(abc.ABC):
    """The files of a host whose root tree can be opened from here: that part of ``ports.Host``."""

    @abc.abstractmethod
    def _tree(self) -> str:
        """Where the root tree is now."""

    def whole_tree(self) -> Path:
        """The root tree as its own processes see it, what is mounted in it included. Never follow its links."""
        return Path(self._tree())

    def read_file(self, path: str) -> bytes:
        """The bytes of a file; raises FileNotFoundError. Links are followed inside the tree only."""
        with self._root_fd() as root:
            return read(root, path)

    def write_file(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write whole or not at all; owner as we are; parents are made."""
        with self._root_fd() as root:
            write(root, path, data, mode=mode)

    def boot_id(self) -> str:
        """Changes whenever the host boots anew."""
        return self.read_file("/proc/sys/kernel/random/boot_id").decode().strip()

    @contextlib.contextmanager
    def _root_fd(self) -> Iterator[int]:
        fd = os.open(self._tree(), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)
