"""Searching in confined processes finds what searching here finds, and believes no object unread."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from fulldress.errors import FulldressError
from fulldress.formats.patterns import BLOCK, Pattern
from fulldress.scan import searcher as module
from fulldress.scan.searcher import Local, Target, in_folder, run
from fulldress.store.blobs import BlobStore
from fulldress.store.pack import RECORD, Pack
from fulldress.store.search import Sighting

pytestmark = pytest.mark.usefixtures("confined")
WANTED = [Pattern("hunter[0-9]"), Pattern(r"\A#!", once=True)]
CONTENTS = (
    b"password = hunter2\nhunter3\n",
    b"#!/bin/sh\n",
    b"nothing",
    b"\0bin hunter4",
    "w = hunter5\n".encode("utf-16"),
    b"",
    b"x" * BLOCK + b"\n#! hunter6\n",
)


def test_two_processes_over_a_store_find_what_is_found_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH_TWO", 1)
    store = BlobStore(tmp_path / "store")
    targets = [Target(store.put(data), len(data)) for data in CONTENTS]
    found = in_folder(store.root, targets)(WANTED)
    here = Local(store.read, targets)(WANTED)
    assert found == {sha: looked for sha, looked in here.items() if looked != module.Looked(False, {})}
    assert len(found) == 5


def test_an_object_that_is_not_what_it_claims_ends_the_search(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    sha256 = store.put(b"honest")
    store.path(sha256).chmod(0o644)
    store.path(sha256).write_bytes(b"hostil")
    with pytest.raises(FulldressError, match="does not match its digest") as caught:
        in_folder(store.root, [Target(sha256, 6)])(WANTED)
    assert caught.value.slug == "blob-corrupt"


def test_objects_of_a_pack_are_searched_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"....hunter7....")
    with tempfile.TemporaryFile() as room, (tmp_path / "p").open("rb") as package:
        pack = Pack(room.fileno(), package.fileno())
        where = pack.whole().part(4, 7)
        digests = [pack.put(b"a hunter8"), pack.put_chunks([where.read()], where)[0]]
        pack.flush()
        records = [RECORD.pack(bytes.fromhex(d), *pack.index[d]) for d in digests]
        found = run([records], WANTED, handles=(room.fileno(), package.fileno()))
    assert [found[d].ends for d in digests] == [{WANTED[0]: (9,)}, {WANTED[0]: (7,)}]


def test_a_searcher_that_dies_is_said_to_have_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BlobStore(tmp_path / "store")
    targets = [Target(store.put(b"x"), 1)]
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(FulldressError, match="ended with code 1") as caught:
        in_folder(store.root, targets)(WANTED)
    assert caught.value.slug == "search-failed"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    targets = [Target(store.put(b"x"), 1)]
    in_folder(store.root, targets)(WANTED)
    before = len(list(Path("/proc/self/fd").iterdir()))
    in_folder(store.root, targets)(WANTED)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_pattern_that_nobody_asked_for_is_not_believed() -> None:
    with pytest.raises(FulldressError) as caught:
        module.looked([Sighting("ab" * 32, False, "", {2: [1]})], WANTED)
    assert caught.value.slug == "search-failed"
