"""The pack of one package: each object once, pointed at where it lies, never believed unread."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fulldress.errors import FulldressError
from fulldress.store.pack import PACK, PACKAGE, Pack, Piece


@pytest.fixture
def pack(tmp_path: Path) -> Iterator[Pack]:
    (tmp_path / "package").write_bytes(b"0123456789" * 100)
    with tempfile.TemporaryFile() as room, (tmp_path / "package").open("rb") as package:
        yield Pack(room.fileno(), package.fileno(), room=tmp_path)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_is_put_is_read(pack: Pack) -> None:
    large = os.urandom(3 << 20)
    assert [pack.put(b"a"), pack.put(large), pack.put(b"")] == [sha(b"a"), sha(large), sha(b"")]
    assert pack.read(sha(large)) == large
    assert pack.read_at(sha(large), 2 << 20, 5) == large[2 << 20 : (2 << 20) + 5]
    assert b"".join(pack.chunks(sha(b"a"))) == b"a"
    assert pack.has(sha(b"")) and not pack.has(sha(b"b"))


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_the_same_bytes_lie_there_once(pack: Pack, size: int) -> None:
    data = os.urandom(size)
    pack.put(data)
    before = pack.index.copy()
    pack.put(data)
    after = pack.put(b"next")
    assert pack.index == before | {after: Piece(PACK, size, 4)}
    assert pack.read(after) == b"next"


def test_half_a_stream_leaves_nothing(pack: Pack) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(2 << 20)
        raise ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        pack.put_chunks(broken())
    assert pack.index == {}
    assert pack.index[pack.put(b"x")] == Piece(PACK, 0, 1)
    assert pack.read(sha(b"x")) == b"x"


def test_bytes_of_the_package_are_pointed_at_not_copied(pack: Pack) -> None:
    where = pack.whole().part(5, 10)
    digest, size = pack.put_chunks([where.read()], where)
    assert (pack.index[digest], size) == (Piece(PACKAGE, 5, 10), 10)
    assert pack.read(digest) == b"5678901234"


def test_a_region_ends_where_it_ends(pack: Pack) -> None:
    part = pack.whole().part(995, 50)
    assert (part.size, part.read(100), part.read(1)) == (5, b"56789", b"")
    assert part.seek(-2, 2) == 3
    assert part.read() == b"89"


@pytest.mark.parametrize("read", [Pack.read, lambda p, s: p.read_at(s, 0, 1)])
def test_an_object_that_is_not_what_it_claims_is_not_read(pack: Pack, read: object) -> None:
    pack.put(b"honest")
    pack.flush()
    pack.index[sha(b"other")] = Piece(PACK, 0, 5)
    with pytest.raises(FulldressError, match="does not match its digest"):
        read(pack, sha(b"other"))  # type: ignore[operator]


def test_a_pack_of_this_run_is_not_hashed_again_but_what_lies_in_the_package_is(pack: Pack, tmp_path: Path) -> None:
    handle, package = pack._handles[PACK], pack._handles[PACKAGE]
    pack.put(b"honest")
    pack.flush()
    index = {sha(b"mine"): Piece(PACK, 0, 6), sha(b"theirs"): Piece(PACKAGE, 0, 6)}
    fresh = Pack(handle, package, index, fresh=True)
    assert fresh.read(sha(b"mine")) == b"honest"
    with pytest.raises(FulldressError, match="does not match its digest"):
        fresh.read(sha(b"theirs"))


def test_an_object_as_a_file_is_gone_when_the_pack_is_closed(pack: Pack) -> None:
    path = pack.path(pack.put(b"content"))
    assert path.read_bytes() == b"content"
    pack.close()
    assert not path.exists()


def test_the_package_itself_is_no_copy(pack: Pack, tmp_path: Path) -> None:
    data = (tmp_path / "package").read_bytes()
    pack.index[sha(data)] = Piece(PACKAGE, 0, len(data))
    assert pack.path(sha(data)).read_bytes() == data
    assert [p.name for p in tmp_path.iterdir()] == ["package"]
