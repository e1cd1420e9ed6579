"""Units of the package cannot be brought into an order, or hold up the boot.

## What it does
Draws the ordering of the package's units (`After=`, `Before=`, those of their targets, links in `.wants` directories that it
brings or its scripts make, and the defaults that systemd adds) over the targets of a boot, and over the order of the host's
own units where an inventory knows it, and looks for circles; and finds one-shot services in the way of `sysinit.target` or
`basic.target` without a time limit.

## Why it matters
systemd breaks a circle by leaving one of the units out, a different one each time: the host boots without the network, the
mount or the service, and nobody was asked.

## Example
```
[Unit]
After=network-online.target
[Install]
WantedBy=sysinit.target         # which comes before the network
```

## Fix
Order the unit after what it needs, and let `multi-user.target` want it; `DefaultDependencies=no` only for what really
belongs to the early boot.

## References
- systemd.unit(5), bootup(7); `systemd-analyze verify`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fulldress.formats import calendar
from fulldress.formats.late import late
from fulldress.model.estate import Estate, HostFacts, Unit
from fulldress.model.finding import Finding
from fulldress.scan.jobs.units import UnitFile, units
from fulldress.scan.reading import scripts
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="boot-order",
    family="systemd",
    title="Units have no order in which they can start",
    severity="high",
    confidence="certain",
)
TARGETS = {
    "local-fs.target": ("local-fs-pre.target",),
    "sysinit.target": ("local-fs.target", "swap.target"),
    "basic.target": ("sysinit.target", "sockets.target", "paths.target", "slices.target"),
    "network.target": ("network-pre.target",),
    "network-online.target": ("network.target",),
    "remote-fs.target": ("remote-fs-pre.target",),
    "time-sync.target": ("time-set.target",),
    "multi-user.target": ("basic.target",),
    "graphical.target": ("multi-user.target",),
}
"""Target -> what comes before it, as systemd's own units say."""
_EARLY = frozenset(("sysinit.target", "basic.target", "local-fs.target", "local-fs-pre.target"))


def check(context: Context) -> Iterator[Finding]:
    """One finding for each circle, and one for each service that may hold up the boot."""
    found = [u for u in units(context) if u.folder and "/user/" not in u.entry.place]
    by_name = {u.name: u for u in found if not u.dropin}
    own = {name: set(before) for name, before in TARGETS.items()}
    for earlier, later in [*(edge for one in found for edge in _edges(one)), *_links(context, by_name)]:
        own.setdefault(later, set()).add(earlier)
    edges = {**own, **{name: own.get(name, set()) | before for name, before in _of_hosts(context, by_name).items()}}
    reported: set[frozenset[str]] = set()
    for name in by_name:
        circle = _circle(name, edges)
        if circle and frozenset(circle) not in reported:
            reported.add(frozenset(circle))
            hosts = [n for n in circle if n not in by_name and n not in TARGETS]
            whose = f" ({', '.join(hosts[:3])} {'is' if len(hosts) == 1 else 'are'} the host's own)" if hosts else ""
            early = next((n for n in circle if n in by_name and _wanted_early(by_name[n])), name)
            yield _finding(
                by_name[early],
                f"these units wait for each other: {' → '.join([*circle, circle[0]])}{whose}",
                "systemd leaves one of them out at every boot, and not always the same one.",
            )
    for one in by_name.values():
        if _blocks(one):
            yield _finding(
                one,
                f"{one.name} holds up the boot while it runs: a one-shot before {_wanted_early(one)} with no time limit",
                "When it hangs, the host does not come up, and there is no login to see why.",
                severe=False,
            )


def _finding(one: UnitFile, title: str, consequence: str, *, severe: bool = True) -> Finding:
    section, directive = ("Install", "WantedBy") if one.last("Install", "WantedBy") else ("Unit", "After")
    return Finding(
        rule=META.slug,
        severity="high" if severe else "low",
        confidence="certain" if severe else "possible",
        title=title,
        place=one.entry.place,
        line=one.line_of(section, directive),
        excerpt=f"{directive}={one.last(section, directive)}",
        consequence=consequence,
        fix="Order the units after what they need, and let multi-user.target want them.",
    )


def _edges(one: UnitFile) -> Iterator[tuple[str, str]]:
    """(earlier, later) pairs that the unit and systemd's defaults give."""
    for value in one.values("Unit", "After"):
        yield from ((other, one.name) for other in value.split())
    for value in one.values("Unit", "Before"):
        yield from ((one.name, other) for other in value.split())
    for directive in ("WantedBy", "RequiredBy"):
        for value in one.values("Install", directive):
            yield from ((one.name, target) for target in value.split() if _awaited(one, target))
    if one.dropin or not _defaults(one):
        return
    if one.name.endswith(".service"):
        yield from (("sysinit.target", one.name), ("basic.target", one.name))
    elif one.name.endswith((".socket", ".path", ".timer")):
        yield "sysinit.target", one.name
        yield (
            one.name,
            {"socket": "sockets.target", "path": "paths.target", "timer": "timers.target"}[one.name.rpartition(".")[2]],
        )


def _awaited(one: UnitFile, target: str) -> bool:
    """Whether a target comes after a unit that it wants: not where it comes before it already, nor against both's wish."""
    if not target.endswith(".target") or one.dropin or not _defaults(one):
        return False
    after = {other for value in one.values("Unit", "After") for other in value.split()}
    if one.name.endswith(".service"):
        after |= {"sysinit.target", "basic.target"}
    elif one.name.endswith((".socket", ".path", ".timer")):
        after.add("sysinit.target")
    return target not in after


