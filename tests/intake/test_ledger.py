"""Every byte is accounted for; what is over a budget is refused, or listed with the reason: never passed over in silence."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.intake.poison import M, build, deb, good, many, nested, stdlib_zip, tar

from fulldress.errors import PackageRefused
from fulldress.intake.budgets import Budgets
from fulldress.intake.unpack import unpack
from fulldress.model.package import LIMIT, PackageLock
from fulldress.store.blobs import BlobStore


def taken_apart(folder: Path, data: bytes, **limits: object) -> PackageLock:
    (folder / "p.zip").write_bytes(data)
    budgets = Budgets(lenient=True, **limits)  # type: ignore[arg-type]
    return unpack(folder / "p.zip", BlobStore(folder / "store"), budgets=budgets, sandboxed=False)


def packed(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo("a/b.txt")
        member.size = 700
        archive.addfile(member, io.BytesIO(b"x" * 700))
    return out.getvalue()


FORMATS: dict[str, Callable[[], bytes]] = {
    "zip": good,
    "zip in zip": lambda: stdlib_zip(**{"in.jar": stdlib_zip(a=b"1" * 500), "b": b"2"}),
    "tar": lambda: packed("w:"),
    "tar.gz": lambda: packed("w:gz"),
    "tar.xz": lambda: packed("w:xz"),
    "tar.bz2": lambda: packed("w:bz2"),
    "gz": lambda: gzip.compress(b"content" * 9),
    "deb": lambda: deb(tar(("./control", b"Package: a\n", {})), tar(("./usr/x", b"y" * 600, {}))),
    "all in one": lambda: stdlib_zip(**{"a.tgz": packed("w:gz"), "b.tar": packed("w:"), "c.gz": gzip.compress(b"z")}),
    "closed": lambda: stdlib_zip(**{"a.7z": b"7z\xbc\xaf\x27\x1c" + bytes(90), "b": b"text"}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_byte_is_structure_or_content_and_every_content_has_a_fate(name: str, tmp_path: Path) -> None:
    lock = taken_apart(tmp_path, FORMATS[name]())
    assert all(row.structure >= 0 and row.structure + row.content == row.size for row in lock.ledger)
    opened = {e.place: e.size for e in lock.entries if e.kind == "container"} | {"": lock.size}
    assert {row.place for row in lock.ledger} == set(opened)
    assert all(any(r.size == size for r in lock.ledger if r.place == place) for place, size in opened.items())
    files = sum(e.size for e in lock.entries if e.kind == "file")
    assert lock.bytes_inspected + sum(n.size for n in lock.not_inspected) == files


LARGE = stdlib_zip(
    **{"big": os.urandom(3 << 20), "deep.zip": nested(4), "small": b"s", "zeros.gz": gzip.compress(bytes(9 << 20))}
)


@pytest.mark.parametrize(
    ("limits", "place", "reason"),
    [
        ({"entry_bytes": 2 << 20, "ratio": 9999}, "big", "larger than"),
        ({"depth": 3}, "deep.zip!/", "deeper than 3"),
        ({"ratio": 50, "ratio_floor": 1 << 20}, "zeros.gz", "grows more than 50 times"),
        ({"total_bytes": 2 << 20}, "big", "bytes in all"),
    ],
)
def test_what_is_over_a_limit_is_listed_and_the_rest_is_read(
    limits: dict[str, int], place: str, reason: str, tmp_path: Path
) -> None:
    lock = taken_apart(tmp_path, LARGE, **limits)
    listed = [n for n in lock.not_inspected if n.place.startswith(place)]
    assert len(listed) == 1
    assert listed[0].reason.startswith(LIMIT)
    assert reason in listed[0].reason
    assert lock.find("small") is not None
    files = sum(e.size for e in lock.entries if e.kind == "file")
    unread = {n.place: n.size for n in lock.not_inspected}
    assert lock.bytes_inspected + sum(s for p, s in unread.items() if (e := lock.find(p)) and e.kind == "file") == files


def test_too_many_members_are_listed(tmp_path: Path) -> None:
    lock = taken_apart(tmp_path, many(60), entries=50)
    assert len(lock.entries) == 50
    assert ["more than 50 members" in n.reason for n in lock.not_inspected] == [True]


def test_what_is_to_be_installed_is_refused_instead(tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(LARGE)
    with pytest.raises(PackageRefused) as caught:
        unpack(tmp_path / "p.zip", BlobStore(tmp_path / "s"), budgets=Budgets(entry_bytes=2 << 20), sandboxed=False)
    assert caught.value.slug == "archive-bomb"


def test_a_large_package_may_take_longer() -> None:
    assert Budgets(seconds=10).deadline(1) == 10
    assert Budgets(seconds=10).deadline(4 << 30) == 40


def test_names_that_are_no_utf8_are_shown_where_the_package_is_only_looked_at(tmp_path: Path) -> None:
    raw = tar(("d\udcff/caf\udce9.txt", b"x", {}), ("l", b"", {"type": tarfile.SYMTYPE, "linkname": "d\udcff"}))
    (tmp_path / "p.tar").write_bytes(raw)
    lock = unpack(tmp_path / "p.tar", BlobStore(tmp_path / "s"), budgets=Budgets(lenient=True), sandboxed=False)
    assert [(e.place, e.link) for e in lock.entries] == [("d\\xff/caf\\xe9.txt", ""), ("l", "d\\xff")]


@pytest.mark.usefixtures("confined")
def test_an_encrypted_archive_within_is_listed_where_the_package_is_only_looked_at(tmp_path: Path) -> None:
    closed = build(M(flags=1))
    data = stdlib_zip(**{"a.txt": b"a", "vault.zip": closed, "z.txt": b"z"})
    (tmp_path / "p.zip").write_bytes(data)
    lock = unpack(tmp_path / "p.zip", BlobStore(tmp_path / "s"), budgets=Budgets(lenient=True))
    assert [(e.place, e.kind) for e in lock.entries] == [("a.txt", "file"), ("vault.zip", "container"), ("z.txt", "file")]
    assert [(n.place, n.size, n.reason) for n in lock.not_inspected] == [
        ("vault.zip", len(closed), "encrypted archive: not opened")
    ]
    with pytest.raises(PackageRefused) as caught:
        unpack(tmp_path / "p.zip", BlobStore(tmp_path / "t"))
    assert caught.value.slug == "encrypted"
