"""A clone's network: two namespaces joined by one veth, and no way out. Default deny, and everything that tries is seen.

The clone's side keeps production's own addresses. The sink's side owns *every* address (AnyIP) and answers ARP for every
address; new connections are redirected to the sink's ports (TCP 9000, UDP 9001, DNS 5353), and nft keeps a tally of its own
that must agree with the sink's journal. The load generator runs on the sink's side too: it reaches the clone's real
addresses, because answers belong to known connections and are not redirected.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import subprocess
from collections.abc import Sequence
from types import TracebackType

import msgspec

from fulldress.errors import CapabilityMissing
from fulldress.ports import Host, Keeper

TCP_PORT, UDP_PORT, DNS_PORT = 9000, 9001, 5353
NEAR = "169.254.99.1"
"""The load generator's own address, as the clone's logs show it."""


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """How a machine is wired: the interface that holds its addresses, the addresses with prefix, the default gateway."""

    interface: str = "host0"
    addresses: tuple[str, ...] = ("10.20.30.40/24",)
    gateway: str = "10.20.30.1"

    @property
    def address(self) -> str:
        """The first IPv4 address, without prefix: where the load generator finds the clone."""
        return self.addresses[0].partition("/")[0]


def wiring_of(host: Host) -> Wiring:
    """Production's own addresses, so that the clone can keep them; the default when production has none."""
    seen = host.run(["ip", "-j", "-4", "addr", "show", "scope", "global"])
    routes = host.run(["ip", "-j", "-4", "route", "show", "default"])
    links = [link for link in json.loads(seen.stdout or b"[]") if link.get("addr_info")] if seen.ok else []
    if not links:
        return Wiring()
    addresses = tuple(f"{a['local']}/{a['prefixlen']}" for link in links for a in link["addr_info"])
    gateways = [r["gateway"] for r in json.loads(routes.stdout or b"[]") if "gateway" in r] if routes.ok else []
    fallback = next((str(h) for h in ipaddress.ip_interface(addresses[0]).network.hosts()), addresses[0].partition("/")[0])
    return Wiring(interface=links[0]["ifname"], addresses=addresses, gateway=gateways[0] if gateways else fallback)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One row of nft's tally: what left the clone, by destination, with the number of new connections."""

    address: str
    protocol: str
    port: int
    packets: int


class Network:
    """The two namespaces of one clone. A context manager that leaves nothing behind."""

    def __init__(self, keeper: Keeper, *, label: str, wiring: Wiring | None = None) -> None:
        stem = f"fd-{label[:20]}-{secrets.token_hex(3)}"
        self.inside, self.sink = stem, f"{stem}-sink"
        self.wiring = wiring or Wiring()
        self._keeper = keeper

    def __enter__(self) -> Network:
        self._keeper.keep("netns", self.sink)
        self._keeper.keep("netns", self.inside)
        _call(["ip", "netns", "add", self.sink])
        _call(["ip", "netns", "add", self.inside])
        _call(
            [
                "ip",
                "-n",
                self.sink,
                "link",
                "add",
                "s0",
                "type",
                "veth",
                "peer",
                "name",
                self.wiring.interface,
                "netns",
                self.inside,
            ]
        )
        dev = self.wiring.interface
        _call(["ip", "-n", self.inside, "-batch", "-"], _inside_batch(self.wiring))
        _call(["ip", "-n", self.inside, "-6", "route", "add", "default", "via", "fd00:99::1", "dev", dev])
        _call(["ip", "-n", self.sink, "-batch", "-"], _sink_batch(self.wiring))
        _call(["ip", "-n", self.sink, "-6", "rule", "add", "iif", "s0", "lookup", "100"])
        _call(["ip", "-n", self.sink, "-6", "route", "add", "local", "::/0", "dev", "lo", "table", "100"])
        names = ("conf.s0.rp_filter=0", "conf.all.rp_filter=0", "ip_forward=0", "ip_local_port_range=1024 65535")
        _call(self.beside(["sysctl", "-qw", *(f"net.ipv4.{name}" for name in names)]))
        _call(self.beside(["nft", "-f", "-"]), RULES)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._keeper.release("netns", self.inside)
        self._keeper.release("netns", self.sink)

    @property
    def resolver(self) -> str:
        """What belongs in the clone's resolv.conf: any address reaches the sink's DNS."""
        return self.wiring.gateway

    @property
    def addresses(self) -> tuple[str, ...]:
        """The clone's own addresses, with prefix."""
        return self.wiring.addresses

    def beside(self, argv: Sequence[str]) -> list[str]:
        """The argument list that runs a program of ours on the sink's side (sink, load generator)."""
        return ["ip", "netns", "exec", self.sink, *argv]

    def tally(self) -> list[Attempt]:
        """What nft saw leaving the clone, independent of the sink's journal."""
        rows = []
        for name in ("seen4", "seen6"):
            listed = json.loads(_call(self.beside(["nft", "-j", "list", "set", "inet", "sink", name])))
            elements = next(item["set"] for item in listed["nftables"] if "set" in item).get("elem", [])
            for wrapped in elements:
                element = wrapped["elem"]
                address, protocol, port = element["val"]["concat"]
                packets = element["counter"]["packets"]
                rows.append(Attempt(address=address, protocol=str(protocol), port=int(port), packets=packets))
        return sorted(rows, key=lambda r: (r.address, r.protocol, r.port))


