"""The outside hosts that the package names: the inventory for firewall, proxy and sink.

## What it does
Lists every outside host and protocol in settings, scripts, crontabs, units, programs and strings of binaries, and how often
each occurs. Comments, documentation links, namespaces, tests and libraries' own files do not count.

## Why it matters
Each of these names must resolve, be reachable and be trusted on the day, or must be known not to matter; a rehearsal answers
them from its sink.

## Example
```
files.partner.example (sftp, 3 places), api.partner.example (https, 1 place)
```

## Fix
Compare the list with the firewall's rules and the declared routes; ask the vendor about every name that surprises.

## References
- NIST SP 800-41, Guidelines on Firewalls
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Finding
from fulldress.scan.network import endpointuse
from fulldress.scan.network.endpoints import outside
from fulldress.scan.network.endpointuse import Use
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="outside-endpoints",
    family="endpoint",
    title="Outside hosts that the package names",
    severity="info",
    confidence="certain",
)
LOOKS_FOR = endpointuse.LOOKS_FOR
SHOWN = 12


def check(context: Context) -> Iterator[Finding]:
    """One finding for the package."""
    hosts: dict[tuple[str, str], list[Use]] = {}
    for use in endpointuse.uses(context):
        if outside(use.url.host):
            hosts.setdefault((use.url.host, use.url.scheme), []).append(use)
    if not hosts:
        return
    ordered = sorted(hosts.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    listed = ", ".join(f"{host} ({scheme}, {len(found)}x)" for (host, scheme), found in ordered[:SHOWN])
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    names = len({host for host, _ in hosts})
    yield Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{names} outside host{'s' * (names > 1)} named in the package",
        place="",
        excerpt=f"{listed}{more}",
        consequence="Each must be reachable and trusted on the day, or known not to matter.",
        fix="Compare with the firewall's rules and the declared routes.",
        names=tuple(sorted({host for host, _ in hosts})),
    )


BAD = (
    {"conf/a.ini": "[p]\nbase = https://api.partner.example/v2\nfiles = sftp://imp@files.partner.example/in\n"},
    {"bin/tool": b"\x7fELF\0\0\0jdbc:postgresql://db.partner.example/x\0"},
)
GOOD = (
    {"conf/a.ini": "base = http://localhost/\n# https://api.partner.example/\n", "README.md": "https://x.partner.example\n"},
)
