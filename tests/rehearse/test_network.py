"""A clone's network: no way out, everything seen, and the load generator reaches the clone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fulldress.adapters.scope import Scope
from fulldress.ports import Completed
from fulldress.rehearse.network import NEAR, Attempt, Network, Wiring, wiring_of

TRY = """
import socket, sys
def tcp(address, port):
    s = socket.socket(); s.settimeout(1)
    try: s.connect((address, port)); return s.recv(100).decode()
    except OSError as e: return type(e).__name__
print(tcp("93.184.216.34", 443), tcp("10.1.2.3", 25))
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("8.8.8.8", 53))
"""
SINK = """
import socket
s = socket.create_server(("", 9000)); print("up", flush=True)
while True:
    c, _ = s.accept(); a, p = c.getsockopt(0, 80, 16)[4:8], c.getsockopt(0, 80, 16)[2:4]
    c.sendall(f"{'.'.join(map(str, a))}:{int.from_bytes(p, 'big')}".encode()); c.close()
"""
SERVER = """
import socket
s = socket.create_server(("", 80)); print("up", flush=True)
while True:
    c, peer = s.accept(); c.sendall(peer[0].encode()); c.close()
"""


def inside(network: Network, argv: list[str]) -> list[str]:
    return ["ip", "netns", "exec", network.inside, *argv]


def serve(argv: list[str]) -> subprocess.Popen[str]:
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    child.stdout.close()
    return child


@pytest.mark.machine
class TestTheWall:
    @pytest.fixture
    def network(self, keeper: Scope) -> Network:
        return Network(keeper, label="t-net")

    def test_every_address_is_the_sinks_and_the_tally_agrees(self, network: Network) -> None:
        with network:
            sink = serve(network.beside([sys.executable, "-c", SINK]))
            try:
                said = subprocess.run(
                    inside(network, [sys.executable, "-c", TRY]), capture_output=True, text=True, check=True
                )
            finally:
                sink.kill()
                sink.wait()
            assert said.stdout.split() == ["93.184.216.34:443", "10.1.2.3:25"]
            assert network.tally() == [
                Attempt(address="10.1.2.3", protocol="tcp", port=25, packets=1),
                Attempt(address="8.8.8.8", protocol="udp", port=53, packets=1),
                Attempt(address="93.184.216.34", protocol="tcp", port=443, packets=1),
            ]

    def test_without_a_sink_nothing_answers(self, network: Network) -> None:
        with network:
            said = subprocess.run(inside(network, [sys.executable, "-c", TRY]), capture_output=True, text=True, check=True)
        assert said.stdout.split() == ["ConnectionRefusedError", "ConnectionRefusedError"]

    def test_the_load_generator_reaches_the_clone_at_productions_address(self, keeper: Scope) -> None:
        wiring = Wiring(interface="eth7", addresses=("192.168.77.5/24", "172.16.3.4/16"), gateway="192.168.77.1")
        ask = "import socket, sys; print(socket.create_connection((sys.argv[1], 80), 2).recv(99).decode())"
        with Network(keeper, label="t-net", wiring=wiring) as network:
            server = serve(inside(network, [sys.executable, "-c", SERVER]))
            try:
                for address in ("192.168.77.5", "172.16.3.4"):
                    argv = network.beside([sys.executable, "-c", ask, address])
                    said = subprocess.run(argv, capture_output=True, text=True, check=True)
                    assert said.stdout.strip() == NEAR
            finally:
                server.kill()
                server.wait()
            assert network.tally() == []

    def test_no_interface_but_loopback_and_the_veth(self, network: Network) -> None:
        with network:
            for name in (network.inside, network.sink):
                links = subprocess.run(["ip", "-n", name, "-o", "link"], capture_output=True, text=True, check=True).stdout
                assert len(links.splitlines()) == 2

    def test_two_side_by_side_then_none(self, keeper: Scope) -> None:
        with Network(keeper, label="t-net") as one, Network(keeper, label="t-net") as two:
            names = {one.inside, one.sink, two.inside, two.sink}
            assert names <= {p.name for p in Path("/run/netns").iterdir()}
        assert not names & {p.name for p in Path("/run/netns").iterdir()}


class Scripted:
    """A host that answers ``ip`` as told."""

    name = "machine:scripted"
    root = None

    def __init__(self, addresses: bytes, routes: bytes) -> None:
        self._answers = {"addr": addresses, "route": routes}

    def run(self, argv: list[str], **_: object) -> Completed:
        return Completed(code=0, stdout=self._answers[argv[3]])


def test_productions_wiring_is_read_from_production() -> None:
    addresses = b"""[{"ifname":"ens3","addr_info":[{"local":"10.0.0.5","prefixlen":24},{"local":"10.0.0.6","prefixlen":32}]},
        {"ifname":"ens4","addr_info":[{"local":"172.16.0.2","prefixlen":16}]},{}]"""
    routes = b'[{"dst":"default","gateway":"10.0.0.254","dev":"ens3"}]'
    assert wiring_of(Scripted(addresses, routes)) == Wiring(  # type: ignore[arg-type]
        interface="ens3", addresses=("10.0.0.5/24", "10.0.0.6/32", "172.16.0.2/16"), gateway="10.0.0.254"
    )


def test_without_a_gateway_the_first_address_of_the_net_serves() -> None:
    addresses = b'[{"ifname":"ens3","addr_info":[{"local":"10.0.0.5","prefixlen":24}]}]'
    assert wiring_of(Scripted(addresses, b"[]")).gateway == "10.0.0.1"  # type: ignore[arg-type]


def test_a_production_without_network_gets_the_default() -> None:
    assert wiring_of(Scripted(b"[]", b"[]")) == Wiring()  # type: ignore[arg-type]
