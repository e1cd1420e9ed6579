"""Another way into the demo's production: over SSH, as ``ssh:root@10.77.0.2``, like a machine that stands elsewhere.

Its sshd listens in production's own network only. The client's way leads through the namespace of the world outside, by a
ProxyCommand (``python -m demo.door ADDRESS PORT``) in a configuration of its own; the keys are made anew for each demo.
"""

from __future__ import annotations

import os
import selectors
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from demo import net

ADDRESS = f"ssh:root@{net.PRODUCTION}"
PACKAGES = ("anacron", "at", "openssh-server", "rsync")
"""What the base image has not: the server, what a mirror over SSH needs there, and two more schedulers."""
_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
_NOTHING_STARTS = "#!/bin/sh\nexit 101\n"
_CONFIG = """\
Host {host}
  IdentityFile {home}/.ssh/id_ed25519
  IdentitiesOnly yes
  ProxyCommand env PYTHONPATH={here} {enter} {python} -m demo.door %h %p
"""


def install(root: Path) -> None:
    """Install the server into production's tree with its own apt; nothing of it is started here. Needs Debian's mirror."""
    policy, names = root / "usr/sbin/policy-rc.d", root / "etc/resolv.conf"
    kept = names.read_bytes()
    policy.write_text(_NOTHING_STARTS)
    policy.chmod(0o755)
    shutil.copyfile("/etc/resolv.conf", names)
    quiet = ["-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Dpkg::Options::=--force-unsafe-io"]
    try:
        for words in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES], ["clean"]):
            inside = ["unshare", "--pid", "--fork", "--kill-child", "chroot", str(root), "apt-get", *quiet, *words]
            ended = subprocess.run(inside, env=_ENV, capture_output=True, text=True, check=False)
            if ended.returncode != 0:
                raise RuntimeError(f"apt-get {words[0]} in production's tree: {ended.stderr[-1500:]}")
    finally:
        policy.unlink()
        names.write_bytes(kept)
    shutil.rmtree(root / "var/lib/apt/lists")
    (root / "var/lib/apt/lists").mkdir()


def unlock(root: Path, home: Path) -> None:
    """Make a key and let it in; ``home`` becomes the home directory of a client that knows the way."""
    shutil.rmtree(home, ignore_errors=True)
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    key = home / ".ssh/id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(key)], check=True)
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(key.with_suffix(".pub"), root / "root/.ssh/authorized_keys")
    host_key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    (home / ".ssh/known_hosts").write_text(f"{net.PRODUCTION} {host_key}")
    enter = f"ip netns exec {net.Network().world}"
    (home / ".ssh/config").write_text(
        _CONFIG.format(host=net.PRODUCTION, home=home, here=Path(__file__).parents[1], enter=enter, python=sys.executable)
    )


def through(address: str, port: int) -> None:
    """Join this process's input and output with a port, until the server has said its last."""
    with socket.create_connection((address, port), timeout=20) as line, selectors.DefaultSelector() as ready:
        line.settimeout(None)
        ready.register(0, selectors.EVENT_READ, lambda: os.read(0, 1 << 16))
        ready.register(line, selectors.EVENT_READ, lambda: line.recv(1 << 16))
        while line in ready.get_map():
            for key, _ in ready.select():
                data = key.data()
                if not data:
                    ready.unregister(key.fileobj)
                    if key.fileobj == 0:
                        line.shutdown(socket.SHUT_WR)
                elif key.fileobj == 0:
                    line.sendall(data)
                else:
                    _say(data)


def _say(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    through(sys.argv[1], int(sys.argv[2]))
