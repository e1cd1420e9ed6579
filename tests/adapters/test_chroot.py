"""A root tree that is not running, as a host: nothing that runs in it can change it or leave it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.adapters.host_conformance import HostConformance
from tests.conftest import lay_over

from fulldress.adapters.chroot import ChrootHost
from fulldress.adapters.hosts import open_host
from fulldress.adapters.scope import Scope
from fulldress.errors import CapabilityMissing, UsageError
from fulldress.ports import Host

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module")
def tree(base_root: Path, scratch: Path, keeper: Scope) -> Path:
    return lay_over(base_root, scratch / "clones" / f"c-{keeper.id}", keeper)


class TestATreeIsAHost(HostConformance):
    @pytest.fixture
    def host(self, tree: Path) -> Host:
        return open_host(f"chroot:{tree}")


def test_commands_cannot_change_the_tree(tree: Path) -> None:
    host = ChrootHost(tree)
    assert not host.run(["touch", "/etc/changed"]).ok
    assert not host.run(["mount", "-o", "remount,rw", "/"]).ok
    assert not (tree / "etc/changed").exists()


def test_commands_see_neither_our_processes_nor_our_network(tree: Path) -> None:
    host = ChrootHost(tree)
    seen = host.run(["sh", "-c", "ls -d /proc/[0-9]* | wc -l; ls /sys/class/net 2>/dev/null; ip -o link | wc -l"])
    processes, links = seen.stdout.split()
    assert int(processes) < 8 and links == b"1"


def test_nothing_stays_mounted(tree: Path) -> None:
    before = Path("/proc/mounts").read_text()
    assert ChrootHost(tree).run(["true"]).ok
    assert Path("/proc/mounts").read_text() == before


def test_a_link_in_the_tree_does_not_lead_to_our_file(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").write_text("ours")
    host = ChrootHost(tree)
    (tree / "root/link").symlink_to(tmp_path / "ours")
    with pytest.raises(FileNotFoundError):
        host.read_file("/root/link")


def test_what_is_no_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="root tree"):
        ChrootHost(tmp_path)


def test_without_root_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "usr").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CapabilityMissing):
        ChrootHost(tmp_path)
