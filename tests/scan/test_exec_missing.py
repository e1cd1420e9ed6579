"""Programs that cannot run here: judged by the binary itself."""

from __future__ import annotations

import sys
from pathlib import Path

from fulldress.model.estate import Estate, HostFacts, InstalledPackage
from fulldress.scan.rule import Sample
from fulldress.scan.rules import exec_missing
from fulldress.scan.samples import context_of

UNIT = "x.deb!/lib/systemd/system/a.service"
PROGRAM = "x.deb!/opt/a/bin/serve"


def titles(libc: str) -> list[str]:
    packages = (InstalledPackage(name="libc6:amd64", version=libc),)
    host = HostFacts(name="h", hostname="h", os="debian", os_version="12", packages=packages)
    sample = Sample(
        files={UNIT: "[Service]\nExecStart=/opt/a/bin/serve\n", PROGRAM: Path(sys.executable).resolve().read_bytes()},
        modes={PROGRAM: 0o755},
        estate=Estate(taken="t", hosts=(host,)),
    )
    return [f.title for f in exec_missing.check(context_of(sample))]


def test_a_program_that_needs_a_newer_c_library() -> None:
    (title,) = titles("2.1-1")
    assert "needs glibc 2." in title and "the hosts have 2.1" in title


def test_a_program_that_fits() -> None:
    assert titles("2.99-1") == []
