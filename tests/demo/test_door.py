"""The way into the demo's production over SSH: what is written for the client, and the pipe that leads there."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import asyncssh

from demo import door, net

ROOT = Path(__file__).parents[2]


def shouting(listener: socket.socket) -> None:
    """Sends everything back in capitals once the other side has said its last, then a farewell."""
    connection, _ = listener.accept()
    with connection:
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
        connection.sendall(data.upper() + b"bye")


def test_the_pipe_carries_all_and_ends_when_the_server_has_said_its_last() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=shouting, args=(listener,))
        server.start()
        port = str(listener.getsockname()[1])
        sent = b"abc" * 400_000
        command = [sys.executable, "-m", "demo.door", "127.0.0.1", port]
        done = subprocess.run(command, input=sent, cwd=ROOT, capture_output=True, timeout=60, check=True)
        server.join()
    assert done.stdout == sent.upper() + b"bye"


def test_a_client_that_knows_the_way_and_nobody_elses_key(tmp_path: Path) -> None:
    root, home = tmp_path / "root", tmp_path / "home"
    (root / "etc/ssh").mkdir(parents=True)
    (root / "root").mkdir()
    (root / "etc/ssh/ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA demo\n")
    door.unlock(root, home)
    options = asyncssh.SSHClientConnectionOptions(config=[str(home / ".ssh/config")], host=net.PRODUCTION)
    assert options.proxy_command is not None
    assert list(options.proxy_command)[-2:] == [net.PRODUCTION, "22"]
    assert (home / ".ssh/known_hosts").read_text() == f"{net.PRODUCTION} ssh-ed25519 AAAA demo\n"
    public = (home / ".ssh/id_ed25519.pub").read_text()
    assert (root / "root/.ssh/authorized_keys").read_text() == public
    door.unlock(root, home)
    assert (root / "root/.ssh/authorized_keys").read_text() != public
