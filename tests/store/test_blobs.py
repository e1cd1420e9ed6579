"""The blob store: bytes under their digest, whole or not at all, verified when read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fulldress.errors import FulldressError
from fulldress.store.blobs import BlobStore


def test_what_is_put_is_read(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    name = store.put(b"hello")
    assert name == hashlib.sha256(b"hello").hexdigest()
    assert store.has(name)
    assert store.read(name) == b"hello"
    assert b"".join(store.chunks(name)) == b"hello"


def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert store.put(b"x" * 100) == store.put(b"x" * 100)
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1


def test_blobs_are_read_only(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert store.path(store.put(b"x")).stat().st_mode & 0o777 == 0o444


def test_half_a_stream_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"first"
        raise ValueError("the stream broke")

    with pytest.raises(ValueError, match="broke"):
        BlobStore(tmp_path).put_chunks(broken())
    assert list(tmp_path.rglob("*")) == []


def test_a_changed_blob_is_not_read(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    name = store.put(b"true")
    store.path(name).chmod(0o644)
    store.path(name).write_bytes(b"false")
    with pytest.raises(FulldressError) as caught:
        store.read(name)
    assert caught.value.slug == "blob-corrupt"
