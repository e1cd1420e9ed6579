"""A real sshd on the loopback with throw-away keys: for tests of what works over SSH."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import stand_aside

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
AuthorizedKeysFile {home}/authorized
PidFile none
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(home: Path) -> Iterator[tuple[Path, int]]:
    """A real sshd with throw-away keys in ``home``; yields the client's home directory and the port."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    if os.geteuid() != 0 or sshd is None:
        stand_aside("needs root and openssh-server")
    port = free_port()
    (home / ".ssh").mkdir()
    for key in (home / "host_key", home / ".ssh/id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    shutil.copy(home / ".ssh/id_ed25519.pub", home / "authorized")
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{port} {(home / 'host_key.pub').read_text()}")
    (home / ".ssh/config").write_text(
        f"Host lims\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  ForwardAgent yes\n"
        f"  IdentityFile {home}/.ssh/id_ed25519\n"
    )
    (home / "sshd_config").write_text(CONFIG.format(home=home, port=port))
    Path("/run/sshd").mkdir(exist_ok=True)
    child = subprocess.Popen([sshd or "", "-D", "-e", "-f", str(home / "sshd_config")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield home, port
    finally:
        child.terminate()
        child.wait()
