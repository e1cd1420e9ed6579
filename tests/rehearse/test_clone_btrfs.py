"""A mask written into a tree shows what an overlay would show, and follows no link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fulldress.rehearse.clone_btrfs import lay_into
from fulldress.rehearse.mask import Mask

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    layer, root = tmp_path / "layer", tmp_path / "root"
    for path in ("etc/ssh", "etc/secret", "outside"):
        (root / path).mkdir(parents=True)
    (root / "etc/ssh/key").write_text("production's")
    (root / "etc/hosts").write_text("old")
    (tmp_path / "ours").write_text("ours")
    return layer, root


def test_files_are_replaced_with_owner_and_mode(trees: tuple[Path, Path]) -> None:
    layer, root = trees
    os.chown(root / "etc/hosts", 12, 34)
    mask = Mask(layer, root)
    mask.put("/etc/hosts", b"new", 0o640)
    mask.put("/etc/made/deep/file", b"x")
    lay_into(layer, root)
    seen = (root / "etc/hosts").stat()
    assert (root / "etc/hosts").read_text() == "new"
    assert (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == (12, 34, 0o640)
    assert (root / "etc/made/deep/file").read_bytes() == b"x"


def test_a_whiteout_deletes_a_file_or_a_whole_directory(trees: tuple[Path, Path]) -> None:
    layer, root = trees
    mask = Mask(layer, root)
    mask.hide("/etc/ssh/key")
    mask.hide("/etc/secret")
    lay_into(layer, root)
    assert not (root / "etc/ssh/key").exists() and not (root / "etc/secret").exists()


def test_links_in_the_way_are_replaced_not_followed(trees: tuple[Path, Path], tmp_path: Path) -> None:
    layer, root = trees
    (root / "etc/resolv.conf").symlink_to(tmp_path / "ours")
    (root / "etc/linked").symlink_to(tmp_path)
    mask = Mask(layer, root)
    mask.put("/etc/resolv.conf", b"nameserver 10.0.0.1\n")
    mask.put("/etc/linked/ours", b"masked")
    mask.link("/etc/hosts", "/dev/null")
    lay_into(layer, root)
    assert (tmp_path / "ours").read_text() == "ours"
    assert not (root / "etc/resolv.conf").is_symlink() and (root / "etc/linked/ours").read_bytes() == b"masked"
    assert (root / "etc/hosts").readlink() == Path("/dev/null")
