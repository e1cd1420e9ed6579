"""A unit of the package stands in front of one of the system, or does not reach it at all.

## What it does
Compares the package's units with those of the hosts and with each other: a whole unit in `/etc` that hides the
distribution's own, a drop-in that adds a second `ExecStart=` without taking the first one back, units that the package
enables or starts although they are masked here, two files of one name in the package, links that mask a unit, and units of
the package that a drop-in of this estate changes.

## Why it matters
A copy in `/etc` wins over every later security fix of the distribution's unit. A drop-in without the reset makes systemd
refuse the whole service. A masked unit cannot be started, whatever the script believes.

## Example
```
etc/systemd/system/nginx.service.d/app.conf:
[Service]
ExecStart=/usr/sbin/nginx -c /opt/app/nginx.conf      # "ExecStart=" must stand above
```

## Fix
Ship a drop-in instead of a copy. `fulldress adapt` writes the missing `ExecStart=` above the new one.

## References
- systemd.unit(5) "Overriding vendor settings"
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.model.estate import Estate, HostFacts, Unit
from fulldress.model.finding import Confidence, Cure, Finding, Severity
from fulldress.scan.jobs.units import SUFFIXES, UnitFile, units
from fulldress.scan.reading import current_text, edited, scripts
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="unit-shadowing",
    family="systemd",
    title="Unit hides another one, or is hidden itself",
    severity="medium",
    confidence="certain",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each unit."""
    estate_units = {u.name: u for h in (context.estate.hosts if context.estate is not None else ()) for u in h.units}
    own = {u.name for u in units(context) if not u.dropin and u.folder in ("lib", "usr/lib")}
    yield from _changed_here(context)
    for found in units(context):
        if found.dropin:
            yield from _second_exec(found, own, estate_units)
        elif found.folder == "etc" and (found.name in estate_units or found.name in own):
            whose = "the package's own in lib/systemd" if found.name in own else "the one that is installed"
            sev: Severity = "low" if found.name in own else "medium"
            yield _finding(found, sev, "likely", f"/etc/systemd/system/{found.name} hides {whose}", found.name)
    yield from _masked(context, estate_units)
    for entry in context.package.entries if estate_units else ():
        name = entry.place.rpartition("/")[2]
        links = entry.kind == "symlink" and entry.link == "/dev/null" and "/systemd/" in entry.place
        if links and name in estate_units:
            yield Finding(
                rule=META.slug,
                severity="high",
                confidence="certain",
                title=f"the package masks {name}, which this estate has",
                place=entry.place,
                excerpt=f"{name} -> /dev/null",
                consequence="The unit cannot be started any more, by hand or by what needs it.",
                fix="Take the link out, unless that is what the upgrade is for.",
            )


def _changed_here(context: Context) -> Iterator[Finding]:
    """Units of the package to which a person of the estate has added something: it goes on holding, over the new ones."""
    whole = {u.name: u for u in reversed(units(context)) if not u.dropin}
    for host in context.estate.hosts if context.estate is not None else ():
        for known in host.units:
            local = [path for path in known.dropins if path.startswith("/etc/")]
            if local and known.name in whole:
                found = whole[known.name]
                yield Finding(
                    rule=META.slug,
                    severity="low",
                    confidence=META.confidence,
                    title=f"{known.name} has been changed on {host.hostname or host.name} by {', '.join(local[:3])}",
                    place=found.entry.place,
                    excerpt="; ".join(local[:5]),
                    consequence="What the drop-in says holds over the package's new unit, too: made for the old one.",
                    fix="Hold the drop-in against the new unit, and take out what no longer fits.",
                )


def _finding(
    found: UnitFile, severity: Severity, confidence: Confidence, title: str, excerpt: str, line: int = 0
) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=confidence,
        title=title,
        place=found.entry.place,
        line=line,
        excerpt=excerpt,
        consequence="systemd reads only one of them; fixes of the other never take effect."
        if not line
        else "systemd refuses the service: it has more than one ExecStart=.",
        fix="Ship a drop-in with what differs." if not line else "Write an empty ExecStart= above the new one.",
        curable=bool(line),
    )


