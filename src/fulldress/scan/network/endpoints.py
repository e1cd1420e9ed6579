"""Endpoints in text: find hosts and URLs, tell outside from inside, and redirect them. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from fulldress.formats.late import late

URL = late(
    r"(?i)\b([a-z][a-z0-9+.-]{1,20})://(?:([^\s/@'\"<>|]*)@)?(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?([^\s'\"<>|`)\]},;]*)"
)
PLAINTEXT = {"http", "ftp", "telnet", "ldap", "smtp", "ws", "mqtt", "amqp", "redis", "imap", "pop3", "stomp"}
DATABASES = {"postgresql", "postgres", "mysql", "mariadb", "oracle", "sqlserver", "mongodb"}
NETWORK = (
    PLAINTEXT | DATABASES | {"https", "ftps", "sftp", "ssh", "ldaps", "smtps", "wss", "mqtts", "amqps", "rediss", "rsync"}
)
_INSIDE = (".invalid", ".test", ".local", ".localhost", ".internal", ".intranet", ".lan", ".home.arpa", ".corp")
_NAMESPACES = late(
    r"(?i)(^|\.)(w3\.org|xmlsoap\.org|json-schema\.org|apache\.org|gnu\.org|opensource\.org|sun\.com|oracle\.com|"
    r"freedesktop\.org|schemas\.microsoft\.com|schema\.org|python\.org|debian\.org|spdx\.org|creativecommons\.org|"
    r"example\.(com|org|net)|acme\.(com|org)|foo\.(com|org|net)|bar\.(com|org)|mozilla\.org|docs\.[a-z0-9.-]+)$"
)


class Url(NamedTuple):
    """A URL as written in a line."""

    text: str
    scheme: str
    userinfo: str
    host: str
    port: str
    rest: str


def urls(line: str) -> Iterator[Url]:
    """The network URLs of a line, those of databases (``jdbc:postgresql://``) among them."""
    for match in URL.finditer(line):
        scheme, host = match[1].lower(), match[3].rstrip(".").lower()
        if scheme in NETWORK and host:
            yield Url(match[0], scheme, match[2] or "", host, match[4] or "", match[5])


@lru_cache(maxsize=1 << 12)
def outside(host: str) -> bool:
    """True for a host beyond the estate: a public name or address, not loopback, private, single-label or a namespace id."""
    bare = host.strip("[]")
    if ":" in bare or bare[-1:].isdigit():  # nothing else is an address
        try:
            return ipaddress.ip_address(bare).is_global
        except ValueError:
            pass
    return "." in bare and not bare.endswith(_INSIDE) and not _NAMESPACES.search(bare)


def names_host(host: str) -> re.Pattern[str]:
    """Matches the host as a whole name, with or without trailing dot, any case."""
    return re.compile(rf"(?i)(?<![A-Za-z0-9_.-]){re.escape(host.rstrip('.'))}(?![A-Za-z0-9_-]|\.[A-Za-z0-9])")


def redirected(line: str, old: str, new: str) -> str:
    """The line with an endpoint replaced. Either side is a host, ``host:port`` or a URL prefix."""
    if "://" in old:
        return re.sub(re.escape(old), lambda _m: new, line, flags=re.IGNORECASE)
    if "://" not in new:
        return names_host(old).sub(lambda _m: new, line)
    scheme, _, authority = new.partition("://")
    prefix = re.compile(rf"(?i)\b[a-z][a-z0-9+.-]*://((?:[^\s/@'\"]*@)?){re.escape(old)}(?::\d+)?(?![A-Za-z0-9_.-])")
    line = prefix.sub(lambda m: f"{scheme}://{m[1]}{authority}", line)
    # A second pass for the bare name, unless the new address contains the old one.
    return line if names_host(old).search(new) else names_host(old).sub(lambda _m: authority.partition("/")[0], line)


def replacement(replacements: dict[str, str], host: str) -> tuple[str, str] | None:
    """The declared (old, new) pair for a host, the most specific key first; None when nothing is declared."""
    keys = [key for key in replacements if names_host(host).search(key)]
    return max(((k, replacements[k]) for k in keys), key=lambda pair: len(pair[0]), default=None)