def _inside_batch(wiring: Wiring) -> str:
    dev = wiring.interface
    lines = [
        "link set lo up",
        *(f"addr add {a} dev {dev}" for a in wiring.addresses),
        f"addr add fd00:99::2/64 dev {dev} nodad",
    ]
    lines += [f"link set {dev} up", f"route add default via {wiring.gateway} dev {dev} onlink"]
    return "\n".join([*lines, ""])


def _sink_batch(wiring: Wiring) -> str:
    lines = ["link set lo up", f"addr add {NEAR}/32 dev s0", "addr add fd00:99::1/64 dev s0 nodad", "link set s0 up"]
    lines += [f"route add {a.partition('/')[0]}/32 dev s0 src {NEAR}" for a in wiring.addresses]
    lines += ["rule add iif s0 lookup 100", "route add local 0.0.0.0/0 dev lo table 100"]
    return "\n".join([*lines, ""])


RULES = f"""
table inet sink {{
  set seen4 {{ type ipv4_addr . inet_proto . inet_service; flags dynamic; size 65535; counter; }}
  set seen6 {{ type ipv6_addr . inet_proto . inet_service; flags dynamic; size 65535; counter; }}
  set pinged4 {{ type ipv4_addr; flags dynamic; size 65535; counter; }}
  set pinged6 {{ type ipv6_addr; flags dynamic; size 65535; counter; }}
  set blackhole {{ type ipv4_addr; }}
  set refuse {{ type ipv4_addr . inet_service; }}
  chain tally {{ type filter hook prerouting priority mangle; policy accept;
    iifname s0 ct state new meta l4proto {{ tcp, udp }} update @seen4 {{ ip daddr . meta l4proto . th dport }}
    iifname s0 ct state new meta l4proto {{ tcp, udp }} update @seen6 {{ ip6 daddr . meta l4proto . th dport }}
    iifname s0 icmp type echo-request update @pinged4 {{ ip daddr }}
    iifname s0 icmpv6 type echo-request update @pinged6 {{ ip6 daddr }}
    iifname s0 ip daddr @blackhole drop
  }}
  chain pre {{ type nat hook prerouting priority dstnat;
    iifname s0 ip daddr . tcp dport @refuse redirect to :1
    iifname s0 udp dport 53 redirect to :{DNS_PORT}
    iifname s0 tcp dport 53 redirect to :{DNS_PORT}
    iifname s0 meta l4proto tcp redirect to :{TCP_PORT}
    iifname s0 meta l4proto udp redirect to :{UDP_PORT}
  }}
}}
"""


def _call(argv: list[str], text: str = "") -> str:
    """Run a tool of this host; raises CapabilityMissing with what it said."""
    try:
        ended = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError:
        raise CapabilityMissing(f"{argv[0]} is not installed", fix="apt-get install iproute2 nftables") from None
    if ended.returncode != 0:
        raise CapabilityMissing(f"`{' '.join(argv[:6])}` failed", why=ended.stderr.strip(), fix="see `fulldress doctor`")
    return ended.stdout
