"""A unit uses a directive that the installed systemd does not know.

## What it does
Holds every directive of the package's units against the table of systemd's releases: unknown names (with the one that was
probably meant), directives in the wrong section, those newer than the systemd of the hosts, and those that were renamed or
are going away. Names with `X-` are left alone.

## Why it matters
systemd logs one line and goes on without the directive: a memory limit, a sandbox or a restart policy that everyone
believes in is simply not there.

## Example
```
[Service]
RestartSteps=5          # since systemd 254; Debian 12 has 252
ExecStartpost=/bin/x    # a typing error: ExecStartPost
```

## Fix
Write what the installed release understands. `fulldress adapt` renames directives that only changed their name, and
corrects typing errors where one directive is a near match.

## References
- systemd.directives(7), systemd NEWS
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import directives, systemd_directives
from fulldress.model.estate import Estate, HostFacts, InstalledPackage
from fulldress.model.finding import Cure, Finding, Severity
from fulldress.scan.jobs.units import UnitFile, systemd_version, units
from fulldress.scan.reading import current_text, edited, with_line
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="directive-unknown",
    family="systemd",
    title="Directive that systemd here does not know",
    severity="medium",
    confidence="certain",
)


class _Wrong(NamedTuple):
    line: int
    text: str
    why: str
    severity: Severity
    instead: str
    """The new name of the directive, where that is all; else empty."""
    name: str


def check(context: Context) -> Iterator[Finding]:
    """One finding for each unit and severity."""
    version = systemd_version(context.estate)
    for found in units(context):
        wrong = list(_wrong(found, version))
        for severity in dict.fromkeys(w.severity for w in wrong):
            group = [w for w in wrong if w.severity == severity]
            more = f" (and {len(group) - 1} more)" if len(group) > 1 else ""
            yield Finding(
                rule=META.slug,
                severity=severity,
                confidence=META.confidence if "probably" not in group[0].why else "likely",
                title=f"{found.name}: {group[0].why}{more}",
                place=found.entry.place,
                line=group[0].line,
                excerpt="; ".join(w.text for w in group[:6]),
                consequence="systemd goes on without it: what it was to limit, protect or restart is not."
                if severity != "info"
                else "It works today, and stops working with a later systemd.",
                fix="Write what the installed systemd understands.",
                curable=any(w.instead for w in group),
            )


def _wrong(found: UnitFile, version: int) -> Iterator[_Wrong]:
    for section, entries in found.sections.items():
        if section.startswith("X-") or not section:
            continue
        known = directives.known(section)
        for name, value, line in entries:
            text = f"{name}={value}"[:80]
            if name.startswith("X-") or not re.fullmatch(r"[A-Za-z]\w*", name):
                continue
            if not known:
                yield _Wrong(line, f"[{section}]", f"systemd knows no section [{section}]", "medium", "", name)
                break
            yield from _judged(section, name, value, line, text, known, version)


def _judged(
    section: str, name: str, value: str, line: int, text: str, known: dict[str, int], version: int
) -> Iterator[_Wrong]:
    old = directives.OLD_VALUES.get((name, value))
    if name in directives.RENAMED:
        new = directives.RENAMED[name]
        yield _Wrong(line, text, f"{name} is called {new} now", "info", new if name in directives.SAME_VALUE else "", name)
    elif name in directives.GOING:
        yield _Wrong(line, text, f"{name} is going away: use {directives.GOING[name]}", "info", "", name)
    elif old is not None:
        yield _Wrong(line, text, f"{text} is going away: use {old}", "info", "", name)
    elif name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.88)
        homes = [other for other in ("Unit", "Service", "Install", "Timer", "Socket") if name in directives.known(other)]
        if homes:
            why = f"{name} belongs into [{homes[0]}], not [{section}]"
        else:
            why = f"{name} is unknown" + (f"; {near[0]} was probably meant" if near else "")
            why += "" if near else f" to systemd {systemd_directives.VERSION} and before"
        yield _Wrong(line, text, why, "medium", near[0] if near and not homes else "", name)
    elif version and known[name] > version:
        why = f"{name} came with systemd {known[name]}; here is {version}"
        yield _Wrong(line, text, why, "medium", "", name)


def cure(context: Context, finding: Finding) -> Cure | None:
    """The present name of each directive that only changed its name or was mistyped."""
    text = current_text(context, finding.place)
    found = next((u for u in units(context) if u.entry.place == finding.place), None)
    if text is None or found is None:
        return None
    for wrong in _wrong(found, systemd_version(context.estate)):
        if wrong.instead and wrong.severity == finding.severity:
            pattern, new = rf"^(\s*){re.escape(wrong.name)}(?=\s*=)", wrong.instead
            text = with_line(text, wrong.line, lambda line, p=pattern, n=new: re.sub(p, rf"\g<1>{n}", line))  # type: ignore[misc]
    return edited(finding.place, text, "directives by their present names")


DEBIAN_12 = Estate(
    taken="2026-10-01T00:00:00Z",
    hosts=(
        HostFacts(
            name="h",
            hostname="h",
            os="debian",
            os_version="12",
            packages=(InstalledPackage(name="systemd", version="252.39-1~deb12u1"),),
        ),
    ),
)
BAD = (
    {"x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/bin/true\nExecStartpost=/bin/true\n"},
    {"x.deb!/lib/systemd/system/a.service": "[Unit]\nBindTo=b.service\n[Service]\nExecStart=/bin/true\nMemoryLimit=1G\n"},
    {"x.deb!/lib/systemd/system/a.service": "[Unit]\nRestart=always\n[Service]\nExecStart=/bin/true\n"},
    {"x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/bin/true\n[Servce]\nUser=x\n"},
    Sample(
        files={"x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/bin/true\nRestartSteps=5\n"}, estate=DEBIAN_12
    ),
)
GOOD = (
    {"x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/bin/true\nX-Vendor=1\nMemoryMax=1G\n[X-Own]\nA=b\n"},
    {"x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/bin/true\nRestartSteps=5\n"},
    {"x/examples/a.service": "[Service]\nExecStart=/bin/true\nExecStartpost=/bin/true\n"},
    Sample(
        files={"x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/bin/true\nProtectClock=yes\n"}, estate=DEBIAN_12
    ),
)
