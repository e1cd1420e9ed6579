"""A machine over SSH: the Host conformance against a real sshd on the loopback, and what must be refused."""

from __future__ import annotations

import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.host_conformance import HostConformance
from tests.sshd import free_port, serving

from fulldress.adapters.hosts import open_host
from fulldress.adapters.ssh import SshFailed, SshHost
from fulldress.errors import UsageError
from fulldress.ports import Host

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A real sshd; the client's home directory and the port."""
    with serving(tmp_path_factory.mktemp("ssh")) as made:
        yield made


@pytest.fixture
def at_home(server: tuple[Path, int], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, int]:
    monkeypatch.setenv("HOME", str(server[0]))
    return server


@pytest.fixture(scope="module")
def connected(server: tuple[Path, int]) -> Iterator[SshHost]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(server[0]))
        host = open_host("ssh:lims")
        assert isinstance(host, SshHost)
        assert host.run(["true"]).ok
    yield host
    host.close()


class TestAMachineOverSshIsAHost(HostConformance):
    @pytest.fixture
    def host(self, connected: SshHost) -> Host:
        return connected


def test_the_agent_is_not_forwarded_even_if_the_config_says_so(
    at_home: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, _ = at_home
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(home / "agent")], stdout=subprocess.DEVNULL)
    try:
        while not (home / "agent").exists():
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
        assert b"SSH_AUTH_SOCK" not in SshHost("lims").run(["env"]).stdout
    finally:
        agent.terminate()
        agent.wait()


def test_an_unknown_host_key_is_refused_and_not_learned(at_home: tuple[Path, int]) -> None:
    home, port = at_home
    known = (home / ".ssh/known_hosts").read_text()
    (home / ".ssh/known_hosts").write_text("")
    try:
        with pytest.raises(SshFailed, match="host key"):
            SshHost(f"root@127.0.0.1:{port}").run(["true"])
        assert (home / ".ssh/known_hosts").read_text() == ""
    finally:
        (home / ".ssh/known_hosts").write_text(known)


def test_an_answer_without_end_is_given_up(at_home: tuple[Path, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fulldress.adapters.ssh.MAX_ANSWER", 1 << 20)
    done = SshHost("lims").run(["cat", "/dev/zero"])
    assert done.code is None and b"given up" in done.stderr
    assert len(done.stdout) < 1 << 24


def test_a_server_that_never_speaks_is_said_with_how_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fulldress.adapters.ssh.CONNECT_S", 0.3)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        with pytest.raises(SshFailed) as caught:
            SshHost(f"root@127.0.0.1:{port}").run(["true"])
    assert "no answer" in caught.value.why
    assert f"ssh -p {port} root@127.0.0.1 true" in caught.value.fix


def test_a_host_that_does_not_let_us_in_says_so(at_home: tuple[Path, int], tmp_path: Path) -> None:
    _, port = at_home
    nobody = next(user.pw_name for user in pwd.getpwall() if user.pw_name == "nobody")
    with pytest.raises(SshFailed, match="let us in"):
        SshHost(f"{nobody}@127.0.0.1:{port}").run(["true"])


def test_a_host_that_is_not_there_says_so(at_home: tuple[Path, int]) -> None:
    with pytest.raises(SshFailed, match="reached"):
        SshHost(f"root@127.0.0.1:{free_port()}").run(["true"])


def test_a_connection_that_breaks_leaves_the_code_unknown_and_the_next_command_connects_anew(
    at_home: tuple[Path, int],
) -> None:
    host = SshHost("lims")
    done = host.run(["sh", "-c", "echo begun; ppid=$(ps -o ppid= $$); kill -9 $ppid; sleep 5"], timeout_s=10)
    assert done.code is None and not done.ok
    assert host.run(["echo", "again"]).stdout == b"again\n"


@pytest.mark.parametrize("address", ["", "a b", "-oProxyCommand=x", "u@-x", "h:99999", "h:x", "u@h:22:33"])
def test_addresses_of_another_form_are_refused(address: str) -> None:
    with pytest.raises(UsageError, match="SSH"):
        SshHost(address)
