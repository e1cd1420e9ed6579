"""Unusual and honest archives are taken in with a remark; no byte goes unaccounted for, none is lost by packing anew."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import zstandard
from tests.intake.poison import ODD, build, deb, fat, stdlib_zip, tar

from fulldress.adapt.repack import repacked, whole_package
from fulldress.adapt.tree import edited
from fulldress.errors import PackageRefused
from fulldress.formats import tarview, zipview
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
    remarks = [r for r in lock.remarks if not r.what.startswith(zipview.COMMENTS)]
    assert [word in r.what for r in remarks] == [True] * bool(word)
    assert all(row.structure >= 0 and row.structure + row.content == row.size for row in lock.ledger)
    assert lock.bytes_inspected == sum(e.size for e in lock.entries if e.kind == "file")
    found = list(archive_oddity.check(Context(lock, store.read)))
    assert [word in f.title for f in found if zipview.COMMENTS not in f.title] == [True] * bool(word)


def test_remarks_are_counted_and_name_the_first(tmp_path: Path) -> None:
    inner = build(fat(b"a\\b"), fat(b"c\\d"), fat(b"e"))
    lock, _ = taken(tmp_path, stdlib_zip(**{"in.zip": inner}))
    assert [(r.place, r.count, r.example) for r in lock.remarks] == [("in.zip", 2, "in.zip!/a/b")]


def padded_tar(hidden: bytes) -> bytes:
    data = bytearray(tar(("a", b"1", {}), ("b", b"2" * 512, {})))
    at = data.index(b"1", 512) + 1
    data[at : at + len(hidden)] = hidden
    return bytes(data)


def test_what_stands_in_the_padding_of_a_tar_is_said(tmp_path: Path) -> None:
    lock, _ = taken(tmp_path, padded_tar(b"password=hunter2"))
    assert [r.what for r in lock.remarks] == [tarview.PADDED]
    assert taken(tmp_path, padded_tar(b""))[0].remarks == ()


def test_comments_of_a_zip_are_counted(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        info = zipfile.ZipInfo("a")
        info.comment = b"x" * 500
        out.writestr(info, b"1")
        out.comment = b"password: hunter2"
    lock, _ = taken(tmp_path, made.getvalue())
    assert [(r.place, r.what) for r in lock.remarks] == [("", f"{zipview.COMMENTS} (517 bytes)")]


@pytest.mark.parametrize(
    ("tag", "content", "listed"),
    [(0x7875, b"k" * 2000, True), (0x7875, b"k" * 11, False), (0xD935, b"\2\0key", True), (0xD935, b"\2\0\0", False)],
)
def test_a_known_extra_field_that_holds_more_than_it_is_for_is_listed(
    tag: int, content: bytes, listed: bool, tmp_path: Path
) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        info = zipfile.ZipInfo("a")
        info.extra = struct.pack("<HH", tag, len(content)) + content
        out.writestr(info, b"1")
    lock, _ = taken(tmp_path, made.getvalue())
    assert [f"{tag:04x}" in n.reason for n in lock.not_inspected] == [True] * listed


def gz(flags: int, more: bytes) -> bytes:
    plain = gzip.compress(b"hello")
    return plain[:3] + bytes([flags]) + plain[4:10] + more + plain[10:]


SKIPPED = b"\x50\x2a\x4d\x18"


@pytest.mark.parametrize(
    "data",
    [
        gz(16, b"c" * 5000 + b"\0"),
        gz(4, struct.pack("<H", 5000) + b"e" * 5000),
        gz(8, b"n" * 5000 + b"\0"),
        zstandard.compress(b"hello") + SKIPPED + struct.pack("<I", 5000) + b"s" * 5000,
    ],
    ids=["gz comment", "gz extra", "gz name", "zst frame"],
)
def test_what_hides_beside_a_compressed_stream_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(PackageRefused, match="bytes hide in") as caught:
        taken(tmp_path, data)
    assert caught.value.slug == "zip-views-disagree"


@pytest.mark.parametrize(
    "data",
    [gz(8, b"readme.txt\0"), gz(4 + 8, struct.pack("<H", 6) + b"BC\2\0\0\0a\0"),
     zstandard.compress(b"hello") + SKIPPED + struct.pack("<I", 20) + b"s" * 20],
    ids=["gz name", "bgzip", "zst table"],
)  # fmt: skip
def test_a_name_and_a_small_table_beside_a_stream_are_honest(data: bytes, tmp_path: Path) -> None:
    assert taken(tmp_path, data)[0].bytes_inspected == 5


@pytest.mark.parametrize("hidden", ["long name", "pax"])
def test_what_hides_behind_a_name_of_a_tar_is_refused(hidden: str, tmp_path: Path) -> None:
    form = tarfile.GNU_FORMAT if hidden == "long name" else tarfile.PAX_FORMAT
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as out:
        out.addfile(tarfile.TarInfo("n" * 150))
    data = bytearray(made.getvalue())
    size = int(data[124:135], 8)
    data[512 + size : 512 + size + 9] = b"\0password"
    data[124:136] = b"%011o\0" % (size + 9)
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 256 + sum(data[156:512]))
    with pytest.raises(PackageRefused, match="bytes hide behind"):
        taken(tmp_path, bytes(data))


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


def test_a_method_that_is_not_read_is_called_by_its_name(tmp_path: Path) -> None:
    data = build(fat(b"a")).replace(b"PK\x03\x04\x14\x00\x00\x00\x00\x00", b"PK\x03\x04\x14\x00\x00\x00\x09\x00")
    at = data.index(b"PK\x01\x02") + 10
    with pytest.raises(PackageRefused, match="packed by method 9 \\(Deflate64") as caught:
        taken(tmp_path, data[:at] + b"\x09\x00" + data[at + 2 :])
    assert (caught.value.slug, "pack it with deflate" in caught.value.fix) == ("unknown-method", True)
