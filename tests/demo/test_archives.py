"""The fixture's archive writers make what real tools read."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from demo.archives import Member, ar_bytes, at, deb_bytes, elf_saying, gzip_stored, java_class, tar_bytes, zip_bytes

WHEN = at("2026-01-02 03:04:06")


def test_zip_keeps_mode_and_time_and_directories() -> None:
    data = zip_bytes([Member("bin", None, 0o755, WHEN), Member("bin/x", b"hello", 0o750, WHEN)])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        folder, info = archive.infolist()
        assert folder.is_dir() and folder.filename == "bin/"
        assert info.date_time == (2026, 1, 2, 3, 4, 6)
        assert info.external_attr >> 16 == 0o100750
        assert archive.read("bin/x") == b"hello"
        assert archive.testzip() is None


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 200_000])
def test_stored_gzip_is_read_by_gzip(size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    assert gzip.decompress(gzip_stored(data, modified=WHEN)) == data


def test_tar_lists_parents_before_children_and_root_owns_all() -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_bytes([Member("a/b/c", b"1", 0o640, WHEN)]))) as archive:
        found = archive.getmembers()
    assert [m.name for m in found] == [".", "./a", "./a/b", "./a/b/c"]
    assert found[-1].mode == 0o640 and found[-1].mtime == WHEN.timestamp()
    assert {m.uname for m in found} == {"root"}


def test_ar_pads_odd_members_to_even_length() -> None:
    assert len(ar_bytes([("odd", b"123")], modified=WHEN)) % 2 == 0


def test_deb_is_accepted_by_dpkg(tmp_path: Path) -> None:
    control = (
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.example>\nInstalled-Size: @SIZE@\nDescription: x\n"
    )
    files = [Member("opt/x/y", b"z" * 1025, 0o644, WHEN), Member("etc/x", b"1", 0o644, WHEN)]
    path = tmp_path / "x.deb"
    path.write_bytes(deb_bytes(control, {"postinst": b"#!/bin/sh\n"}, ["etc/x"], files))
    said = subprocess.run(["dpkg-deb", "-f", path, "Version", "Installed-Size"], check=True, capture_output=True, text=True)
    assert said.stdout == "Version: 1\nInstalled-Size: 2\n"
    subprocess.run(["dpkg-deb", "-x", path, tmp_path / "out"], check=True)
    subprocess.run(["dpkg-deb", "-e", path, tmp_path / "meta"], check=True)
    assert (tmp_path / "meta/conffiles").read_text() == "/etc/x\n"
    subprocess.run(["md5sum", "--quiet", "-c", tmp_path / "meta/md5sums"], check=True, cwd=tmp_path / "out")


def test_elf_has_the_text_inside_and_a_valid_header() -> None:
    data = elf_saying("tool 2.8\n")
    assert data[:4] == b"\x7fELF" and data[4:6] == b"\x02\x01"
    assert data.endswith(b"tool 2.8\n")
    # file size in the program header is the whole file
    assert int.from_bytes(data[64 + 32 : 64 + 40], "little") == len(data)


def test_java_class_carries_its_constants() -> None:
    data = java_class("a/B", ["http://x.example/"])
    assert data[:4] == bytes.fromhex("cafebabe")
    assert b"http://x.example/" in data and b"java/lang/Object" in data
