"""One HTTPS GET to a host on a list, to the very address that was checked. For reading vendors' channels and nothing else.

No redirects, no proxies from the environment, no cookies, no credentials, TLS verified, size and time bounded. A name is
resolved once; when any of its addresses is not a public one the whole name is refused, unless the vendor record allows
that network (a mirror inside). Never follows what an answer says.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from fulldress.errors import FulldressError

MAX_SIZE = 32 << 20
SECONDS = 30.0
CHUNK = 1 << 16

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Sequence[str]]
"""Host and port -> addresses as text."""

NEVER = tuple(
    ipaddress.ip_network(n)
    for n in ("169.254.0.0/16", "fe80::/10", "0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8", "fd00:ec2::/32")
)
"""Link-local (clouds answer with their secrets there), unspecified and multicast: no record can allow them."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class ChannelRefused(FulldressError):
    """A vendor's channel could not be read: it is not on the list, leads elsewhere, or answered what nobody asked for.

    The message says which. Channels and the hosts they may use stand in ``vendor.toml``; no answer adds to them.
    """

    slug = "channel-refused"


class Allowed(NamedTuple):
    """What the vendor record allows for one channel."""

    hosts: frozenset[str]
    """``name`` (port 443) or ``name:port``, lower-case."""
    networks: tuple[Network, ...] = ()
    """Networks that are not public and may be reached all the same."""
    ca: str = ""
    """PEM of the only roots to trust; ``""`` for the machine's."""


class Https:
    """Fetches. ``resolve`` stands in for the resolver in tests."""

    def __init__(self, resolve: Resolver | None = None, *, seconds: float = SECONDS) -> None:
        self._resolve = resolve or _system_resolver
        self._seconds = seconds

    def get(self, url: str, allowed: Allowed, *, limit: int = MAX_SIZE) -> bytes:
        """The body of a 200. Raises ChannelRefused with the reason for everything else."""
        parts = _checked_url(url, allowed)
        host, port = parts.hostname or "", parts.port or 443
        addresses = self._addresses(host, port, allowed)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            with self._connected(host, port, addresses, allowed) as (connection, late):
                try:
                    body = _answer(connection, path, url, limit)
                    if late.is_set():
                        raise OSError("cut off")
                    return body
                except (OSError, http.client.HTTPException, ValueError) as error:
                    if late.is_set():
                        raise _refused(url, f"it did not answer within {self._seconds:g} s") from error
                    raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _refused(url, f"{type(error).__name__}: {error}") from error

    def _addresses(self, host: str, port: int, allowed: Allowed) -> list[Address]:
        try:
            found = [ipaddress.ip_address(a.partition("%")[0]) for a in self._resolve(host, port)]
        except (OSError, ValueError, UnicodeError) as error:
            raise _refused(host, f"its name cannot be resolved: {error}") from error
        if not found:
            raise _refused(host, "its name has no address")
        for address in found:
            if why := _forbidden(address, allowed.networks):
                raise _refused(host, f"its name leads to {address}, {why}")
        return list(dict.fromkeys(found))

    @contextmanager
    def _connected(
        self, host: str, port: int, addresses: Sequence[Address], allowed: Allowed
    ) -> Iterator[tuple[http.client.HTTPConnection, threading.Event]]:
        """A connection whose socket is open, verified, and cut off when the time is over."""
        context = ssl.create_default_context(cadata=allowed.ca or None)
        raw = self._dial(addresses, port)
        late = threading.Event()
        secure = context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)

        def cut() -> None:
            late.set()
            with _quiet():
                socket.socket.shutdown(secure, socket.SHUT_RDWR)

        timer = threading.Timer(self._seconds, cut)
        timer.daemon = True
        timer.start()
        connection = http.client.HTTPConnection(host, port)
        connection.sock = secure
        try:
            secure.do_handshake()
            yield connection, late
        except OSError as error:
            if late.is_set():
                raise _refused(host, f"it did not answer within {self._seconds:g} s") from error
            raise
        finally:
            timer.cancel()
            connection.close()
            secure.close()

    def _dial(self, addresses: Sequence[Address], port: int) -> socket.socket:
        failed: OSError | None = None
        for address in addresses[:4]:
            try:
                made = socket.create_connection((str(address), port), timeout=self._seconds / min(len(addresses), 4))
                made.settimeout(self._seconds)
                return made
            except OSError as error:
                failed = error
        raise failed or OSError("no address")


def _checked_url(url: str, allowed: Allowed) -> SplitResult:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port or 443
    except ValueError as error:
        raise _refused(url, f"it is no address: {error}") from error
    if parts.scheme != "https":
        raise _refused(url, "only https is read")
    if parts.username or parts.password:
        raise _refused(url, "it carries credentials")
    if not host or not url.isascii() or any(c <= " " for c in url):
        raise _refused(url, "it is no address that can be asked")
    if not {host if port == 443 else "", f"{host}:{port}"} & allowed.hosts:
        raise _refused(url, f"{host}:{port} is not among the hosts that vendor.toml names for this channel")
    return parts


def _forbidden(address: Address, networks: Sequence[Network]) -> str:
    """Why this address may not be reached; ``""`` when it may."""
    real = _embedded(address)
    if any(real.version == n.version and real in n for n in NEVER):
        return "which is link-local, multicast or none at all"
    if any(real.version == n.version and real in n for n in networks):
        return ""
    return "" if real.is_global and address.is_global else "which is no public address"


def _embedded(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one (mapped, 6to4, Teredo, NAT64), else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        inner = address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


def _answer(connection: http.client.HTTPConnection, path: str, url: str, limit: int) -> bytes:
    connection.request(
        "GET", path, headers={"Accept-Encoding": "identity", "User-Agent": "fulldress", "Connection": "close"}
    )
    response = connection.getresponse()
    if 300 <= response.status < 400:
        raise _refused(url, f"it redirects (HTTP {response.status}); redirects are never followed")
    if response.status != http.client.OK:
        raise _refused(url, f"it answered HTTP {response.status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _refused(url, "it answered compressed, which was not asked for")
    announced = response.headers.get("Content-Length", "0")
    if announced.isdecimal() and len(announced) < 20 and int(announced) > limit:
        raise _refused(url, f"it has {announced} bytes, over {limit:,}")
    body = bytearray()
    while chunk := response.read(CHUNK):
        body += chunk
        if len(body) > limit:
            raise _refused(url, f"it has more than {limit:,} bytes")
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _refused(what: str, why: str) -> ChannelRefused:
    return ChannelRefused(
        f"{what[:300]} was not read: {why}", why="a channel is read as the vendor record allows, or not at all"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


def _system_resolver(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
