"""Formats beyond the plain ones: what is opened, what is only named, and what may stand before a ZIP."""

from __future__ import annotations

import gzip
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.intake.poison import M, build, good, newc, packed_by, signing_block, stdlib_zip, tar

from fulldress.errors import PackageRefused
from fulldress.intake.budgets import Budgets
from fulldress.intake.unpack import unpack
from fulldress.model.package import PackageLock
from fulldress.store.blobs import BlobStore

STUB = b"\x7fELF" + b"program" * 20


def opened(folder: Path, data: bytes, name: str = "p.zip", **limits: int) -> tuple[PackageLock, dict[str, bytes]]:
    store = BlobStore(folder / "store")
    (folder / name).write_bytes(data)
    lock = unpack(folder / name, store, budgets=Budgets(**limits), sandboxed=False)
    return lock, {e.place: store.read(e.sha256) for e in lock.entries if e.kind == "file"}


@pytest.mark.parametrize("method", [12, 14, 93, 95])
def test_members_packed_by_newer_methods(method: int, tmp_path: Path) -> None:
    assert opened(tmp_path, build(packed_by(method)))[1] == {"a.txt": b"some text " * 300}


def test_an_android_signing_block_is_named(tmp_path: Path) -> None:
    lock, found = opened(tmp_path, build(M(), before_directory=signing_block()))
    assert (lock.format, found) == ("apk", {"a.txt": b"hello"})
    assert [(n.size, n.reason) for n in lock.not_inspected] == [
        (len(signing_block()), "Android signing block (scheme v2): named, not opened")
    ]


def test_an_alpine_package_is_one_tar_in_several_streams(tmp_path: Path) -> None:
    def cut(*members: tuple[str, bytes, dict[str, object]]) -> bytes:
        return gzip.compress(tar(*members)[: 1024 * len(members)], mtime=0)

    data = cut((".SIGN.RSA.k.pub", b"sig", {})) + cut((".PKGINFO", b"pkgname = x\n", {}))
    link = {"type": tarfile.SYMTYPE, "linkname": "/etc/x"}
    data += gzip.compress(tar(("usr/bin/x", b"#!/bin/sh\n", {}), ("usr/l", b"", link)))
    lock, found = opened(tmp_path, data, "x.apk")
    assert lock.format == "apk"
    assert set(found) == {".SIGN.RSA.k.pub", ".PKGINFO", "usr/bin/x"}


@pytest.mark.parametrize(("data", "form"), [(newc(a=b"1"), "cpio"), (gzip.compress(newc(a=b"1")), "cpio.gz")])
def test_cpio_alone_and_packed(data: bytes, form: str, tmp_path: Path) -> None:
    lock, found = opened(tmp_path, data)
    assert (lock.format, found) == (form, {"a": b"1"})


@pytest.mark.parametrize("adjusted", [True, False])
def test_a_declared_stub_may_stand_before_a_zip(adjusted: bool, tmp_path: Path) -> None:
    data = build(M(), M(name=b"b", data=b"2"), prefix=STUB) if adjusted else STUB + build(M(), M(name=b"b", data=b"2"))
    with pytest.raises(PackageRefused):
        opened(tmp_path, data)
    with pytest.raises(PackageRefused):
        opened(tmp_path, data, stub_bytes=20)
    lock, found = opened(tmp_path, data, stub_bytes=4096)
    assert lock.format == "sfx"
    assert found == {"self-extracting-stub": STUB, "a.txt": b"hello", "b": b"2"}


def test_a_zip_behind_a_program_inside_is_said_and_opened_when_declared(tmp_path: Path) -> None:
    data = stdlib_zip(**{"setup.bin": STUB + good()})
    lock, found = opened(tmp_path, data)
    assert set(found) == {"setup.bin"}
    assert "hangs behind" in lock.not_inspected[0].reason
    lock, found = opened(tmp_path, data, stub_bytes=4096)
    assert set(found) == {f"setup.bin!/{n}" for n in ("self-extracting-stub", "README.txt", "scripts/run.sh")}


def test_an_archive_is_no_stub(tmp_path: Path) -> None:
    with pytest.raises(PackageRefused, match="belong to no structure"):
        opened(tmp_path, good() + build(M()), stub_bytes=4096)


def test_a_name_in_utf8_beside_one_in_a_code_page(tmp_path: Path) -> None:
    import zlib

    raw, better = b"caf\x82.txt", "café.txt"
    body = b"\1" + struct.pack("<L", zlib.crc32(raw)) + better.encode()
    field = struct.pack("<2H", 0x7075, len(body)) + body
    assert set(opened(tmp_path, build(M(name=raw, extra=field)))[1]) == {better}


def test_an_extra_field_that_nobody_reads_is_named(tmp_path: Path) -> None:
    field = struct.pack("<2H", 0xBEEF, 5) + b"ghost"
    lock, _ = opened(tmp_path, build(M(extra=field)))
    assert [n.reason for n in lock.not_inspected] == ["extended attributes: unknown extra field beef"]
    jar = struct.pack("<2H", 0xCAFE, 0)
    assert opened(tmp_path, build(M(extra=jar)))[0].not_inspected == ()


def test_what_zip_reads_from_a_pipe_is_a_file(tmp_path: Path) -> None:
    assert opened(tmp_path, build(M(name=b"-", attributes=0o010600 << 16)))[1] == {"-": b"hello"}


@pytest.mark.parametrize("form", [["--format=gnu"], ["--format=posix", "--sparse-version=0.1"], ["--format=posix"]])
def test_sparse_files_are_read_with_their_holes(form: list[str], tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as stream:
        for n in range(30):
            stream.seek(n * 200_000)
            stream.write(b"data")
        stream.truncate(7_000_000)
    with (tmp_path / "hole").open("wb") as stream:
        stream.truncate(300_000)
    subprocess.run(["tar", "-cS", *form, "-f", "s.tar", "f", "hole"], cwd=tmp_path, check=True)
    found = opened(tmp_path, (tmp_path / "s.tar").read_bytes(), ratio_floor=1 << 30)[1]
    assert found == {"f": (tmp_path / "f").read_bytes(), "hole": bytes(300_000)}


def test_a_sparse_bomb_ends_at_its_budget(tmp_path: Path) -> None:
    with (tmp_path / "hole").open("wb") as stream:
        stream.truncate(200 << 20)
        stream.seek(0)
        stream.write(b"x")
    subprocess.run(["tar", "-cS", "-f", "s.tar", "hole"], cwd=tmp_path, check=True)
    with pytest.raises(PackageRefused) as caught:
        opened(tmp_path, (tmp_path / "s.tar").read_bytes(), ratio_floor=1 << 20)
    assert caught.value.slug == "archive-bomb"
