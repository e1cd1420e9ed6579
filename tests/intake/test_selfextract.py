"""Shell scripts with an archive behind them are opened where their own arithmetic holds; other installers are named."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
from tests.intake.poison import newc, stdlib_zip, tar

from fulldress.errors import PackageRefused
from fulldress.formats.selfextract import PAYLOAD, REMARK, SCRIPT
from fulldress.intake.unpack import unpack
from fulldress.model.package import PackageLock
from fulldress.store.blobs import BlobStore

TGZ = gzip.compress(tar(("install.sh", b"#!/bin/sh\necho hello\n", {}), ("data", b"x" * 900, {})), mtime=0)
CPIO = gzip.compress(newc(a=b"1"), mtime=0)
MARK = b'#!/bin/bash\nAT=$(awk \'/^__ARCHIVE__$/ {print NR + 1}\' "$0")\ntail -n +$AT "$0" | tar xz\nexit 0\n__ARCHIVE__\n'
LINES = b"#!/bin/sh\nexport TMP\ntail -n +6 $0 | gunzip | tar x\n./install.sh\nexit 0\n"


def makeself(*payloads: bytes, skip: int | None = None, sizes: str | None = None, old: bool = False) -> bytes:
    """A head that says of its layout what makeself's says."""
    recorded = sizes if sizes is not None else " ".join(str(len(p)) for p in payloads)
    lines = ["#!/bin/sh", 'label="Acme"', f'filesizes="{recorded}"', "SKIP", "exit 0"]
    at = len(lines) if skip is None else skip
    lines[3] = f'offset=`head -n {at} "$0" | wc -c | tr -d " "`' if old else f'skip="{at}"'
    return "\n".join(lines).encode() + b"\n" + b"".join(payloads)


def opened(folder: Path, data: bytes) -> tuple[PackageLock, set[str]]:
    (folder / "p.run").write_bytes(data)
    lock = unpack(folder / "p.run", BlobStore(folder / "store"), sandboxed=False)
    return lock, {e.place for e in lock.entries if e.kind == "file"}


TREE = {SCRIPT, f"{PAYLOAD}.gz!/install.sh", f"{PAYLOAD}.gz!/data"}


@pytest.mark.parametrize("data", [makeself(TGZ), makeself(TGZ, old=True), MARK + TGZ, LINES + TGZ], ids=range(4))
def test_the_script_and_what_is_behind_it_are_read(data: bytes, tmp_path: Path) -> None:
    lock, files = opened(tmp_path, data)
    assert (lock.format, files) == ("run", TREE)
    assert [r.what for r in lock.remarks] == [REMARK]
    assert all(row.structure + row.content == row.size and row.structure >= 0 for row in lock.ledger)
    assert lock.bytes_inspected == sum(e.size for e in lock.entries if e.kind == "file")


def test_several_archives_behind_one_script(tmp_path: Path) -> None:
    _, files = opened(tmp_path, makeself(TGZ, CPIO))
    assert files == {SCRIPT, f"{PAYLOAD}1.gz!/install.sh", f"{PAYLOAD}1.gz!/data", f"{PAYLOAD}2.gz!/a"}


def test_inside_another_archive_it_is_opened_and_never_rewritten(tmp_path: Path) -> None:
    lock, files = opened(tmp_path, stdlib_zip(**{"setup.run": makeself(TGZ)}))
    assert files == {f"setup.run!/{place}" for place in TREE}
    assert lock.sealed_in(f"setup.run!/{PAYLOAD}.gz!/install.sh") == "setup.run"


@pytest.mark.parametrize(
    "data",
    [
        makeself(TGZ, skip=4),
        makeself(TGZ, sizes=str(len(TGZ) - 1)),
        makeself(TGZ, sizes=f"{len(TGZ)} 9"),
        makeself(TGZ, sizes=f"{len(TGZ)} 0"),
        makeself(b"\x00\x01\x02encrypted" * 40),
        MARK.replace(b"__ARCHIVE__\n", b"__ARCHIVE__\n__ARCHIVE__\n") + TGZ,
        LINES.replace(b"+6", b"+5") + TGZ,
        LINES.replace(b"exit 0\n", b"exit\0\n") + TGZ,
    ],
    ids=["skip", "size", "size-more", "size-none", "no-archive", "mark-twice", "line", "head-no-text"],
)
def test_where_the_arithmetic_does_not_hold_it_is_refused_by_name(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(PackageRefused) as caught:
        opened(tmp_path, data)
    assert caught.value.slug == "not-a-zip"
    assert "shell script with something behind it" in caught.value.what


def test_bytes_behind_the_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageRefused) as caught:
        opened(tmp_path, LINES + TGZ + b"ghost\0")
    assert caught.value.slug == "zip-views-disagree"


INSTALLERS = {
    "NSIS": b"MZ" + bytes(500) + b"\xef\xbe\xad\xdeNullsoftInst" + bytes(90),
    "7z self-extracting": b"MZ" + bytes(500) + b"7z\xbc\xaf\x27\x1c" + bytes(90),
    "Inno Setup": b"MZ" + bytes(500) + b"Inno Setup Setup Data (6.2)" + bytes(90),
    "ISO 9660": bytes(32768) + b"\1CD001\1" + bytes(4096),
    "7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(90),
    "InstallShield cabinet": b"ISc(" + struct.pack("<L", 7) * 20,
}


@pytest.mark.parametrize("name", INSTALLERS)
def test_what_stays_closed_is_named_with_the_tool_that_opens_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(PackageRefused, match=f"{name}.* opens it") as caught:
        opened(tmp_path, INSTALLERS[name])
    assert caught.value.slug == "not-a-zip"
    lock, files = opened(tmp_path, stdlib_zip(inside=INSTALLERS[name], b=b"text"))
    assert files == {"inside", "b"}
    assert [(n.place, n.size, name in n.reason) for n in lock.not_inspected] == [("inside", len(INSTALLERS[name]), True)]


def test_a_script_without_anything_behind_it_is_a_script(tmp_path: Path) -> None:
    lock, files = opened(tmp_path, stdlib_zip(**{"a.sh": LINES, "b.sh": b"#!/bin/sh\ntail -n +2 x\n"}))
    assert files == {"a.sh", "b.sh"}
    assert lock.remarks == ()
