"""The package removes, replaces or changes a Debian package that others on the host need, or that is held.

## What it does
Reads the package's own Debian packages and the upgrade's scripts, and holds them against what is installed: packages that
are held (`apt-mark hold`) and that would be changed; packages that are removed, or pushed out by `Conflicts:` or `Breaks:`,
and what else on the host depends on them; and dependencies that no host has, when a script installs with `dpkg -i`, which
fetches none.

## Why it matters
With `-y` the package manager takes the dependants away too, or it stops half way; `dpkg -i` leaves the package unpacked and
not configured. A hold was put there by somebody, for a reason.

## Example
```
apt-get -y remove openjdk-11-jre-headless     # tomcat9 and billing-agent depend on it
```

## Fix
Agree with the owners of what depends on it; lift a hold on purpose and in the plan; install dependencies before the window.

## References
- Debian Policy 7.3 and 7.4 (Breaks, Conflicts); apt-mark(8); dpkg(1)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fulldress.errors import UsageError
from fulldress.formats import shell, version
from fulldress.formats.late import late
from fulldress.model.estate import Estate, HostFacts, InstalledPackage
from fulldress.model.finding import Finding, Severity
from fulldress.scan.reading import Script, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="package-needed",
    family="privilege",
    title="Package that is held, or that others on the host need",
    severity="high",
    confidence="certain",
    needs=("estate",),
)
_FIELD = late(r"(?m)^([A-Z][A-Za-z-]+):[ \t]*(.*(?:\n[ \t]+.*)*)")
_CLAUSE = late(r"\s*([a-z0-9][a-z0-9+.-]+)(?::\w+)?\s*(?:\((<<|<=|=|>=|>>)\s*([^)\s]+)\s*\))?")
_MANAGERS = ("apt", "apt-get", "aptitude")
MAX_SHOWN = 5


class _Deb(NamedTuple):
    """A Debian package inside, by its control file."""

    place: str
    fields: dict[str, str]

    def clauses(self, *names: str) -> Iterator[list[tuple[str, str, str]]]:
        """Each clause as its alternatives: name, relation, version."""
        for name in names:
            for clause in self.fields.get(name, "").replace("\n", " ").split(","):
                parts = [m.groups(default="") for part in clause.split("|") if (m := _CLAUSE.match(part))]
                if parts:
                    yield [(p[0], p[1], p[2]) for p in parts]


def check(context: Context) -> Iterator[Finding]:
    """One finding for each package that is pushed out, changed against a hold, or missing."""
    assert context.estate is not None
    debs = [_deb(context, e.place) for e in context.files if e.place.endswith("DEBIAN/control")]
    ours = {deb.fields.get("Package", "").strip() for deb in debs}
    upgrade = [s for s in scripts(context) if role(context, s.entry.place) == "upgrade"]
    for host in context.estate.hosts:
        here = {p.name.partition(":")[0]: p for p in host.packages if p.manager == "dpkg"}
        if not here:
            continue
        for deb in debs:
            yield from _held(host, here, deb)
            yield from _pushed_out(host, here, deb, ours)
        for script in upgrade:
            yield from _commanded(host, here, script, ours)
        if any(_by_dpkg(script) for script in upgrade):
            yield from _missing(host, here, debs, ours)


def _deb(context: Context, place: str) -> _Deb:
    entry = context.entry(place)
    return _Deb(place, dict(_FIELD.findall((context.text(entry) if entry is not None else "") or "")))


def _held(host: HostFacts, here: dict[str, InstalledPackage], deb: _Deb) -> Iterator[Finding]:
    name, offered = deb.fields.get("Package", "").strip(), deb.fields.get("Version", "").strip()
    installed = here.get(name)
    if installed is not None and installed.held and installed.version != offered:
        yield _finding(
            deb.place,
            0,
            f"{name} is held at {installed.version} on {host.name}; the package brings {offered}",
            f"Package: {name}",
            "The package manager refuses it, or the hold is overridden that somebody put there for a reason.",
            "Ask who held it and why; lift the hold on purpose, as a step of the plan.",
        )


def _pushed_out(host: HostFacts, here: dict[str, InstalledPackage], deb: _Deb, ours: set[str]) -> Iterator[Finding]:
    """What is installed and may not stay beside the new package."""
    own = deb.fields.get("Package", "").strip()
    replaced = {name for clause in deb.clauses("Replaces", "Provides") for name, _, _ in clause}
    for field in ("Conflicts", "Breaks"):
        for clause in deb.clauses(field):
            for name, relation, bound in clause:
                for installed in _standing_for(here, name) if not relation else [here[name]] if name in here else []:
                    plain = installed.name.partition(":")[0]
                    if plain == own or plain in ours or not _holds(installed.version, relation, bound):
                        continue
                    needing = _needing(here, plain, ours | {own})
                    meant = name in replaced and field == "Conflicts" and not needing
                    if not meant:
                        yield _gone(host, deb.place, 0, f"{own} {field.lower()} {plain}", f"{field}: {name}", needing)


def _commanded(host: HostFacts, here: dict[str, InstalledPackage], script: Script, ours: set[str]) -> Iterator[Finding]:
    """What scripts remove although others need it, and what they change although it is held."""
    for command in script.commands:
        argv = shell.unwrapped(command)
        name = argv[0].rpartition("/")[2] if argv else ""
        words = [w for w in argv[1:] if not w.startswith("-")]
        removed: list[str] = []
        if name in _MANAGERS and words[:1] in (["remove"], ["purge"]):
            removed = words[1:]
        elif name == "dpkg" and any(w in ("-r", "-P", "--remove", "--purge") for w in argv):
            removed = words
        for package in removed:
            plain = package.partition(":")[0].removesuffix("-").removesuffix("*")
            needing = _needing(here, plain, ours | {w.partition(":")[0] for w in removed}) if plain in here else []
            if needing:
                yield _gone(host, script.entry.place, command.line, f"{name} removes {plain}", command.text, needing)
        held = (
            [w.partition("=")[0].partition(":")[0] for w in words[1:]]
            if name in _MANAGERS and "install" in words[:1]
            else []
        )
        held = [w for w in held if w in here and here[w].held]
        if held:
            yield _finding(
                script.entry.place,
                command.line,
                f"{', '.join(held)} {'is' if len(held) == 1 else 'are'} held on {host.name}, but installed by a script",
                command.text,
                "apt stops with `Held packages were changed and -y was used without --allow-change-held-packages`.",
                "Ask who held it and why; lift the hold on purpose, as a step of the plan.",
            )


def _gone(host: HostFacts, place: str, line: int, what: str, said: str, needing: list[str]) -> Finding:
    more = f" and {len(needing) - MAX_SHOWN} more" if len(needing) > MAX_SHOWN else ""
    why = f", which {', '.join(needing[:MAX_SHOWN])}{more} need" if needing else f", which {host.name} has"
    severity: Severity = META.severity if needing else "medium"
    return _finding(
        place,
        line,
        f"{what}{why}{'s' if len(needing) == 1 else ''}"[:300],
        said,
        "With -y the package manager takes away what depends on it; without, it stops half way.",
        "Find out who owns what depends on it; install both beside each other, or move that first.",
        severity,
    )


def _missing(host: HostFacts, here: dict[str, InstalledPackage], debs: list[_Deb], ours: set[str]) -> Iterator[Finding]:
    """Dependencies that ``dpkg -i`` does not fetch."""
    given = ours | {name for deb in debs for clause in deb.clauses("Provides") for name, _, _ in clause}
    for deb in debs:
        unmet = []
        for clause in deb.clauses("Depends", "Pre-Depends"):
            met = any(
                name in given
                or (name in here and _holds(here[name].version, relation, bound))
                or (not relation and bool(_standing_for(here, name)))
                or (name not in here and bool(_standing_for(here, name)))
                for name, relation, bound in clause
            )
            if not met:
                name, relation, bound = clause[0]
                unmet.append(f"{name} ({relation} {bound})" if relation else name)
        if unmet and any(p.depends for p in here.values()):
            own = deb.fields.get("Package", "").strip()
            yield _finding(
                deb.place,
                0,
                f"{own} depends on {', '.join(unmet[:MAX_SHOWN])}, not on {host.name}, and dpkg -i fetches nothing",
                f"Depends: {', '.join(unmet[:MAX_SHOWN])}",
                "dpkg leaves it unpacked and not configured, and ends with an error in the middle of the installation.",
                "Install the dependencies before the window, or let apt install the file (`apt-get install ./x.deb`).",
            )


def _by_dpkg(script: Script) -> bool:
    """True when the script installs with dpkg and lets nobody fetch what is missing."""
    argvs = [shell.unwrapped(c) for c in script.commands]
    installs = any(a and a[0].rpartition("/")[2] == "dpkg" and any(w in ("-i", "--install") for w in a) for a in argvs)
    fetches = any(a and a[0].rpartition("/")[2] in _MANAGERS and "install" in a for a in argvs)
    return installs and not fetches


def _standing_for(here: dict[str, InstalledPackage], name: str) -> list[InstalledPackage]:
    """The installed package of that name, and those that provide it."""
    return ([here[name]] if name in here else []) + [p for p in here.values() if name in p.provides]


def _needing(here: dict[str, InstalledPackage], name: str, without: set[str]) -> list[str]:
    """Installed packages that depend on it with no other installed alternative."""
    found = []
    for package in here.values():
        plain = package.name.partition(":")[0]
        if plain == name or plain in without:
            continue
        for clause in package.depends:
            alternatives = clause.split("|")
            if name in alternatives and not any(
                p.name.partition(":")[0] != name for a in alternatives for p in _standing_for(here, a)
            ):
                found.append(plain)
                break
    return found


def _holds(installed: str, relation: str, bound: str) -> bool:
    """True when the installed version is within the bound."""
    if not relation:
        return True
    try:
        order = version.compare(installed, bound, "deb")
    except UsageError:
        return False
    return {"<<": order < 0, "<=": order <= 0, "=": order == 0, ">=": order >= 0, ">>": order > 0}[relation]


def _finding(
    place: str, line: int, title: str, said: str, consequence: str, fix: str, severity: Severity = META.severity
) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=title[:300],
        place=place,
        line=line,
        excerpt=said[:200],
        consequence=consequence,
        fix=fix,
    )


def _here(*packages: InstalledPackage) -> Estate:
    host = HostFacts(name="app1", hostname="app1", os="debian", os_version="12", packages=packages)
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_JRE = InstalledPackage(name="openjdk-11-jre", version="11.0.2", provides=("java-runtime",))
_NEEDS = InstalledPackage(name="billing", version="1", depends=("openjdk-11-jre|openjdk-17-jre", "libc6"))
_LIBC = InstalledPackage(name="libc6", version="2.36-9")
_LIMS = InstalledPackage(name="lims", version="1", held=True)
BAD = (
    Sample(files={"up.sh": "#!/bin/sh\nset -e\napt-get -y remove openjdk-11-jre\n"}, estate=_here(_JRE, _NEEDS, _LIBC)),
    Sample(files={"a.deb!/DEBIAN/control": "Package: lims\nVersion: 2\n"}, estate=_here(_LIMS)),
    Sample(files={"up.sh": "#!/bin/sh\nset -e\napt-get -y install lims=2\n"}, estate=_here(_LIMS)),
    Sample(
        files={"a.deb!/DEBIAN/control": "Package: lims\nVersion: 2\nConflicts: java-runtime\n"}, estate=_here(_JRE, _NEEDS)
    ),
    Sample(files={"a.deb!/DEBIAN/control": "Package: lims\nVersion: 2\nBreaks: billing (<< 2)\n"}, estate=_here(_NEEDS)),
    Sample(
        files={
            "a.deb!/DEBIAN/control": "Package: lims\nVersion: 2\nDepends: libc6 (>= 2.38),\n openjdk-21-jre\n",
            "up.sh": "#!/bin/sh\nset -e\ndpkg -i a.deb\n",
        },
        estate=_here(_LIBC, _NEEDS, _JRE),
    ),
)
GOOD = (
    Sample(
        files={"up.sh": "#!/bin/sh\nset -e\napt-get -y remove openjdk-11-jre\n"},
        estate=_here(_JRE, _NEEDS, InstalledPackage(name="openjdk-17-jre", version="17")),
    ),
    Sample(files={"a.deb!/DEBIAN/control": "Package: lims\nVersion: 1\n"}, estate=_here(_LIMS)),
    Sample(
        files={"a.deb!/DEBIAN/control": "Package: lims\nConflicts: lims-old\nReplaces: lims-old\nBreaks: billing (<< 1)\n"},
        estate=_here(InstalledPackage(name="lims-old", version="1"), _NEEDS),
    ),
    Sample(
        files={
            "a.deb!/DEBIAN/control": "Package: lims\nDepends: libc6 (>= 2.30), java-runtime, lims-common | x\n",
            "b.deb!/DEBIAN/control": "Package: lims-common\n",
            "up.sh": "#!/bin/sh\nset -e\ndpkg -i a.deb b.deb\n",
        },
        estate=_here(_LIBC, _NEEDS, _JRE),
    ),
    Sample(
        files={
            "a.deb!/DEBIAN/control": "Package: lims\nDepends: nonesuch\n",
            "up.sh": "#!/bin/sh\napt-get install ./a.deb\n",
        },
        estate=_here(_LIBC, _NEEDS, _JRE),
    ),
)