def _second_exec(found: UnitFile, own: set[str], estate_units: dict[str, Unit]) -> Iterator[Finding]:
    """ExecStart= in a drop-in of a service that has one already."""
    starts = [(value, line) for name, value, line in found.sections.get("Service", []) if name == "ExecStart"]
    if not starts or not starts[0][0] or found.last("Service", "Type") == "oneshot":
        return
    if found.name in own or found.name in estate_units:
        title = f"the drop-in of {found.name} adds a second ExecStart= without taking the first one back"
        yield _finding(found, "high", "likely", title, f"ExecStart={starts[0][0]}"[:200], starts[0][1])


def _masked(context: Context, estate_units: dict[str, Unit]) -> Iterator[Finding]:
    """Units that a script starts or enables and that are masked on a host."""
    masked = {name for name, u in estate_units.items() if u.enabled.startswith("masked") or u.load == "masked"}
    if not masked:
        return
    for script in scripts(context):
        unmasked = {w for c in script.commands if "unmask" in c.argv for w in c.argv}
        for command in script.commands:
            argv = shell.unwrapped(command)
            if not argv or argv[0].rpartition("/")[2] != "systemctl" or not {"start", "restart", "enable"} & set(argv):
                continue
            for word in argv[2:]:
                name = word if word.endswith(SUFFIXES) else f"{word}.service"
                if name in masked and not {word, name} & unmasked:
                    yield Finding(
                        rule=META.slug,
                        severity="high",
                        confidence="certain",
                        title=f"{name} is masked on this estate: the command fails",
                        place=script.entry.place,
                        line=command.line,
                        excerpt=command.text,
                        consequence="The unit is not started; a script that ignores errors goes on as if it were.",
                        fix="Find out who masked it and why, before anybody unmasks it.",
                    )


def cure(context: Context, finding: Finding) -> Cure | None:
    """An empty ExecStart= above the drop-in's own."""
    text = current_text(context, finding.place)
    if text is None or not finding.line:
        return None
    lines = text.split("\n")
    if not re.match(r"\s*ExecStart\s*=\s*\S", lines[finding.line - 1]):
        return None
    lines.insert(finding.line - 1, "ExecStart=")
    return edited(finding.place, "\n".join(lines), "the drop-in takes the old ExecStart= back first")


def _estate(**states: str) -> Estate:
    found = tuple(
        Unit(name=f"{name}.service", load="loaded", active="active", sub="running", enabled=state)
        for name, state in states.items()
    )
    return Estate(
        taken="2026-10-01T00:00:00Z", hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", units=found),)
    )


def _with_dropin(path: str) -> Estate:
    unit = Unit(name="a.service", load="loaded", active="active", sub="running", dropins=(path,))
    host = HostFacts(name="h", hostname="h", os="debian", os_version="12", units=(unit,))
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_PLAIN = "[Service]\nExecStart=/bin/true\n"
_DROPIN = "x.deb!/etc/systemd/system/nginx.service.d/a.conf"
BAD = (
    Sample(files={_DROPIN: "[Service]\nExecStart=/usr/sbin/nginx -c /opt/n.conf\n"}, estate=_estate(nginx="enabled")),
    Sample(
        files={"x.deb!/etc/systemd/system/nginx.service": "[Service]\nExecStart=/usr/sbin/nginx\n"},
        estate=_estate(nginx="enabled"),
    ),
    Sample(files={"up.sh": "#!/bin/sh\nset -e\nsystemctl restart nginx\n"}, estate=_estate(nginx="masked")),
    Sample(
        files={"x.deb!/lib/systemd/system/a.service": _PLAIN}, estate=_with_dropin("/etc/systemd/system/a.service.d/x.conf")
    ),
    {
        "x.deb!/etc/systemd/system/a.service": "[Service]\nExecStart=/bin/true\n",
        "x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/bin/false\n",
    },
)
GOOD = (
    Sample(
        files={_DROPIN: "[Service]\nExecStart=\nExecStart=/usr/sbin/nginx -c /opt/n.conf\n"}, estate=_estate(nginx="enabled")
    ),
    Sample(files={_DROPIN: "[Service]\nLimitNOFILE=4096\n"}, estate=_estate(nginx="enabled")),
    Sample(
        files={"x.deb!/lib/systemd/system/a.service": _PLAIN},
        estate=_with_dropin("/usr/lib/systemd/system/a.service.d/x.conf"),
    ),
    Sample(files={"up.sh": "#!/bin/sh\nsystemctl unmask nginx\nsystemctl start nginx\n"}, estate=_estate(nginx="masked")),
    {"x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/bin/false\n"},
)
