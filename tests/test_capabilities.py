"""What CI may not be without: tests that stand aside elsewhere have to run there."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from fulldress.adapters import sandbox


@pytest.mark.skipif(not os.environ.get("CI"), reason="a developer's machine may lack them")
def test_ci_can_confine_boot_and_ask_a_database() -> None:
    assert sandbox.missing() == ""
    assert os.geteuid() == 0
    assert [
        name
        for name in (
            *("systemd-nspawn", "nft", "mkfs.xfs", "mkfs.btrfs", "rsync", "patch", "dpkg-deb"),
            *("jarsigner", "keytool", "rpmbuild", "cpio", "shellcheck", "squawk", "systemd-analyze", "sshd"),
        )
        if not shutil.which(name, path=f"{Path(sys.executable).parent}:/usr/sbin:{os.environ['PATH']}")
    ] == []
    assert Path("/usr/lib/postgresql/15/bin/initdb").exists()
