"""The package opens ports to the network, or the firewall for them.

## What it does
Reads what listens on every address: systemd sockets, nginx `listen`, settings and options that bind to `0.0.0.0` or `::`,
published container ports, and calls in programs; and commands that open the firewall. Loopback and Unix sockets do not
count. One finding for each file; debugging and administration ports, and the firewall, are `medium`.

## Why it matters
A port that was not there before is reachable by everyone in the network from the first start, monitored by nobody, and may
be taken already.

## Example
```
ListenStream=0.0.0.0:9443
```

## Fix
Bind to loopback or the one interface that needs it; add the port to firewall, monitoring and documentation on purpose.

## References
- CWE-1327 Binding to an Unrestricted IP Address; systemd.socket(5)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.scan.credentials import secrets
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, is_code, script_at
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="new-listener",
    family="endpoint",
    title="Port opened to the network",
    severity="low",
    confidence="likely",
)
_ANY = r"(?:0\.0\.0\.0|\[?::\]?|\*)"
LOOKS_FOR = (
    Pattern(r"0\.0\.0\.0[:\"', )\]]|0\.0\.0\.0$|\[::\]:\d"),
    Pattern(r"^\s{0,20}listen\s{1,9}[^;]{1,80};"),
    Pattern(r"^Listen(Stream|Datagram)\s{0,4}=\s{0,4}[0-9\[:*]"),
    Pattern(
        r"\b(ufw\s{1,4}allow|firewall-cmd\s[^\n]{0,80}--add-(port|service)|iptables\s[^\n]{0,80}-[AI]\s{1,4}INPUT[^\n]{0,80}ACCEPT)"
    ),
)
_SOCKET = late(r"^Listen(?:Stream|Datagram)\s*=\s*(?:\S*:)?(\d{1,5})\s*$")
_SOCKET_LOCAL = late(r"=\s*(127\.|\[::1\])")
_NGINX = late(r"^\s*listen\s+(?!unix:|127\.|\[::1\]|localhost)(?:\S*:)?(\d{1,5})\b[^;]*;")
_BOUND = late(
    rf"(?i)\b(?:bind|listen|host|address|addr|interface|http_?host|server|inet)[\w.-]*[\"']?[\s:=(,\[]+[\"'(]*{_ANY}[\"']?(?:\s*[:,]\s*(\d{{1,5}}))?"
    rf"|(?:--bind|--host|--listen|-b|-H|-l)[ =]{_ANY}(?::(\d{{1,5}}))?|{_ANY}:(\d{{1,5}})"
)
_CALL = late(r"\.listen\(\s*(\d{2,5})\s*,\s*[\"'](?:0\.0\.0\.0|::)[\"']")
_FIREWALL = late(r"\b(ufw\s+allow|firewall-cmd\s.*--add-(?:port|service)|iptables\s.*-[AI]\s+INPUT.*ACCEPT)")
_SENSITIVE = {
    "23",
    "2375",
    "5005",
    "5678",
    "9229",
    "1099",
    "6379",
    "11211",
    "27017",
    "9200",
    "5900",
    "8000",
    "50070",
    "2379",
}


def check(context: Context) -> Iterator[Finding]:
    """One finding for each file."""
    found: dict[str, list[tuple[int, str, str]]] = {}
    for entry, number, line in acting_lines(context, *LOOKS_FOR):
        if standing(entry.place) != "acting":
            continue
        what = _opened(context, entry.place, line)
        if what:
            found.setdefault(entry.place, []).append((number, what, line))
    for place, spots in found.items():
        yield _finding(place, spots)


def _opened(context: Context, place: str, line: str) -> str:
    """The port (or ``firewall``, or ``*`` for an unnamed one) that a line opens, ``""`` for none."""
    if _FIREWALL.search(line):
        return "firewall" if script_at(context, place) is not None else ""
    if place.endswith(".socket"):
        match = _SOCKET.match(line)
        return match[1] if match is not None and not _SOCKET_LOCAL.search(line) else ""
    match = _NGINX.match(line) or _CALL.search(line)
    if match is not None:
        return match[1]
    if re.search(r"(?i)\b(allow|deny|from|trusted|whitelist|cidr|route|netmask|via|0\.0\.0\.0/)\b|0\.0\.0\.0/\d", line):
        return ""
    bound = _BOUND.search(line) if not is_code(place) or re.search(r"\b(bind|listen|run|serve|host)\b", line) else None
    return next((g for g in bound.groups() if g), "*") if bound is not None else ""


def _finding(place: str, spots: list[tuple[int, str, str]]) -> Finding:
    number, _, line = spots[0]
    ports = sorted({w for _, w, _ in spots if w.isdigit()}, key=int)
    wall = any(w == "firewall" for _, w, _ in spots)
    severity: Severity = "medium" if wall or set(ports) & _SENSITIVE else META.severity
    shown = f"port{'s' * (len(ports) > 1)} {', '.join(ports[:6])}" if ports else "a port"
    title = "the firewall is opened by a script" if wall else f"{shown} opened to the network by {place.rpartition('/')[2]}"
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=title,
        place=place,
        line=number,
        excerpt=secrets.hidden(line.strip()),
        consequence="Everyone in the network reaches it from the first start; the port may be taken already.",
        fix="Bind to loopback or one interface, and add the port to firewall and monitoring on purpose.",
    )


BAD = (
    {"lib/systemd/system/a.socket": "[Socket]\nListenStream=0.0.0.0:9443\n"},
    {"etc/nginx/conf.d/a.conf": "server {\n    listen 8443 ssl;\n    server_name _;\n}\n"},
    {"conf/a.yaml": "server:\n  host: 0.0.0.0\n", "conf/b.ini": "bind = 0.0.0.0:8080\n"},
    {"app/main.py": 'app.run(host="0.0.0.0", port=8080)\n'},
    {"server.js": "app.listen(9443, '0.0.0.0');\n"},
    {"bin/a.sh": "#!/bin/sh\nufw allow 9443/tcp\n"},
)
GOOD = (
    {"lib/systemd/system/a.socket": "[Socket]\nListenStream=/run/a.sock\nListenStream=127.0.0.1:9443\n"},
    {"etc/nginx/conf.d/a.conf": "server {\n    listen 127.0.0.1:8443;\n    # listen 80;\n    listen unix:/run/a;\n}\n"},
    {"conf/a.conf": "allow from 0.0.0.0/0\nbind = 127.0.0.1:8080\n", "app/x.py": 'if ip == "0.0.0.0":\n    pass\n'},
)
