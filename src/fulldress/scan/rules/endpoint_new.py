"""The package talks to a host that the previous version did not.

## What it does
With `--baseline PREVIOUS`, compares the outside hosts that settings, scripts, programs and strings of binaries name with
those of the previous package. Hosts for which `release.toml` declares a route are left out. One finding for the package, at
the first new one.

## Why it matters
A name that was not there before is a feature that nobody announced, or somebody else's hand in the vendor's build: most
supply-chain attacks begin with a call to a new address. And the firewall does not know it yet.

## Example
```
stats.vendor-analytics.example (https, agent.jar): not in lims-7.2.1.zip
```

## Fix
Ask the vendor about each name before the window; allow, redirect or block it on purpose.

## References
- CWE-506 Embedded Malicious Code; NIST SP 800-161
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Finding
from fulldress.scan.credentials import secrets
from fulldress.scan.network import endpointuse
from fulldress.scan.network.endpoints import outside, replacement
from fulldress.scan.network.endpointuse import Use
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="endpoint-new",
    family="endpoint",
    title="Host that the previous version did not name",
    severity="medium",
    confidence="likely",
    needs=("baseline",),
)
LOOKS_FOR = endpointuse.LOOKS_FOR
SHOWN = 8


def check(context: Context) -> Iterator[Finding]:
    """One finding for all new hosts."""
    replacements = context.estate.replacements if context.estate is not None else {}
    known = context.known_hosts or frozenset()
    new: dict[str, Use] = {}
    for use in endpointuse.uses(context):
        host = use.url.host
        if outside(host) and host not in known and replacement(replacements, host) is None:
            new.setdefault(host, use)
    if not new:
        return
    first = next(iter(new.values()))
    named = ", ".join(f"{host} ({u.url.scheme}, {u.place.rpartition('/')[2]})" for host, u in list(new.items())[:SHOWN])
    more = f" and {len(new) - SHOWN} more" if len(new) > SHOWN else ""
    yield Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{len(new)} outside host{'s' * (len(new) > 1)} that the previous version did not name: {named}{more}"[:300],
        place=first.place,
        line=first.line,
        excerpt=secrets.hidden(first.text)[:200],
        consequence="A feature that nobody announced, or somebody else's hand in the build; the firewall does not know it.",
        fix="Ask the vendor about each name; allow, redirect or block it on purpose.",
        names=tuple(sorted(new)),
    )


_FILES: dict[str, str | bytes] = {
    "conf/a.ini": "[p]\nbase = https://api.partner.example/v2\nt = https://x.tracker.example/c\n"
}
BAD = (
    Sample(files=_FILES, known_hosts=("api.partner.example",)),
    Sample(files={"bin/tool": b"\x7fELF\0\0\0https://c2.partner.example/x\0"}, known_hosts=()),
)
GOOD = (
    Sample(files=_FILES, known_hosts=("api.partner.example", "x.tracker.example")),
    Sample(files={"README.md": "https://x.partner.example\n", "a.ini": "u = http://localhost:8080/\n"}, known_hosts=()),
)
