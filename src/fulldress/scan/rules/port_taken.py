"""The package wants a port on which something else on the host waits already.

## What it does
Reads what the package will listen on: `ListenStream=` of its sockets, `listen` of nginx, Tomcat's connectors, `server.port`
and its kin in settings, options such as `--port` in units, published ports of containers. Holds each against the listeners
that the inventory found. The product's own older self (a unit or a program that the package brings, stops or restarts), and
nginx where nginx listens, are no collision.

## Why it matters
The second program that asks for a port ends with `Address already in use`, in the middle of the window and after the old
version is gone; or it is the monitoring agent that does not come back after the next boot.

## Example
```
server.port=9100               # node_exporter waits there
```

## Fix
Give the package another port before the window, or move the other program on purpose.

## References
- bind(2), EADDRINUSE; systemd.socket(5)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.estate import Estate, HostFacts, Listener
from fulldress.model.finding import Finding
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.callgraph import short
from fulldress.scan.jobs.units import units
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, is_code, memo, scripts
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="port-taken",
    family="endpoint",
    title="Port is taken already",
    severity="high",
    confidence="likely",
    needs=("estate",),
)
_ROLES = "server|listen|listener|https?|management|admin|metrics|web|ui|api|shutdown|ajp|jmx|bind"
_KEYS = rf"(?:{_ROLES})[._-]?(?:server[._-])?port"
_PORT = late(
    r"^\s*Listen(?:Stream|Datagram)?\s*=?\s*(?P<a1>\S*:)?(?P<p1>\d{2,5})\s*(?:ssl|https?)?\s*$"
    r"|^\s*listen\s+(?!unix:)(?P<a2>\S*:)?(?P<p2>\d{2,5})\b[^;]*;"
    r"|<Connector\b[^>]*?\bport\s*=\s*[\"'](?P<p3>\d{2,5})[\"']"
    rf"|^\s*(?:export\s+|Environment=[\"']?|-\s+)?[\"']?(?:[\w-]+\.)*{_KEYS}[\"']?\s*[:=]\s*[\"']?(?P<p4>\d{{2,5}})[\"']?\s*,?\s*$"
    r"|^\s*(?:bind|listen|listen[._-]addr(?:ess)?|http[._-]addr|bind[._-]addr(?:ess)?)\s*[:=]\s*[\"']?(?P<a5>[\w.\[\]:*]*:)(?P<p5>\d{2,5})\b"
    r"|\s--(?:http-|listen-|server[.-])?(?:port|listen|bind)[ =](?P<a6>[\w.\[\]*]*:)?(?P<p6>\d{2,5})\b"
    r"|^\s*-\s*[\"']?(?P<a7>(?:\d+\.){3}\d+:)?(?P<p7>\d{2,5}):\d{2,5}(?:/(?:tcp|udp))?[\"']?\s*$",
    re.IGNORECASE,
)
LOOKS_FOR = (
    Pattern(r"^\s{0,20}[Ll]isten(Stream|Datagram)?\s{0,4}=?\s{0,4}[^\s;]{0,50}\d{2,5}"),
    Pattern(r"<Connector\s[^>]{0,300}port="),
    Pattern(rf"(?i){_KEYS}[\"']?\s{{0,4}}[:=]\s{{0,4}}[\"']?\d{{2,5}}"),
    Pattern(r"(?i)^\s{0,20}(bind|http|listen)([._-]addr(ess)?)?\s{0,4}[:=]\s{0,4}[\"']?[\w.\[\]:*]{0,40}:\d{2,5}"),
    Pattern(r"\s--(http-|listen-|server[.-])?(port|listen|bind)[ =][\w.\[\]*]{0,40}:?\d{2,5}"),
)
_PUBLISHED = Pattern(r"^\s{1,20}-\s{1,4}[\"']?[\d.:]{2,30}:\d{2,5}(/(tcp|udp))?[\"']?\s{0,4}$")
_COMPOSE = late(r"(^|/)(docker-)?compose[\w.-]*\.ya?ml$")
_LOCAL = ("127.", "[::1]", "::1", "localhost")
_ANY = ("0.0.0.0", "::", "*", "[::]", "")
_WORD = late(r"[a-z0-9]{3,}")


class _Wish(NamedTuple):
    place: str
    line: int
    text: str
    port: int
    local: bool


def looks_for(context: Context) -> tuple[Pattern, ...]:
    """Published ports, where the package has a compose file."""
    return (_PUBLISHED,) if any(_COMPOSE.search(e.place) for e in context.files) else ()


def check(context: Context) -> Iterator[Finding]:
    """One finding for each port."""
    assert context.estate is not None
    taken = [(host, listener) for host in context.estate.hosts for listener in host.listeners if listener.protocol == "tcp"]
    if not taken:
        return
    found: dict[int, list[tuple[_Wish, HostFacts, Listener]]] = {}
    for wish in _wishes(context):
        for host, there in taken:
            if there.port == wish.port and _meets(wish, there) and not _own(context, wish, there):
                found.setdefault(wish.port, []).append((wish, host, there))
                break
    for wanted in found.values():
        yield _finding(*wanted[0], [wish for wish, _, _ in wanted])


def _wishes(context: Context) -> Iterator[_Wish]:
    asked = (*LOOKS_FOR, *looks_for(context))
    for entry, number, line in acting_lines(context, *asked, acting=lambda e: standing(e.place) == "acting"):
        place = entry.place
        if is_code(place):
            continue
        match = _PORT.search(line)
        found = {k: v for k, v in match.groupdict().items() if v} if match is not None else {}
        port = next((v for k, v in found.items() if k[0] == "p"), "")
        if not port or ("p7" in found and not _COMPOSE.search(place)) or not 0 < int(port) < 65536:
            continue
        address = next((v for k, v in found.items() if k[0] == "a"), "").rstrip(":")
        yield _Wish(place, number, line, int(port), address.startswith(_LOCAL))


def _meets(wish: _Wish, there: Listener) -> bool:
    """Two loopback addresses collide, and anything with one that stands for all."""
    return there.address in _ANY or not wish.local or there.address.startswith(_LOCAL)


def _own(context: Context, wish: _Wish, there: Listener) -> bool:
    """True for the same product's older self: then the port is free when the new one starts."""
    if wish.text.lstrip().startswith("listen ") and there.program == "nginx":
        return True
    names = _names(context)
    unit = there.unit.rpartition(".")[0] or there.unit
    if unit and unit in names:
        return True
    return bool(there.program) and there.program in names


