"""RPM: the header's story and the payload's story, told apart and compared."""

from __future__ import annotations

import bz2
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from tests.conftest import stand_aside
from tests.intake.rpms import FILES, rpm
from tests.intake.signing import NOW, Key

from fulldress.errors import PackageRefused
from fulldress.intake.trust import judge
from fulldress.intake.unpack import unpack
from fulldress.model.package import PackageLock, VendorPin, VendorRecord
from fulldress.store.blobs import BlobStore


def taken(data: bytes, folder: Path, store: BlobStore) -> PackageLock:
    (folder / "p.rpm").write_bytes(data)
    return unpack(folder / "p.rpm", store, sandboxed=False)


def opened(data: bytes, folder: Path) -> tuple[PackageLock, dict[str, bytes]]:
    store = BlobStore(folder / "store")
    lock = taken(data, folder, store)
    return lock, {e.place: store.read(e.sha256) for e in lock.entries if e.kind == "file"}


def test_files_scripts_and_facts_are_entries(tmp_path: Path) -> None:
    lock, found = opened(rpm(), tmp_path)
    assert lock.format == "rpm"
    assert {p: d for p, d in found.items() if not p.startswith("RPM/")} == FILES
    assert found["RPM/postin"] == b"#!/bin/sh\nsystemctl daemon-reload\n"
    assert found["RPM/prein.lua"] == b'print("x")\n'
    assert b"Name: demo\n" in found["RPM/control"] and b"Provides: demo = 1.2-3\n" in found["RPM/control"]


@pytest.mark.parametrize(
    ("named", "pack"),
    [
        ("xz", lzma.compress),
        ("lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
        ("bzip2", bz2.compress),
        ("zstd", zstandard.compress),
        ("gzip", lambda data: data),
    ],
)
def test_every_packer(named: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    assert FILES.items() <= opened(rpm(pack=pack, tags={1125: named}), tmp_path)[1].items()


LIES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "cut": ("zip-truncated", lambda: rpm()[:-9]),
    "tail": ("zip-views-disagree", lambda: rpm(tail=b"ghost")),
    "header digest": ("archive-damaged", lambda: rpm(signature={273: "0" * 64})),
    "payload digest": ("archive-damaged", lambda: rpm(tags={5092: ["0" * 64]})),
    "old checksum": ("archive-damaged", lambda: rpm(signature={1004: bytes(16)})),
    "file digest": ("archive-damaged", lambda: rpm(tags={1035: ["0" * 64] * 2})),
    "file size": ("zip-views-disagree", lambda: rpm(tags={1028: [9, 9]})),
    "mode": ("zip-views-disagree", lambda: rpm(tags={1030: [0o104755] * 2})),
    "payload holds more": ("zip-views-disagree", lambda: rpm(payload=lambda d: d.replace(b"demo.conf", b"evil.conf"))),
    "header lists more": ("zip-views-disagree", lambda: rpm({"a/b": b"1"}, payload=lambda d: d[-124:])),
    "columns": ("archive-damaged", lambda: rpm(tags={1028: [4]})),
    "no cpio": ("unknown-method", lambda: rpm(tags={1124: "drpm"})),
    "packer": ("unknown-method", lambda: rpm(tags={1125: "rot13"})),
    "version": ("unknown-method", lambda: rpm(lead=b"\xed\xab\xee\xdb\x09\0" + bytes(90))),
    "dots": ("path-traversal", lambda: rpm({"../etc/cron.d/x": b"x"})),
    "hidden in reserve": ("zip-views-disagree", lambda: rpm(signature={1008: b"\0" * 9 + b"ghost"})),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused_by_name(lie: str, tmp_path: Path) -> None:
    slug, make = LIES[lie]
    with pytest.raises(PackageRefused) as caught:
        opened(make(), tmp_path)
    assert caught.value.slug == slug, caught.value.what


def test_a_signed_header_covers_the_whole_package(tmp_path: Path) -> None:
    key = Key()
    store = BlobStore(tmp_path / "store")
    data = rpm({**FILES, "usr/share/keys/k.asc": key.public}, sign=key.packet)
    lock = taken(data, tmp_path, store)
    vendor = VendorRecord(name="V", pin=(VendorPin(fingerprint=key.fingerprint),))
    report = judge(lock, store, vendor, NOW)
    assert (report.verdict, report.uncovered) == ("pinned-ok", ())
    assert report.signatures[0].place == "RPM/header.sig"


def test_a_signature_over_another_header_is_bad(tmp_path: Path) -> None:
    key = Key()
    store = BlobStore(tmp_path / "store")
    data = rpm({**FILES, "usr/share/keys/k.asc": key.public}, sign=lambda raw: key.packet(raw + b"x"))
    assert judge(taken(data, tmp_path, store), store, None, NOW).verdict == "bad"


SPEC = """Name: demo
Version: 1.2
Release: 3
Summary: A test
License: MIT
BuildArch: noarch
%description
x
%install
mkdir -p %{buildroot}/opt/demo
echo hi > %{buildroot}/opt/demo/run
ln %{buildroot}/opt/demo/run %{buildroot}/opt/demo/run2
ln -s /opt/demo/run %{buildroot}/opt/demo/current
%post
true
%files
/opt/demo
%ghost /var/log/demo.log
"""


def test_what_rpmbuild_makes(tmp_path: Path) -> None:
    tool = os.environ.get("FULLDRESS_TEST_RPMBUILD") or shutil.which("rpmbuild")
    if not tool:
        stand_aside("needs rpmbuild")
    (tmp_path / "t.spec").write_text(SPEC)
    command = [str(tool), "-bb", "--define", f"_topdir {tmp_path}", "--define", f"_dbpath {tmp_path}/db", "t.spec"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    [made] = tmp_path.glob("RPMS/*/*.rpm")
    lock, found = opened(made.read_bytes(), tmp_path)
    kinds = {e.place: e.kind for e in lock.entries if e.place.startswith("opt")}
    assert kinds == {
        "opt/demo": "directory",
        "opt/demo/current": "symlink",
        "opt/demo/run": "hardlink",
        "opt/demo/run2": "file",
    }
    assert found["opt/demo/run2"] == b"hi\n"
