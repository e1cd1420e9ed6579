"""An outside endpoint is hard-coded, in plain text or against the estate's declared route.

## What it does
Collects the URLs in scripts, configuration, units and programs (strings of binaries too) and reports, once for each
host: plain-text protocols to the outside, hosts for which `release.toml` declares a replacement, and fixed addresses.

## Why it matters
Whoever sits on the way reads and changes what plain text carries, credentials included; an address fixed in a program
cannot be moved, blocked or rehearsed against without changing the program.

## Example
```
curl -X POST http://hooks.partner.example/v1/webhooks -H 'Authorization: Bearer ...'
```

## Fix
Use TLS, or the estate's own gateway: declare it under `[estate.replacements]` and `fulldress adapt` redirects every
place.

## References
- CWE-319 Cleartext Transmission of Sensitive Information; RFC 8996
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.model.estate import Estate
from fulldress.model.finding import Cure, Finding, Severity
from fulldress.scan.credentials import secretlines, secrets
from fulldress.scan.network import endpointuse
from fulldress.scan.network.endpoints import PLAINTEXT, outside, redirected, replacement, urls
from fulldress.scan.network.endpointuse import Use, in_programs
from fulldress.scan.reading import current_text, encode, scripts, with_line
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="endpoint-plaintext-hard-coded",
    family="endpoint",
    title="Outside endpoint hard-coded or in plain text",
    severity="medium",
    confidence="certain",
)
LOOKS_FOR = endpointuse.LOOKS_FOR
_PRIVATE = late(r"(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)")


FEW = 3
"""More hosts than these that only programs name are one finding."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each host that deserves one."""
    by_host: dict[str, list[Use]] = {}
    for use in endpointuse.uses(context):
        by_host.setdefault(use.url.host, []).append(use)
    many: list[Finding] = []
    for host, uses in by_host.items():
        finding = _finding(context.estate, host, uses)
        if finding is not None and finding.severity == "medium" and not finding.curable and in_programs(uses):
            many.append(msgspec.structs.replace(finding, severity="low", confidence="likely"))
        elif finding is not None:
            yield finding
    yield from many if len(many) <= FEW else (_together(many),)
    yield from _clients(context)


_PLAIN_CLIENTS = frozenset(("ftp", "tftp", "rsh", "rcp", "rlogin", "telnet"))
"""Programs that know no encryption; telnet is used to try ports, too."""


def _clients(context: Context) -> Iterator[Finding]:
    """Upgrade scripts that start such a program with a host's name: one finding for each script and program."""
    told: set[tuple[str, str]] = set()
    for script in scripts(context):
        place = script.entry.place
        for command in script.commands:
            argv = shell.unwrapped(command)
            name = argv[0].rpartition("/")[2] if argv else ""
            host = next((w for w in argv[1:] if not w.startswith("-")), "") if name in _PLAIN_CLIENTS else ""
            host = host.rpartition("@")[2].partition(":")[0]
            if "." not in host or not outside(host) or (place, name) in told or role(context, place) != "upgrade":
                continue
            told.add((place, name))
            severity: Severity = "low" if name == "telnet" else "medium"
            yield Finding(
                rule=META.slug,
                severity=severity,
                confidence=META.confidence,
                title=f"{name} talks to {host} in plain text",
                place=place,
                line=command.line,
                excerpt=secrets.hidden(command.text.split("\n")[0][:200]),
                consequence="Anyone on the way reads and changes what is sent, the password included.",
                fix="Have the vendor use SFTP, SSH or HTTPS, or ship the file inside the package.",
            )


def _together(found: list[Finding]) -> Finding:
    """One finding for the hosts in programs."""
    hosts = [f.title.partition(" to ")[2].partition(" is ")[0] for f in found]
    shown = ", ".join(hosts[:6]) + (f" and {len(hosts) - 6} more" if len(hosts) > 6 else "")
    title = f"plain-text addresses of {len(hosts)} outside hosts are in programs: {shown}"
    return msgspec.structs.replace(found[0], title=title, severity="low", confidence="likely")


