"""Unusual and honest archives are taken in with a remark; no byte goes unaccounted for, none is lost by packing anew."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.intake.poison import ODD, build, deb, fat, stdlib_zip, tar

from fulldress.adapt.repack import repacked, whole_package
from fulldress.adapt.tree import edited
from fulldress.formats import zipview
from fulldress.intake.unpack import unpack
from fulldress.model.package import PackageLock
from fulldress.scan.rule import Context
from fulldress.scan.rules import archive_oddity
from fulldress.store.blobs import BlobStore


def taken(folder: Path, data: bytes) -> tuple[PackageLock, BlobStore]:
    (folder / "p").write_bytes(data)
    store = BlobStore(folder / "store")
    return unpack(folder / "p", store, sandboxed=False), store


@pytest.mark.parametrize(("make", "names", "word"), [pytest.param(*row[1:], id=row[0]) for row in ODD])
def test_it_is_taken_in_and_said(make: Callable[[], bytes], names: set[str], word: str, tmp_path: Path) -> None:
    lock, store = taken(tmp_path, make())
    assert {e.place for e in lock.entries if e.kind == "file"} == names
    assert [word in r.what for r in lock.remarks] == [True] * bool(word)
    assert all(row.structure >= 0 and row.structure + row.content == row.size for row in lock.ledger)
    assert lock.bytes_inspected == sum(e.size for e in lock.entries if e.kind == "file")
    found = list(archive_oddity.check(Context(lock, store.read)))
    assert [word in f.title for f in found] == [True] * bool(word)


def test_remarks_are_counted_and_name_the_first(tmp_path: Path) -> None:
    inner = build(fat(b"a\\b"), fat(b"c\\d"), fat(b"e"))
    lock, _ = taken(tmp_path, stdlib_zip(**{"in.zip": inner}))
    assert [(r.place, r.count, r.example) for r in lock.remarks] == [("in.zip", 2, "in.zip!/a/b")]


def test_a_zip_behind_a_program_is_seen_though_it_is_padded(tmp_path: Path) -> None:
    lock, _ = taken(tmp_path, stdlib_zip(**{"setup.bin": b"\x7fELF" + b"x" * 90 + build(fat(b"e")) + bytes(512)}))
    assert "hangs behind" in lock.not_inspected[0].reason


def test_what_bsdtar_and_gnu_tar_write_is_taken_in(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_bytes(b"x")
    subprocess.run(["tar", "-V", "label", "-cf", "v.tar", "d"], cwd=tmp_path, check=True)
    subprocess.run(["tar", "-g", "state", "-cf", "g.tar", "d"], cwd=tmp_path, check=True)
    subprocess.run(["tar", "--format=posix", "-g", "st2", "-cf", "x.tar", "d"], cwd=tmp_path, check=True)
    for name, word in (("v.tar", "volume label"), ("g.tar", "incremental"), ("x.tar", "incremental")):
        lock, _ = taken(tmp_path, (tmp_path / name).read_bytes())
        assert [e.place for e in lock.entries] == ["d", "d/a"]
        assert [word in r.what for r in lock.remarks] == [True]


RAW = tar(
    ("d\udcff/caf\udce9.txt", b"old", {}),
    ("d\udcff/plain", b"p", {}),
    ("h", b"", {"type": tarfile.LNKTYPE, "linkname": "d\udcff/plain"}),
    ("l", b"", {"type": tarfile.SYMTYPE, "linkname": "d\udcff"}),
)


def test_names_that_are_no_utf8_keep_their_bytes_when_packed_anew(tmp_path: Path) -> None:
    lock, store = taken(tmp_path, stdlib_zip(**{"in.tar": RAW}))
    after = repacked(lock, edited(lock, {"in.tar!/d\\xff/plain": b"new"}, store), store)
    entry = after.find("in.tar")
    assert entry is not None
    (tmp_path / "out.tar").write_bytes(store.read(entry.sha256))
    with tarfile.open(tmp_path / "out.tar") as archive:
        found = {m.name: m.linkname for m in archive}
    assert found == {"d\udcff/caf\udce9.txt": "", "d\udcff/plain": "", "h": "d\udcff/plain", "l": "d\udcff"}
    assert [r.place for r in after.remarks] == ["in.tar"]


def test_the_sums_of_a_deb_follow_names_that_are_no_utf8(tmp_path: Path) -> None:
    sums = "0" * 32 + "  opt/caf\udce9\n" + "1" * 32 + "  opt/gone\n"
    control = tar(("./control", b"Package: a\n", {}), ("./md5sums", sums.encode("utf-8", "surrogateescape"), {}))
    data = deb(control, tar(("./opt/caf\udce9", b"x", {}), ("./opt/b", b"y", {})))
    lock, store = taken(tmp_path, stdlib_zip(**{"a.deb": data}))
    after = repacked(lock, edited(lock, {"a.deb!/opt/b": b"new"}, store), store)
    entry = after.find("a.deb!/DEBIAN/md5sums")
    assert entry is not None
    lines = store.read(entry.sha256).splitlines()
    assert [line[34:] for line in lines] == [b"opt/caf\xe9", b"opt/b"]


def test_backslashes_and_padding_are_gone_when_packed_anew(tmp_path: Path) -> None:
    lock, store = taken(tmp_path, build(fat(b"d\\a"), fat(b"b")) + bytes(700))
    after = repacked(lock, edited(lock, {"b": b"new"}, store), store)
    (tmp_path / "out.zip").write_bytes(store.read(whole_package(after, store)))
    assert zipfile.ZipFile(tmp_path / "out.zip").namelist() == ["b", "d/a"]
    with (tmp_path / "out.zip").open("rb") as stream:
        assert [m.remark for m in zipview.members(stream)] == ["", ""]
    assert after.remarks == ()


def test_the_lock_without_remarks_reads_as_before() -> None:
    old = b'{"name":"p","sha256":"","size":1,"format":"zip","entries":[],"bytes_inspected":1}'
    assert msgspec.json.decode(old, type=PackageLock).remarks == ()


@pytest.mark.parametrize("label", ["shift-jis", "latin-1-in-a-tar", "incremental", "zip-padded-with-zeros"])
def test_the_confined_reader_reads_the_same(label: str, tmp_path: Path) -> None:
    data = next(make() for name, make, _, _ in ODD if name == label)
    (tmp_path / "p").write_bytes(data)
    one, other = (unpack(tmp_path / "p", BlobStore(tmp_path / str(n)), sandboxed=bool(n)) for n in (0, 1))
    assert one == other