_LINK = late(r"(?:^|[!/])systemd/system/([^/!]+\.target)\.(?:wants|requires)/([^/!]+\.\w+)$")


def _links(context: Context, by_name: Mapping[str, UnitFile]) -> Iterator[tuple[str, str]]:
    """(unit, target) of links in ``.wants`` directories: a target comes after what it wants."""
    paths = [e.place for e in context.package.entries if ".target." in e.place]
    for script in scripts(context):
        paths += [c.argv[-1] for c in script.commands if c.name == "ln" and len(c.argv) > 2 and ".target." in c.argv[-1]]
    for path in paths:
        match = _LINK.search(path)
        if match is not None and match[2] in by_name and _awaited(by_name[match[2]], match[1]):
            yield match[2], match[1]


def _of_hosts(context: Context, by_name: Mapping[str, UnitFile]) -> dict[str, set[str]]:
    """Unit -> what comes before it on the first host; what the package brings anew has the package's order."""
    hosts = context.estate.hosts[:1] if context.estate is not None else ()
    return {u.name: set(u.after) for host in hosts for u in host.units if u.after and u.name not in by_name}


def _defaults(one: UnitFile) -> bool:
    return one.last("Unit", "DefaultDependencies").lower() not in ("no", "false", "0", "off")


def _circle(start: str, edges: dict[str, set[str]]) -> list[str]:
    """The shortest way from a unit back to itself, going from later to earlier; [] when there is none."""
    paths = [[start]]
    seen: set[str] = set()
    while paths:
        path = paths.pop(0)
        for earlier in sorted(edges.get(path[-1], ())):
            if earlier == start:
                return path
            if earlier not in seen:
                seen.add(earlier)
                paths.append([*path, earlier])
    return []


def _wanted_early(one: UnitFile) -> str:
    names = [t for d in ("WantedBy", "RequiredBy") for v in one.values("Install", d) for t in v.split()]
    names += [t for v in one.values("Unit", "Before") for t in v.split()]
    return next((t for t in names if t in _EARLY), "")


def _blocks(one: UnitFile) -> bool:
    if one.last("Service", "Type") != "oneshot" or not _wanted_early(one):
        return False
    limit = one.last("Service", "TimeoutStartSec") or one.last("Service", "TimeoutSec")
    return not limit or calendar.span(limit) in (None, 0.0, float("inf"))


def _here(**after: tuple[str, ...]) -> Estate:
    units = tuple(
        Unit(name=name.replace("_", "."), load="loaded", active="active", sub="running", after=names)
        for name, names in after.items()
    )
    return Estate(
        taken="2026-10-01T00:00:00Z",
        hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", units=units),),
    )


_BETWEEN = "[Unit]\nAfter=storage.service\nBefore=mount.service\n[Service]\nExecStart=/bin/a\n"
BAD = (
    Sample(
        files={"x.deb!/lib/systemd/system/a.service": _BETWEEN},
        estate=_here(storage_service=("mount.service",), mount_service=("network.target",)),
    ),
    {
        "x.deb!/lib/systemd/system/a.service": "[Unit]\nAfter=graphical.target\n[Service]\nExecStart=/bin/a\n",
        "x.deb!/etc/systemd/system/multi-user.target.wants/a.service": "",
    },
    {
        "x.deb!/lib/systemd/system/a.service": "[Unit]\nBefore=sysinit.target\n[Service]\nExecStart=/bin/a\n"
        "[Install]\nWantedBy=sysinit.target\n"
    },
    {
        "x.deb!/lib/systemd/system/a.service": "[Unit]\nAfter=b.service\n[Service]\nExecStart=/bin/a\n",
        "x.deb!/lib/systemd/system/b.service": "[Unit]\nAfter=a.service\n[Service]\nExecStart=/bin/b\n",
    },
    {
        "x.deb!/lib/systemd/system/a.service": "[Unit]\nDefaultDependencies=no\nBefore=basic.target\n"
        "[Service]\nType=oneshot\nExecStart=/bin/a\n"
    },
)
GOOD = (
    {  # systemd lets no target wait for what comes after it anyway
        "x.deb!/lib/systemd/system/a.service": "[Unit]\nAfter=network-online.target\n[Service]\nExecStart=/bin/a\n"
        "[Install]\nWantedBy=sysinit.target\n",
        "x.deb!/etc/systemd/system/sysinit.target.wants/a.service": "",
    },
    Sample(
        files={"x.deb!/lib/systemd/system/a.service": _BETWEEN},
        estate=_here(mount_service=("storage.service",), storage_service=("network.target",)),
    ),
    {
        "x.deb!/lib/systemd/system/a.service": "[Unit]\nAfter=network-online.target b.service\n[Service]\nExecStart=/bin/a\n"
        "[Install]\nWantedBy=multi-user.target\n",
        "x.deb!/lib/systemd/system/b.service": "[Unit]\nAfter=network.target\n[Service]\nExecStart=/bin/b\n",
    },
    {
        "x.deb!/lib/systemd/system/a.service": "[Unit]\nDefaultDependencies=no\nBefore=sysinit.target\n[Service]\n"
        "Type=oneshot\nTimeoutStartSec=30\nExecStart=/bin/a\n[Install]\nWantedBy=sysinit.target\n"
    },
)
