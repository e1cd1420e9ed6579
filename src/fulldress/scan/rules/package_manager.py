"""A script lets the package manager decide what is on the host.

## What it does
Finds upgrades of everything (`apt-get upgrade`, `dist-upgrade`, `dnf update`), `autoremove`, removal of packages that the
estate has, options that override the package manager's own checks (`--force-all`, `--nodeps`, `--allow-downgrades`,
`--allow-unauthenticated`, `--break-system-packages`), lifted holds, and Python packages installed in their newest version.

## Why it matters
What is installed then depends on the day: not on what was scanned and rehearsed. `autoremove -y` takes away what nobody
marked, and a forced install leaves the next regular one broken.

## Example
```
apt-get update && apt-get -y dist-upgrade
pip install -U requests
```

## Fix
Install named packages in named versions (`name=version`), from the package itself or from a mirror that does not move.
`fulldress adapt` takes `-y` upgrades of everything and `autoremove` out.

## References
- apt-get(8), apt_preferences(5), dpkg(1) --force
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.shell import Command, Edit
from fulldress.model.estate import Estate, HostFacts, InstalledPackage
from fulldress.model.finding import Cure, Finding, Severity
from fulldress.scan.jobs.embedded_shell import MAKEFILE, embedded
from fulldress.scan.reading import edited, script_at, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="package-manager",
    family="privilege",
    title="Package manager decides what is on the host",
    severity="high",
    confidence="certain",
)
_EVERYTHING = frozenset(("upgrade", "dist-upgrade", "full-upgrade", "update", "distro-sync", "system-upgrade"))
_VALUED = ("--trusted-host", "--index-url", "--extra-index-url", "-i", "-f", "--find-links", "-t", "--target", "--proxy")
_FORCE = late(
    r"^(--force-(all|depends|conflicts|overwrite|bad-verify|downgrade)|--nodeps|--allow-downgrades|--allow-unauthenticated|"
    r"--force-yes|--allow-remove-essential|--allow-change-held-packages|--break-system-packages|--nogpgcheck|--nosignature)$"
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each such command of the upgrade's scripts, and for packages that push others out."""
    yield from _relations(context)
    for script in (*scripts(context), *embedded(context)):
        if role(context, script.entry.place) != "upgrade" or MAKEFILE.search(script.entry.place):
            continue
        for command in script.commands:
            hit = _judged(context, command)
            if hit is not None:
                severity, title = hit
                yield Finding(
                    rule=META.slug,
                    severity=severity,
                    confidence=META.confidence,
                    title=title,
                    place=script.entry.place,
                    line=command.line,
                    excerpt=command.text[:200],
                    consequence="What is installed tonight is not what was scanned and rehearsed.",
                    fix="Install named packages in named versions.",
                    curable=_removable(command) and script_at(context, script.entry.place) is not None,
                )


_CONTROL = late(r"(^|[!/])DEBIAN/control$|(^|!/?)control$|(^|[!/])RPM/control$")
_TAKES = late(r"(?m)^(Conflicts|Breaks|Obsoletes):[ \t]*(.*(?:\n[ \t]+.*)*)")


def _relations(context: Context) -> Iterator[Finding]:
    """Packages of the package that cannot be installed beside what the estate has: it goes, or they do not come."""
    here = {p.name.partition(":")[0] for host in (context.estate.hosts if context.estate else ()) for p in host.packages}
    for entry in context.ending("control") if here else ():
        text = (context.text(entry) or "") if _CONTROL.search(entry.place) else ""
        for match in _TAKES.finditer(text):
            names = [part.strip() for part in match[2].replace("\n", " ").split(",")]
            hit = [name for name in names if name in here]  # without a version: whichever is installed
            if hit:
                line = text.count("\n", 0, match.start()) + 1
                yield Finding(
                    rule=META.slug,
                    severity="medium",
                    confidence=META.confidence,
                    title=f"{match[1]}: {', '.join(hit[:4])} is installed here, and is removed for this package",
                    place=entry.place,
                    line=line,
                    excerpt=match[0].split("\n")[0][:200],
                    consequence="What it serves stops with the installation, its settings may go with it.",
                    fix="Ask the vendor why both cannot be there; find out what uses the other one.",
                )


