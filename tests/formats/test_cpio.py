"""cpio archives: the forms that tools write, hard links, and what is written back."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import stand_aside

from fulldress.errors import PackageRefused
from fulldress.formats import cpio
from fulldress.formats.members import Member


def file(name: str, data: bytes, **more: object) -> Member:
    return Member(name=name, kind="file", size=len(data), chunks=lambda: iter((data,)), **more)  # type: ignore[arg-type]


def read(data: bytes) -> dict[str, tuple[str, bytes]]:
    found = cpio.members(io.BytesIO(data))
    return {m.name: (m.kind, m.link.encode() if m.link else b"".join(m.chunks())) for m in found}


def test_what_is_written_is_read_back() -> None:
    tree = [
        Member(name="d", kind="directory", mode=0o755),
        file("d/f", b"abc", mode=0o640, owner="12:34", modified="2026-01-02T03:04:05Z"),
        Member(name="l", kind="symlink", link="d/f"),
        Member(name="h", kind="hardlink", link="d/f"),
    ]
    data = b"".join(cpio.write(tree))
    assert read(data) == {
        "d": ("directory", b""),
        "d/f": ("file", b"abc"),
        "l": ("symlink", b"d/f"),
        "h": ("hardlink", b"d/f"),
    }
    [again] = [m for m in cpio.members(io.BytesIO(data)) if m.name == "d/f"]
    assert (again.mode, again.owner, again.modified) == (0o640, "12:34", "2026-01-02T03:04:05Z")


@given(st.dictionaries(st.text("abcé", min_size=1, max_size=6), st.binary(max_size=50), min_size=1, max_size=5))
def test_any_files(files: dict[str, bytes]) -> None:
    data = b"".join(cpio.write(file(n, d) for n, d in files.items()))
    assert {n: d for n, (_, d) in read(data).items()} == files


def test_the_same_members_give_the_same_bytes_in_any_order() -> None:
    members = [file("b", b"2"), file("a", b"1")]
    assert b"".join(cpio.write(members)) == b"".join(cpio.write(reversed(members)))


@pytest.mark.parametrize("form", ["newc", "crc", "odc"])
def test_what_the_program_writes(form: str, tmp_path: Path) -> None:
    tool = os.environ.get("FULLDRESS_TEST_CPIO") or shutil.which("cpio")
    if not tool:
        stand_aside("needs cpio")
    (tmp_path / "a").write_bytes(b"some text\n" * 30)
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "c").symlink_to("a")
    done = subprocess.run([str(tool), "-o", "-H", form], input=b"a\nb\nc\n", cwd=tmp_path, check=True, capture_output=True)
    found = read(done.stdout)
    assert found["c"] == ("symlink", b"a")
    kinds = sorted(kind for kind, _ in (found["a"], found["b"]))
    assert kinds == (["file", "file"] if form == "odc" else ["file", "hardlink"])
    if form == "crc":
        changed = done.stdout.replace(b"some text", b"some tEXt", 1)
        with pytest.raises(PackageRefused, match="its own checksum"):
            read(changed)


def test_hard_links_without_content_are_empty_files() -> None:
    data = b"".join(cpio.write([file("a", b""), Member(name="b", kind="hardlink", link="a")]))
    assert sorted(kind for kind, _ in read(data).values()) == ["file", "hardlink"]
