"""The package reports to, or asks, somebody outside: telemetry, licence checks, updaters, crash reports.

## What it does
Looks at the addresses that settings, scripts, programs and binaries call, and names the outside hosts whose name or path
says what they are for: telemetry, analytics, licence, activation, update, crash, heartbeat. Hosts for which `release.toml`
declares a route are left out. One finding for the package.

## Why it matters
On a host without a way out the start waits for a timeout or the licence is lost; on one with a way out, data leaves the
house and the product may replace itself. In a rehearsal these calls must end in a sink.

## Example
```
telemetry.url = https://stats.vendor.example/v1/collect
```

## Fix
Ask the vendor which calls can be switched off and what happens without an answer; declare a route under
`[estate.replacements]`, or block and rehearse it.

## References
- CWE-359 Exposure of Private Personal Information; CWE-494
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from fulldress.formats.late import late
from fulldress.model.finding import Finding
from fulldress.scan.credentials import secrets
from fulldress.scan.network import endpointuse
from fulldress.scan.network.endpoints import outside, replacement
from fulldress.scan.network.endpointuse import Use, in_programs
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="phone-home",
    family="endpoint",
    title="The package calls its vendor or others by itself",
    severity="medium",
    confidence="likely",
)
LOOKS_FOR = endpointuse.LOOKS_FOR
_PURPOSE = {
    "telemetry": late(
        r"(?i)telemetry|analytics|(^|[./-])(stats?|metrics|collect(or)?|tracking|tracker|usage)([./:-]|$)|segment\.(io|com)|"
        r"mixpanel|amplitude\.com|google-analytics|matomo|heap\.io|posthog"
    ),
    "licence check": late(
        r"(?i)licen[cs](e|ing)([./:?-]|s?$)|li[cz]en[czst]\w{0,6}[./:?-]|activation|aktivier|activare|activacion|entitlement|(^|[./-])activate([./]|$)"
    ),
    "updater": late(
        r"(?i)(^|[./-])(auto-?)?updat(e|er|es)([./:?-]|$)|appcast|(^|[./-])releases?/latest|version-?check|/latest\.json"
    ),
    "crash reports": late(r"(?i)sentry\.io|bugsnag|rollbar|(^|[./-])crash(es|-?reports?)?([./:-]|$)|raygun|honeybadger"),
    "heartbeat": late(r"(?i)heartbeat|phone-?home|call-?home|(^|[./-])beacon([./:-]|$)|(^|[./-])checkin([./:-]|$)"),
}
_ABOUT = late(r"(?i)/licen[cs]es?(/|/[\w.-]*|-[\d.]+.*|\.(html|txt))?$|opensource|/legal|gnu\.org|/terms")


def check(context: Context) -> Iterator[Finding]:
    """One finding for the package."""
    replacements = context.estate.replacements if context.estate is not None else {}
    found: dict[str, tuple[str, Use]] = {}
    for use in endpointuse.uses(context):
        host = use.url.host
        if not outside(host) or replacement(replacements, host) is not None or _ABOUT.search(use.url.rest):
            continue
        purpose = _purpose(f"{host}{use.url.rest.partition('?')[0]}")
        if purpose and (host not in found or (use.line and not found[host][1].line)):
            found[host] = (purpose, use)
    called = {host: pair for host, pair in found.items() if not in_programs([pair[1]]) or not pair[1].line}
    if called:
        yield _finding(called)


_TELLING = late(
    "telemetry|analytics|stat|metrics|collect|track|usage|segment|mixpanel|amplitude|matomo|heap|posthog|licen|activat|"
    "entitlement|updat|appcast|release|version|latest|sentry|bugsnag|rollbar|crash|raygun|honeybadger|heartbeat|home|"
    "beacon|checkin"
)
"""In lower case, one of these is in every address of a purpose: most are told by that alone."""


@lru_cache(maxsize=1 << 12)
def _purpose(address: str) -> str:
    if address.isascii() and not _TELLING.search(address.lower()):
        return ""
    return next((purpose for purpose, pattern in _PURPOSE.items() if pattern.search(address)), "")


def _finding(found: dict[str, tuple[str, Use]]) -> Finding:
    ordered = sorted(found.items(), key=lambda pair: (not pair[1][1].line, pair[1][1].place, pair[1][1].line))
    first = ordered[0][1][1]
    listed = ", ".join(f"{host} ({purpose})" for host, (purpose, _) in ordered[:5])
    more = f" and {len(ordered) - 5} more" if len(ordered) > 5 else ""
    return Finding(
        rule=META.slug,
        severity=META.severity if first.line else "low",
        confidence=META.confidence,
        title=f"the package calls {listed}{more}",
        place=first.place,
        line=first.line,
        excerpt=secrets.hidden(first.text),
        consequence="Without a way out it waits or stops; with one, data leaves the house or the product changes itself.",
        fix="Ask what each call is for and how to switch it off; declare a route, or let the rehearsal's sink answer.",
    )


BAD = (
    {"conf/a.ini": "[t]\ntelemetry_url = https://stats.vendor.example/v1/collect\n"},
    {"bin/agent": b"\x7fELF\0\0\0https://licensing.vendor.example/activate\0"},
    {"bin/u.sh": "#!/bin/sh\ncurl -fsS https://vendor.example/releases/latest -o v.json\n"},
)
GOOD = (
    {"conf/a.ini": "[t]\nbase = https://api.vendor.example/v1\nlicense = https://vendor.example/licenses/LICENSE-2.0.txt\n"},
    {"conf/a.ini": "url = http://telemetry.lab.internal/v1\n", "README.md": "See https://stats.vendor.example/collect\n"},
)