def _judged(context: Context, command: Command) -> tuple[Severity, str] | None:
    argv = shell.unwrapped(command)
    name, words = (argv[0].rpartition("/")[2], argv[1:]) if argv else ("", ())
    plain = [w for w in words if not w.startswith("-")]
    forced = next((w for w in words if _FORCE.match(w)), "")
    if name in ("apt", "apt-get", "aptitude", "dnf", "yum", "zypper", "dpkg", "rpm", "pip", "pip3") and forced:
        return "high", f"{name} overrides its own checks ({forced})"
    if name in ("apt", "apt-get", "aptitude", "dpkg") and any(
        w.endswith(("--force-confnew", "--force-confmiss")) for w in words
    ):
        return "medium", f"{name} replaces settings that were changed here (--force-confnew)"
    if name in ("apt", "apt-get", "aptitude", "dnf", "yum", "zypper"):
        return _installed(context, name, plain)
    if name in ("dpkg", "rpm") and any(w in ("-r", "-P", "--remove", "--purge", "-e") for w in words):
        return _removed(context, name, plain)
    if name == "apt-mark" and plain[:1] == ["unhold"]:
        return "high", f"lifts the hold of {', '.join(plain[1:4])}"
    if re.fullmatch(r"pip3?(\.\d+)?", name) and plain[:1] == ["install"] and any(w in ("-U", "--upgrade") for w in words):
        named = [w for before, w in pairwise(words) if not w.startswith("-") and before not in _VALUED]
        loose = [p for p in named if p != "install" and not re.search(r"==|/|\.(whl|txt|tar\.gz)$|\$", p)]
        return ("medium", f"pip takes the newest {', '.join(loose[:3])}") if loose else None
    return None


def _installed(context: Context, name: str, plain: list[str]) -> tuple[Severity, str] | None:
    verb = plain[0] if plain else ""
    if verb in _EVERYTHING and len(plain) == 1 and not (verb == "update" and name in ("apt", "apt-get", "aptitude")):
        return "high", f"{name} {verb} takes the newest of everything on the host"
    if verb == "autoremove":
        return "high", f"{name} autoremove takes away what nobody marked"
    if verb in ("remove", "purge", "erase"):
        return _removed(context, name, plain[1:])
    return None


def _removed(context: Context, name: str, packages: list[str]) -> tuple[Severity, str] | None:
    """Removal: of something that the estate has, when it is known what it has."""
    hosts = context.estate.hosts if context.estate is not None else ()
    here = {p.name.partition(":")[0] for host in hosts for p in host.packages}
    hit = [p for p in packages if p.partition(":")[0] in here]
    if hit:
        return "high", f"{name} removes {', '.join(hit[:4])}, which the estate has"
    return None if here or not packages else ("medium", f"{name} removes {', '.join(packages[:4])}")


def _removable(command: Command) -> bool:
    argv = shell.unwrapped(command)
    verb = next((w for w in argv[1:] if not w.startswith("-")), "")
    plain = [w for w in argv[1:] if not w.startswith("-")]
    return (verb in _EVERYTHING and len(plain) == 1 and not any(_FORCE.match(w) for w in argv)) or verb == "autoremove"


def cure(context: Context, finding: Finding) -> Cure | None:
    """The command becomes a note."""
    script = script_at(context, finding.place)
    command = next((c for c in script.commands if c.line == finding.line and _removable(c)), None) if script else None
    if script is None or command is None:
        return None
    said = "taken out by fulldress: " + re.sub(r"[^\w .=/-]", "", command.text)[:80]
    text = shell.splice(script.text, [Edit(command.start, command.end, f"echo '{said}'")])
    return edited(finding.place, text, "the host's other packages are left as they are") if shell.parses(text) else None


_HOST = HostFacts(
    name="h", hostname="h", os="debian", os_version="12", packages=(InstalledPackage(name="libfoo", version="1"),)
)
HERE = Estate(taken="2026-10-01T00:00:00Z", hosts=(_HOST,))
BAD = (
    {"up.sh": "#!/bin/sh\nset -e\napt-get update && apt-get -y dist-upgrade\napt-get autoremove -y\n"},
    {"up.sh": "#!/bin/sh\nset -e\nsudo dnf -y update\n"},
    {"opt/x/setup/install.sh": "#!/bin/sh\nset -e\napt-get -y -o Dpkg::Options::=--force-confnew install ./x.deb\n"},
    {"up.sh": "#!/bin/sh\nset -e\ndpkg --force-all -i x.deb\npip install -U requests\n"},
    {"up.sh": "#!/bin/sh\nset -e\nrpm -Uvh --nodeps x.rpm\napt-mark unhold postgresql-15\n"},
    Sample(files={"up.sh": "#!/bin/sh\nset -e\napt-get -y purge libfoo\n"}, estate=HERE),
    Sample(files={"x.deb!/DEBIAN/control": "Package: x\nVersion: 1\nConflicts: old, libfoo\n"}, estate=HERE),
)
GOOD = (
    Sample(files={"x.deb!/DEBIAN/control": "Package: x\nConflicts: old, libfoo (<< 1)\nDepends: libfoo\n"}, estate=HERE),
    {"up.sh": "#!/bin/sh\nset -e\napt-get update\napt-get install -y ./x.deb libfoo=1.2-3\ndpkg -i x.deb\n"},
    {"up.sh": "#!/bin/sh\nset -e\npip install --no-index -U ./x.whl\npip install -U requests==2.31.0\n"},
    {"x.deb!/usr/bin/tool": "#!/bin/sh\napt-get -y dist-upgrade\n"},
    Sample(files={"up.sh": "#!/bin/sh\nset -e\napt-get -y purge app-old\n"}, estate=HERE),
)
