"""The upgrade takes a unit away that other units of the host require.

## What it does
Finds units of the host that the upgrade's scripts stop and nothing starts again; units that they mask or delete
(`systemctl mask`, `rm /etc/systemd/system/x.service`), and units of the host, not of the package, that require them
(`Requires=`, `Requisite=`, `BindsTo=`), as the inventory has it.

## Why it matters
Nothing happens until the next start: then a service that nobody touched does not come up, because what it requires is gone.

## Example
```
systemctl mask lims-broker.service     # billing.service has Requires=lims-broker.service
```

## Fix
Have the owners of those units change them first, or leave the old unit until they have.

## References
- systemd.unit(5), Requires= and BindsTo=
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command
from fulldress.model.estate import Estate, HostFacts, Unit
from fulldress.model.finding import Finding
from fulldress.scan.jobs.embedded_shell import tasks
from fulldress.scan.jobs.units import SUFFIXES, units
from fulldress.scan.reading import scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="unit-taken-away",
    family="systemd",
    title="Unit that others require is taken away",
    severity="high",
    confidence="certain",
    needs=("estate",),
)
_FILE = late(r"/systemd/system/([\w@.:\\-]+\.[a-z]+)$")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each unit that is taken away."""
    assert context.estate is not None
    yield from _stopped(context)
    ours = {u.name for u in units(context) if not u.dropin}
    for script in (*scripts(context), *tasks(context)):
        if role(context, script.entry.place) != "upgrade":
            continue
        for command in script.commands:
            for name, how in _gone(command):
                for host in context.estate.hosts:
                    needing = [u.name for u in host.units if name in u.requires and u.name not in ours and u.name != name]
                    if needing and name not in ours:
                        yield _finding(script.entry.place, command, name, how, host, needing)


def _stopped(context: Context) -> Iterator[Finding]:
    """Units of the host, not of the package, that scripts stop and no script starts again."""
    assert context.estate is not None
    ours = {u.name for u in units(context)} | {e.place.rpartition("/")[2] for e in context.package.entries}
    running = {
        u.name: h for h in context.estate.hosts for u in h.units if u.active == "active" and u.name.endswith(".service")
    }
    stops: dict[str, tuple[str, Command]] = {}
    starts: set[str] = set()
    for script in scripts(context):
        if role(context, script.entry.place) == "library":
            continue
        for command in script.commands:
            verb, names = _acted(command)
            if verb == "stop" and role(context, script.entry.place) == "upgrade":
                for name in names:
                    stops.setdefault(name, (script.entry.place, command))
            elif verb in ("start", "restart", "try-restart", "reload-or-restart", "enable"):
                starts.update(names)
    loose = any("$" in name or "*" in name for name in starts)
    for name, (place, command) in stops.items():
        if name in running and name not in starts and name not in ours and not loose:
            yield Finding(
                rule=META.slug,
                severity="medium",
                confidence="likely",
                title=f"{name} of {running[name].name} is stopped, and nothing starts it again",
                place=place,
                line=command.line,
                excerpt=command.text[:200],
                consequence="It is no part of the package: what else it serves is down until somebody notices.",
                fix="Start it again where the script ends, also when it fails (trap).",
            )


def _acted(command: Command) -> tuple[str, list[str]]:
    """(verb, units) of systemctl, service and invoke-rc.d."""
    argv = shell.unwrapped(command)
    program, words = (argv[0].rpartition("/")[2], [w for w in argv[1:] if w[:1] != "-"]) if argv else ("", [])
    if program == "systemctl" and words:
        verb, names = words[0], words[1:]
    elif program in ("service", "invoke-rc.d") and len(words) > 1:
        verb, names = words[1], words[:1]
    else:
        return "", []
    return verb, [n if n.endswith(SUFFIXES) else f"{n}.service" for n in names]


def _gone(command: Command) -> Iterator[tuple[str, str]]:
    argv = shell.unwrapped(command)
    program, words = (argv[0].rpartition("/")[2], [w for w in argv[1:] if w[:1] != "-"]) if argv else ("", [])
    if program == "systemctl" and words[:1] == ["mask"]:
        yield from ((w if w.endswith(SUFFIXES) else f"{w}.service", "masked") for w in words[1:])
    elif program in ("rm", "unlink"):
        yield from ((match[1], "deleted") for w in words if (match := _FILE.search(w)))


def _finding(place: str, command: Command, name: str, how: str, host: HostFacts, needing: list[str]) -> Finding:
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{name} is {how}, which {', '.join(needing[:4])} of {host.name} require{'s' if len(needing) == 1 else ''}",
        place=place,
        line=command.line,
        excerpt=command.text[:200],
        consequence="At their next start they do not come up; nothing is seen of it during the upgrade.",
        fix="Have those units changed first, or leave this one until they have been.",
    )


_UNITS = (
    Unit(name="billing.service", load="loaded", active="active", sub="running", requires=("broker.service", "basic.target")),
    Unit(name="broker.service", load="loaded", active="active", sub="running"),
)
HERE = Estate(
    taken="2026-10-01T00:00:00Z",
    hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", units=_UNITS),),
)
BAD = (
    Sample(
        files={
            "up.sh": "#!/bin/sh\nset -e\nsystemctl mask broker\n",
            "x.deb!/etc/systemd/system/broker.service.d/a.conf": "[Service]\nNice=5\n",
        },
        estate=HERE,
    ),
    Sample(files={"up.sh": "#!/bin/sh\nset -e\nsystemctl mask --now broker\n"}, estate=HERE),
    Sample(files={"x.deb!/preinst": "#!/bin/sh\nservice broker stop\n"}, estate=HERE),
    Sample(files={"up.sh": "#!/bin/sh\nset -e\nrm -f /etc/systemd/system/broker.service\n"}, estate=HERE),
)
GOOD = (
    Sample(
        files={"up.sh": "#!/bin/sh\nset -e\nsystemctl mask --now billing\nsystemctl stop broker\nsystemctl start broker\n"},
        estate=HERE,
    ),
    Sample(files={"up.sh": "#!/bin/sh\nsystemctl stop broker\nfor s in $ALL; do systemctl start $s; done\n"}, estate=HERE),
    Sample(
        files={
            "up.sh": "#!/bin/sh\nset -e\nrm -f /etc/systemd/system/broker.service\n",
            "x.deb!/lib/systemd/system/broker.service": "[Service]\nExecStart=/bin/b\n",
        },
        estate=HERE,
    ),
)