def _finding(estate: Estate | None, host: str, uses: list[Use]) -> Finding | None:
    replacements = estate.replacements if estate is not None else {}
    if estate is not None and host in estate.retired:
        return None  # endpoint-retired says it
    if any(u.host == host for new in replacements.values() for u in urls(new)) or host in replacements.values():
        return None  # the estate's own declared route
    known = replacement(replacements, host)
    plain = [u for u in uses if u.url.scheme in PLAINTEXT and outside(host)]
    fixed = bool(_PRIVATE.match(host))
    if not (known or plain or fixed):
        return None
    exposed = [u for u in plain if secrets.hidden(said := _said(u)) != said]
    severity: Severity = "high" if exposed else "medium" if plain or known else "low"
    first = next(iter(exposed or [u for u in plain if u.line] or [u for u in uses if u.line] or uses))
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence if first.line else "likely",
        title=_title(host, uses, plain, exposed),
        place=first.place,
        line=first.line,
        excerpt=first.text,
        consequence=(
            "Anyone on the way reads and changes what is sent, the credential included."
            if exposed
            else "Anyone on the way reads and changes what is sent; the address cannot be moved without editing the package."
            if plain
            else "The address is fixed inside the package: it breaks when the server moves."
        ),
        fix=f"Use {known[1]} instead (declared in release.toml)."
        if known
        else "Declare the route to use under [estate.replacements].",
        curable=known is not None and any(u.line for u in uses),
    )


def _said(use: Use) -> str:
    """What belongs to the URL: its line, or only itself where the line is generated code of any length."""
    return use.text if len(use.text) <= secretlines.GENERATED else use.url.text


def _title(host: str, uses: list[Use], plain: list[Use], exposed: list[Use]) -> str:
    places = len({(u.place, u.line) for u in uses})
    many = f" in {places} places" if places > 1 else ""
    if exposed:
        return f"a credential goes to {host} over plain {exposed[0].url.scheme}{many}"
    if plain:
        return f"plain {plain[0].url.scheme} to {host} is hard-coded{many}"
    return f"the address {host} is hard-coded{many}"


def cure(context: Context, finding: Finding) -> Cure | None:
    """Redirect every place of the host to the declared route."""
    if context.estate is None:
        return None
    uses = endpointuse.uses(context)
    host = next(
        (u.url.host for u in uses if (u.place, u.line) == (finding.place, finding.line) and u.url.host in finding.title), ""
    )
    known = replacement(context.estate.replacements, host) if host else None
    if known is None:
        return None
    texts: dict[str, str] = {}
    for use in uses:
        if use.url.host == host and use.line:
            text = texts.get(use.place) or current_text(context, use.place) or ""
            texts[use.place] = with_line(text, use.line, lambda line: redirected(line, *known))
    edits: dict[str, bytes | None] = {place: encode(text) for place, text in texts.items()}
    return Cure(edits=edits, note=f"{host} redirected to {known[1]}") if edits else None


REPLACED = Estate(
    taken="2026-10-01T00:00:00Z",
    hosts=(),
    replacements={"api.partner.example": "https://gateway.lab.example/partner"},
)
BAD = (
    Sample(files={"up.sh": "#!/bin/sh\nset -e\nftp -n files.partner.example <<E\nuser a b\nE\n"}),
    {"scripts/x.sh": "#!/bin/sh\ncurl -X POST http://hooks.partner.example/v1 -H 'Authorization: Bearer abcdefghij'\n"},
    {"lib/b.jar!/b.properties": "partner=http://api.partner.example/v2\n"},
    Sample(files={"conf/a.ini": "[p]\nbase = http://api.partner.example/v2\n"}, estate=REPLACED),
    Sample(files={"conf/a.ini": "[p]\nbase = https://api.partner.example:8443/v2\n"}, estate=REPLACED),
    {"bin/tool": b"\x7fELF\0\0\0ping=http://telemetry.partner.example/v1\0"},
    {"conf/a.ini": "[p]\nbase = http://10.20.1.15:9090/bridge\n"},
)
GOOD = (
    Sample(files={"up.sh": "#!/bin/sh\nset -e\nftp -n localhost\nsftp files.partner.example\ntelnet 127.0.0.1 25\n"}),
    {"conf/x.xml": '<a xmlns:b="http://b.partner.example/ns"/>\n', "a.yml": "example: http://air.partner.example\n"},
    {
        "site-packages/x/a.py": 'U = "http://b.partner.example/x"\n',
        "data/x/service-2.json": '{"u": "http://b.partner.example"}',
    },
    {"conf/a.ini": "[p]\nbase = https://api.partner.example/v2\n# http://api.partner.example\n"},
    {"conf/a.ini": "[p]\nbase = http://127.0.0.1:8080/\nother = http://localhost/\nenv = http://${HOST}/v1\n"},
    {"schema.xml": '<a xmlns="http://www.w3.org/1999/xhtml"/>\n'},
    {
        "a.service": "[Unit]\nDocumentation=http://vendor.partner.example/\n",
        "x.py": "see(a)  # <http://v.partner.example/>\n",
    },
    {"README.txt": "See http://vendor.partner.example/\n"},
    Sample(files={"conf/a.ini": "[p]\nbase = https://gateway.lab.example/partner/v2\n"}, estate=REPLACED),
)