def _names(context: Context) -> frozenset[str]:
    """Units that the package brings or that its scripts stop, start or restart; programs and Debian packages in it."""

    def make() -> frozenset[str]:
        found = {u.name.rpartition(".")[0] for u in units(context)}
        for script in scripts(context):
            for command in script.commands:
                if command.name.rpartition("/")[2] in ("systemctl", "service", "invoke-rc.d", "docker", "pkill", "killall"):
                    found.update(word.removesuffix(".service") for word in command.argv[1:])
        for entry in context.files:
            if entry.place.endswith("/control"):
                found.update(re.findall(r"(?m)^Package:\s*(\S+)", context.text(entry) or ""))
            if "/bin/" in entry.place or "/sbin/" in entry.place:
                found.add(entry.place.rpartition("/")[2])
        return frozenset(found)

    return memo(context, "names of its own services", make)


def _finding(wish: _Wish, host: HostFacts, there: Listener, wishes: list[_Wish]) -> Finding:
    who = there.unit or there.program
    said = f"{who} on {host.name}" if who else f"a program on {host.name}"
    named = ", ".join(f"{short(w.place)}:{w.line}" for w in wishes[:6])
    sure = bool(who) and there.program not in ("docker-proxy", "systemd")
    return Finding(
        rule=META.slug,
        severity=META.severity if sure else "medium",
        confidence=META.confidence if sure else "possible",
        title=f"port {wish.port} is wanted, but {said} waits there",
        place=wish.place,
        line=wish.line,
        excerpt=secrets.hidden(wish.text.strip())[:200],
        consequence=f"Whichever starts second ends with `Address already in use` ({named}); "
        "after the next boot that may be the other one.",
        fix="Choose another port before the window, or move the other program on purpose.",
    )


def _here(*listeners: Listener) -> Estate:
    host = HostFacts(name="app1", hostname="app1", os="debian", os_version="12", listeners=listeners)
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_EXPORTER = Listener(protocol="tcp", address="0.0.0.0", port=9100, program="node_exporter", unit="node-exporter.service")
_TOMCAT = Listener(protocol="tcp", address="*", port=8080, program="java", unit="shop.service")
_PROXY = Listener(protocol="tcp", address="0.0.0.0", port=443, program="nginx", unit="nginx.service")
BAD = (
    Sample(files={"conf/application.properties": "server.port=9100\n"}, estate=_here(_EXPORTER)),
    Sample(files={"etc/systemd/system/a.socket": "[Socket]\nListenStream=9100\n"}, estate=_here(_EXPORTER)),
    Sample(files={"conf/server.xml": '<Server>\n<Connector port="8080" protocol="HTTP/1.1"/>\n'}, estate=_here(_TOMCAT)),
    Sample(files={"docker-compose.yml": 'services:\n  web:\n    ports:\n      - "9100:80"\n'}, estate=_here(_EXPORTER)),
    Sample(files={"etc/apache2/ports.conf": "Listen 443 https\n"}, estate=_here(_PROXY)),
    Sample(
        files={"lib/systemd/system/a.service": "[Service]\nExecStart=/opt/a/bin/a --port 9100\n"}, estate=_here(_EXPORTER)
    ),
)
GOOD = (
    Sample(
        files={"conf/application.properties": "server.port=9101\ndb.port=5432\n# server.port=9100\n"},
        estate=_here(_EXPORTER),
    ),
    Sample(
        files={
            "conf/server.xml": '<Server>\n<Connector port="8080"/>\n',
            "lib/systemd/system/shop.service": "[Service]\nExecStart=/opt/shop/run\n",
        },
        estate=_here(_TOMCAT),
    ),
    Sample(files={"etc/nginx/sites/a.conf": "server {\n  listen 443 ssl;\n}\n"}, estate=_here(_PROXY)),
    Sample(
        files={"conf/a.properties": "smtp.host=mail\nmail.smtp.port=9100\n", "app/x.py": "server_port = 9100\n"},
        estate=_here(_EXPORTER),
    ),
    Sample(
        files={"etc/systemd/system/a.socket": "[Socket]\nListenStream=127.0.0.1:9100\n"},
        estate=_here(Listener(protocol="tcp", address="10.0.0.5", port=9100, program="x")),
    ),
    Sample(files={"README.md": "server.port=9100\n", "conf/a.example": "server.port=9100\n"}, estate=_here(_EXPORTER)),
)
