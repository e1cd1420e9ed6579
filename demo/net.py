"""Production's network: one namespace for the machine, one for the world outside, a veth pair between them.

No bridge, no route to this host or beyond. Needs root and iproute2.
"""

from __future__ import annotations

import subprocess
from typing import NamedTuple

PRODUCTION, WORLD = "10.77.0.2", "10.77.0.1"


class Network(NamedTuple):
    """Names of the two namespaces."""

    production: str = "dten-prod"
    world: str = "dten-world"


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


def up(network: Network = Network()) -> Network:  # noqa: B008 - a tuple, never changed
    """Make both namespaces and the link, afresh."""
    down(network)
    for name in network:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
    _ip("-n", network.world, "link", "add", "lab0", "type", "veth", "peer", "name", "host0", "netns", network.production)
    for name, device, address in ((network.world, "lab0", WORLD), (network.production, "host0", PRODUCTION)):
        _ip("-n", name, "address", "add", f"{address}/24", "dev", device)
        _ip("-n", name, "link", "set", device, "up")
    return network


def down(network: Network = Network()) -> None:  # noqa: B008 - a tuple, never changed
    """Remove both namespaces; what is not there is no error."""
    for name in network:
        _ip("netns", "delete", name, check=False)
