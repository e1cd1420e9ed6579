"""Content-addressed store: bytes under their SHA-256, written once, verified when read.

The bytes verified, scanned, rehearsed and executed are the same blobs. Knows no formats.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from fulldress.errors import BlobCorrupt, FulldressError
from fulldress.store.codec import disk_full_or, file_digest

CHUNK = 1 << 20


class Blobs(Protocol):
    """What can be read from by SHA-256: a content store, or the pack of one package."""

    def path(self, sha256: str) -> Path:
        """The object as a file, not verified."""
        ...

    def read(self, sha256: str) -> bytes:
        """The whole object, verified."""
        ...


class BlobStore:
    """A directory ``aa/bbbb...`` of read-only files named by their SHA-256."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._sound: set[str] = set()
        root.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the blob lies (it may not exist)."""
        return self.root / sha256[:2] / sha256[2:]

    def has(self, sha256: str) -> bool:
        """True when the blob is stored."""
        return self.path(sha256).is_file()

    def put(self, data: bytes) -> str:
        """Store bytes; returns their SHA-256."""
        return self.put_chunks([data])[0]

    def put_chunks(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """Store a stream without holding it in memory; returns SHA-256 and size. Half a stream leaves nothing."""
        hasher, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self.root, prefix=".new-")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                for chunk in chunks:
                    hasher.update(chunk)
                    size += len(chunk)
                    stream.write(chunk)
                os.fchmod(stream.fileno(), 0o444)
            target = self.path(hasher.hexdigest())
            target.parent.mkdir(exist_ok=True)
            temporary.replace(target)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise disk_full_or(error, self.root) from error
            raise
        return hasher.hexdigest(), size

    def adopt(self, sha256: str, chunks: Iterable[bytes], size: int) -> None:
        """Store a stream whose digest is claimed: what is there already is left, what differs is refused."""
        target = self.path(sha256)
        try:
            if target.stat().st_size == size:
                return
        except FileNotFoundError:
            pass
        found, _ = self.put_chunks(chunks)
        if found != sha256:
            self.path(found).unlink(missing_ok=True)
            raise self._corrupt(sha256)

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading (not verified; use :meth:`read` where the bytes will be trusted)."""
        return self.path(sha256).open("rb")

    def chunks(self, sha256: str) -> Iterator[bytes]:
        """The blob in pieces of at most 1 MiB."""
        with self.open(sha256) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk

    def read(self, sha256: str) -> bytes:
        """The whole blob, verified against its name."""
        data = self.path(sha256).read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self._corrupt(sha256)
        return data

    def read_at(self, sha256: str, offset: int, size: int) -> bytes:
        """A part of a blob; the whole is verified the first time."""
        if sha256 not in self._sound:
            if file_digest(self.path(sha256)) != sha256:
                raise self._corrupt(sha256)
            self._sound.add(sha256)
        with self.open(sha256) as stream:
            stream.seek(offset)
            return stream.read(size)

    def _corrupt(self, sha256: str) -> FulldressError:
        return BlobCorrupt(
            f"blob {sha256[:12]}… does not match its name",
            why="the store was changed or the disk is failing; nothing that came from it can be trusted",
            fix=f"delete {self.path(sha256)} and run `fulldress intake` again",
        )
