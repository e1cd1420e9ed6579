"""The mask layer: what a clone does not share with production, and what it keeps."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.conftest import stand_aside

from fulldress.rehearse.mask import Mask, build, local_hosts

HOSTS = """127.0.0.1 localhost
127.0.1.1 dten-prod
::1 localhost ip6-localhost
ff02::1 ip6-allnodes
fe00::0 ip6-localnet
10.20.30.40 self.example
# 10.1.1.1 a comment
10.9.9.9 hooks.example flags.example # third parties
2001:db8::7 api.example
not-an-address at all
"""


def test_entries_of_other_machines_go_through_the_sink() -> None:
    kept, dropped = local_hosts(HOSTS, ["10.20.30.40/24"])
    assert dropped == ["10.9.9.9 hooks.example flags.example # third parties", "2001:db8::7 api.example"]
    assert kept == "".join(f"{line}\n" for line in HOSTS.splitlines() if line not in dropped)


def test_nothing_foreign_changes_nothing() -> None:
    assert local_hosts("127.0.0.1 localhost\n", []) == ("127.0.0.1 localhost\n", [])


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        stand_aside("a layer keeps owners, which needs root")
    tree = tmp_path / "lower"
    for path, text in {
        "etc/machine-id": "0123\n",
        "etc/hostname": "dten-prod\n",
        "etc/hosts": HOSTS,
        "etc/fstab": "UUID=1 / ext4\n",
        "etc/ssl/certs/ca-certificates.crt": "PRODUCTION\n",
        "etc/ssh/ssh_host_ed25519_key": "production's private key",
        "etc/secret/x": "x",
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    (tree / "etc/secret").chmod(0o700)
    os.chown(tree / "etc/secret", 123, 456)
    return tree


def test_identity_mounts_and_names_are_the_clones_own(lower: Path, tmp_path: Path) -> None:
    layer = tmp_path / "mask"
    mask = build(layer, lower, resolver="10.20.30.1", own=["10.20.30.40/24"], trust=b"SINK\n", files={"/etc/secret/y": b"y"})
    assert len((layer / "etc/machine-id").read_text().strip()) == 32
    assert (layer / "etc/resolv.conf").read_text() == "nameserver 10.20.30.1\n"
    assert "UUID" not in (layer / "etc/fstab").read_text()
    assert len(mask.neutralised) == 2
    assert (layer / "etc/ssl/certs/ca-certificates.crt").read_text() == "PRODUCTION\nSINK\n"
    assert (layer / "etc/systemd/system/systemd-timesyncd.service").readlink() == Path("/dev/null")
    assert not (layer / "etc/hostname").exists(), "software depends on the hostname"
    key = layer / "etc/ssh/ssh_host_ed25519_key"
    assert key.is_char_device() or b"production" not in key.read_bytes()


def test_directories_of_the_layer_look_like_those_below(lower: Path, tmp_path: Path) -> None:
    build(tmp_path / "mask", lower, resolver="10.0.0.1", own=[], files={"/etc/secret/y": b"y"})
    seen = (tmp_path / "mask/etc/secret").stat()
    assert (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid) == (0o700, 123, 456)


def test_a_whiteout_only_where_there_is_something(lower: Path, tmp_path: Path) -> None:
    mask = Mask(tmp_path / "mask", lower)
    mask.hide("/etc/fstab")
    mask.hide("/etc/nothing")
    assert (tmp_path / "mask/etc/fstab").is_char_device() and (tmp_path / "mask/etc/fstab").stat().st_rdev == 0
    assert not (tmp_path / "mask/etc/nothing").exists()


def test_the_mirrors_links_are_not_followed_from_here(lower: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").write_text("ours")
    (lower / "etc/link").symlink_to(tmp_path / "ours")
    (lower / "linked").symlink_to(tmp_path)
    mask = Mask(tmp_path / "mask", lower)
    assert mask.read("/etc/link") is None and mask.read("/linked/ours") is None
    assert mask.read("/etc/hostname") == b"dten-prod\n"
