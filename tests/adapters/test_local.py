"""This computer as a host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.adapters.host_conformance import HostConformance
from tests.conftest import stand_aside

from fulldress.adapters.hosts import open_host
from fulldress.adapters.local import LocalHost
from fulldress.errors import UsageError
from fulldress.ports import Host


@pytest.mark.machine
class TestThisComputerIsAHost(HostConformance):
    @pytest.fixture
    def host(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
        if os.geteuid() != 0:
            stand_aside("needs root")
        return LocalHost()


def test_nothing_of_our_environment_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    assert b"SECRET_OF_OURS" not in LocalHost().run(["env"]).stdout


@pytest.mark.parametrize("address", ["local", "local:x", "chroot:relative", "ssh:", "machine:", "telnet:x", ""])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(UsageError, match="address"):
        open_host(address)


def test_an_unknown_user_is_named() -> None:
    with pytest.raises(UsageError, match="no-such-user"):
        LocalHost().run(["true"], user="no-such-user")
