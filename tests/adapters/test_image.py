"""The base image: bound to its recipe, complete or not there, free of the builder's identity."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from fulldress.adapters import image
from fulldress.errors import CapabilityMissing


def test_another_recipe_is_another_image(tmp_path: Path) -> None:
    recipe = image.recipe()
    other = msgspec.structs.replace(recipe, packages=(*recipe.packages, "hello"))
    assert recipe.digest != other.digest
    assert image.image_path(tmp_path).parent.name == recipe.digest


def test_no_sudo_because_productions_often_have_none() -> None:
    assert "sudo" not in image.recipe().packages


@pytest.mark.machine
def test_the_image_boots_its_services_from_a_clean_slate(image_root: Path) -> None:
    for program in ("usr/sbin/nginx", "usr/bin/psql", "usr/bin/gunicorn", "usr/sbin/cron", "lib/systemd/systemd"):
        assert (image_root / program).exists(), program
    assert list((image_root / "var/lib/postgresql").glob("*/main/PG_VERSION"))


@pytest.mark.machine
def test_a_copy_shares_blocks_and_keeps_owners(image_root: Path, scratch: Path) -> None:
    copy = scratch / "clones" / f"t-copy-{image_root.parent.name[:8]}"
    try:
        image.copy_tree(image_root / "etc", copy)
        seen = [p.stat() for p in (image_root / "etc/shadow", copy / "shadow")]
        assert (seen[0].st_mode, seen[0].st_gid) == (seen[1].st_mode, seen[1].st_gid)
    finally:
        subprocess.run(["rm", "-rf", str(copy)], check=True)


@pytest.mark.machine
def test_a_failed_build_leaves_nothing_half_made(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = msgspec.structs.replace(image.recipe(), mirror="file:///nowhere/debian", packages=("base-files",))
    monkeypatch.setattr(image, "recipe", lambda: bad)
    monkeypatch.setattr(image, "scratch_dir", lambda: scratch)
    with pytest.raises(image.ImageFailed) as caught:
        image.base_image()
    assert caught.value.why and not image.image_path(scratch).parent.exists()
    assert not list((scratch / "images").glob(".new-*"))


def test_without_mmdebstrap_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "scratch_dir", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CapabilityMissing) as caught:
        image.base_image()
    assert "apt-get install mmdebstrap" in caught.value.fix
