"""A tree of files as one line a path: content, type, mode, owner, size, time, attributes, hard links.

Standard library only, because it also runs *on* a host whose tree cannot be seen from here (``python3 - ROOT EXCLUDE...``
prints one JSON line a path). Every directory is opened relative to the one above without following links: the tree is a
stranger's, and may change while it is read. It writes nothing and does not touch access times where it may.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

CHUNK = 1 << 20
INLINE = 1 << 16
"""Files up to this size are read at once by the walking thread; larger ones by the two helpers."""
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_NOATIME = getattr(os, "O_NOATIME", 0)
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "block",
}


class PathState(NamedTuple):
    """One path. A field that means nothing for the kind is 0 or empty: a directory's time is its children's doing."""

    kind: str
    mode: int
    """Permission bits with setuid, setgid and sticky."""
    uid: int
    gid: int
    size: int
    mtime_ns: int
    xattrs: str
    content: str
    """BLAKE2b of a file (hex, 128 bits), target of a symlink, number of a device."""
    linked: str = ""
    """First path of its hard-link group; empty when it is alone."""


class _Walk:
    def __init__(self, exclude: tuple[str, ...], pool: ThreadPoolExecutor) -> None:
        self.exclude = frozenset(path.rstrip("/") for path in exclude)
        self.pool = pool
        self.found: dict[str, PathState] = {}
        self.late: list[tuple[str, Future[str]]] = []
        self.links: dict[tuple[int, int], list[str]] = {}
        self.device = 0
        self.bytes = 0

    def tree(self, root: str) -> None:
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        status = os.fstat(handle)
        self.device = status.st_dev
        self.found["/"] = PathState("directory", stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, 0, 0, "", "")
        self.directory(handle, "/")
        self.settle()

    def directory(self, handle: int, prefix: str) -> None:
        """Walks an open directory and closes it. Depth is bounded by the kernel's limit on open files and path length."""
        try:
            with os.scandir(handle) as entries:
                names = sorted(entry.name for entry in entries)
            for name in names:
                path = prefix + name
                if path not in self.exclude:
                    self.path(handle, name, path)
        finally:
            os.close(handle)

    def path(self, parent: int, name: str, path: str) -> None:
        try:
            status = self.one(parent, name, path)
            kind = stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFDIR and status.st_dev == self.device:
                self.directory(os.open(name, _DIRECTORY, dir_fd=parent), path + "/")
        except FileNotFoundError:
            self.found.pop(path, None)  # it went away while we read the directory

    def one(self, parent: int, name: str, path: str) -> os.stat_result:
        """Note the state of one path; what is below it is not looked at."""
        status = os.lstat(name, dir_fd=parent)
        kind = stat.S_IFMT(status.st_mode)
        regular = kind == stat.S_IFREG
        content = self.content(parent, name, path, status)
        self.found[path] = PathState(
            _KINDS.get(kind, "other"),
            stat.S_IMODE(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_size if regular else 0,
            status.st_mtime_ns if regular or kind == stat.S_IFLNK else 0,
            _xattrs(f"/proc/self/fd/{parent}/{name}"),
            content,
        )
        if regular and status.st_nlink > 1:
            self.links.setdefault((status.st_dev, status.st_ino), []).append(path)
        return status

    def some(self, root: str, paths: Iterable[str]) -> None:
        """Note the states of some paths; those that are not there, or lie behind a link, are left out."""
        top = os.open(root, _DIRECTORY)
        try:
            for path in sorted(set(paths)):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    handle = _beneath(top, path)
                    try:
                        self.one(handle, path.rpartition("/")[2], path)
                    except FileNotFoundError:
                        self.found.pop(path, None)
                    finally:
                        os.close(handle)
        finally:
            os.close(top)
        self.settle()

    def settle(self) -> None:
        """Wait for the large files, and say of hard links which belong together."""
        for path, future in self.late:
            self.found[path] = self.found[path]._replace(content=future.result())
        for paths in self.links.values():
            if len(paths) > 1:
                first = min(paths)
                for path in paths:
                    self.found[path] = self.found[path]._replace(linked=first)

    def content(self, parent: int, name: str, path: str, status: os.stat_result) -> str:
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFLNK:
            return os.readlink(name, dir_fd=parent)
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            return str(status.st_rdev)
        if kind != stat.S_IFREG:
            return ""
        handle = _open(name, parent)
        self.bytes += status.st_size
        if status.st_size <= INLINE:
            return _small(handle)
        self.late.append((path, self.pool.submit(_large, handle)))
        if len(self.late) % 64 == 0:
            self.late[-64][1].result()  # never more than a few open files ahead
        return ""


def manifest(root: str, exclude: tuple[str, ...] = ()) -> tuple[dict[str, PathState], int]:
    """Path (``/etc/passwd``) -> state for everything below ``root`` on its file system, and the bytes that were read.

    ``exclude`` names paths that are left out with all below them. Names are decoded with surrogates for odd bytes.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        walk = _Walk(exclude, pool)
        walk.tree(root)
    return walk.found, walk.bytes


def states(root: str, paths: Iterable[str]) -> dict[str, PathState]:
    """Path -> state for some paths of a tree, each reached without following a link; what is not there is left out."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        walk = _Walk((), pool)
        walk.some(root, paths)
    return walk.found


def _beneath(top: int, path: str) -> int:
    """An open handle of the directory that holds a path, opened part by part without following links."""
    handle = os.dup(top)
    for part in path.strip("/").split("/")[:-1]:
        try:
            below = os.open(part, _DIRECTORY, dir_fd=handle)
        finally:
            os.close(handle)
        handle = below
    return handle


def _open(name: str, parent: int) -> int:
    try:
        return os.open(name, _FILE | _NOATIME, dir_fd=parent)
    except PermissionError:  # O_NOATIME is for the owner and root only
        return os.open(name, _FILE, dir_fd=parent)


def _small(handle: int) -> str:
    try:
        data = os.read(handle, INLINE + 1)
        if len(data) <= INLINE:
            return hashlib.blake2b(data, digest_size=16).hexdigest()
        os.lseek(handle, 0, os.SEEK_SET)  # it grew since it was looked at
        return _digest(handle)
    finally:
        os.close(handle)


def _large(handle: int) -> str:
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return _digest(handle)
    finally:
        os.close(handle)


def _digest(handle: int) -> str:
    hasher = hashlib.blake2b(digest_size=16)
    while chunk := os.read(handle, CHUNK):
        hasher.update(chunk)
    return hasher.hexdigest()


def _xattrs(path: str) -> str:
    """Attributes as ``name=hex``, without those of the overlay that carries the tree."""
    names = sorted(n for n in os.listxattr(path, follow_symlinks=False) if not n.startswith("trusted.overlay."))
    return ";".join(f"{name}={os.getxattr(path, name, follow_symlinks=False).hex()}" for name in names)


def main(arguments: list[str]) -> None:
    """Print the manifest of ROOT (first argument) without the paths that follow, one JSON list a line.

    ``--only FILE ROOT``: of the paths that the file names, each ended by a zero byte.
    """
    if arguments[0] == "--only":
        with open(arguments[1], "rb") as stream:  # noqa: PTH123 - runs alone on a host, kept to what it needs
            wanted = [os.fsdecode(name) for name in stream.read().split(b"\0") if name]
        found, size = states(arguments[2], wanted), 0
    else:
        found, size = manifest(arguments[0], tuple(arguments[1:]))
    for path, state in found.items():
        sys.stdout.write(json.dumps([path, *state]) + "\n")
    sys.stdout.write(json.dumps([size]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
