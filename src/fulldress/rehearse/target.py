"""Where the load of a clone goes: the address its users would use, over TLS when they do.

A clone's certificate is pinned as it was before the plan: its issuer is production's affair, and a clone's names do not lead
to it. ``python -m fulldress.rehearse.target ADDRESS PORT NAME`` prints a server's pin; it can be started inside a network
namespace.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import ssl
import subprocess
import sys
from typing import NamedTuple
from urllib.parse import urlsplit

from fulldress.errors import FulldressError
from fulldress.rehearse.link import Tls
from fulldress.rehearse.traffic import child_environment

_PATIENCE_S = 10.0


class Target(NamedTuple):
    """What :func:`fulldress.rehearse.traffic.start_load` needs to know of it."""

    url: str
    host_header: str = ""
    tls: Tls | None = None


def target_of(base_url: str, address: str, netns: str | None = None) -> Target:
    """The product of a clone at ``address``, whose own machine knows it as ``base_url``.

    A ``base_url`` on the loopback names no host that users would ask for. Raises FulldressError when it speaks no TLS.
    """
    known = urlsplit(base_url)
    own = _is_loopback(known.hostname or "")
    header = "" if own else known.netloc
    if known.scheme != "https":
        return Target(f"http://{address}:{80 if own else known.port or 80}", header)
    port = known.port or 443
    name = "" if own else known.hostname or ""
    return Target(f"https://{address}:{port}", header, Tls(pin_sha256=_pin(address, port, name, netns), server_name=name))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _pin(address: str, port: int, name: str, netns: str | None) -> str:
    prefix = ["ip", "netns", "exec", netns] if netns else []
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "fulldress.rehearse.target", address, str(port), name],
        capture_output=True,
        text=True,
        env=child_environment(),
        timeout=_PATIENCE_S * 3,
        check=False,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise FulldressError(f"the clone does not speak TLS at port {port}", why=why, slug="load-target-without-tls")
    return done.stdout.strip()


def main(address: str, port: str, name: str) -> int:
    """Print the SHA-256 of the certificate that is shown there."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is looked at, not trusted
    with (
        socket.create_connection((address, int(port)), _PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname=name or address) as secure,
    ):
        sys.stdout.write(hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest() + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:4]))
