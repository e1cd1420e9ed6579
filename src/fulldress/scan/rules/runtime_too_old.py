"""The package needs a newer (or another) Java, Python, Node, PHP or Ruby than the host has.

## What it does
Holds what the package says, or what its code shows, against the inventory: the version of compiled Java classes,
`Build-Jdk-Spec` is not believed; `Requires-Python` and the tags of wheels, `engines.node` of package.json, `require.php` of
composer.json. A runtime that the package brings itself, or that its own dependencies bring, is not missing.

## Why it matters
`UnsupportedClassVersionError` on the first start after the old version was removed; or pip refuses the wheel half way.

## Example
```
Error: LinkageError: lims.Main has been compiled by a more recent version (class file version 65.0), this runtime takes 61.0
```

## Fix
Install the runtime beside the old one before the window and name it in the unit, or have the vendor build for what is here.

## References
- The Java Virtual Machine Specification, 4.1 (class file versions); PEP 345 Requires-Python; package.json `engines`
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.estate import Estate, HostFacts, InstalledPackage
from fulldress.model.finding import Finding
from fulldress.model.package import Entry
from fulldress.scan.dependencies import coming
from fulldress.scan.places import is_example, is_test
from fulldress.scan.reading import is_vendored, named
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="runtime-too-old",
    family="privilege",
    title="Runtime on the host is too old",
    severity="high",
    confidence="likely",
    needs=("estate",),
)
_CLASS_OFFSET = 44
"""Java N compiles to class file version N + 44."""
_JAVA_PACKAGE = late(
    r"^(?:openjdk|temurin|zulu|java|msopenjdk|bellsoft-java)-?(\d+)(?:-(?:jre|jdk|openjdk|jre-headless).*)?$"
)
_PROGRAMS = {"java": ("java",), "node": ("node",), "python3": ("python3",)}
_BOUND = late(r"(>=|>|~=|===?|!=|\^|~|<=|<|=)?\s*v?(\d+)(?:\.(\d+))?")
_WHEEL = late(r"-(cp3(\d+))-(cp3\d+|abi3)-[\w.]+\.whl$")
MAX_JSON = 1 << 20
MAX_SHOWN = 6


class _Need(NamedTuple):
    runtime: str
    low: tuple[int, ...]
    exact: bool
    place: str
    said: str
    line: int = 0


def looks_for(context: Context) -> tuple[Pattern, ...]:
    """Classes that no Java of the hosts runs; none is looked for where no host has a Java, or the newest there is."""
    newest = max((v[0] for v in _installed(context, "java")), default=0)
    return (_newer_class(newest),) if 8 <= newest < 40 else ()


def _newer_class(java: int) -> Pattern:
    return Pattern(rf"\A\xca\xfe\xba\xbe\x00[\x00-\xff]\x00[\x{java + _CLASS_OFFSET + 1:02x}-\x60]", once=True)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each runtime."""
    for runtime in ("java", "python3", "node", "php"):
        have = _installed(context, runtime)
        if not have or _brought(context, runtime):
            continue
        unmet = [
            n for n in _needs(context, runtime) if not any(_enough(n, v) for v in have) and not coming(context, n.place)
        ]
        if unmet:
            yield _finding(runtime, unmet, max(have))


def _finding(runtime: str, unmet: list[_Need], newest: tuple[int, ...]) -> Finding:
    first = max(unmet, key=lambda n: n.low)
    wanted, there = _said(first.low), _said(newest[:2] if runtime != "java" else newest[:1])
    places = list(dict.fromkeys(n.place for n in unmet))
    more = f" and {len(places) - MAX_SHOWN} more" if len(places) > MAX_SHOWN else ""
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{runtime} {wanted}{'' if first.exact else ' or newer'} is needed, the newest here is {there}",
        place=first.place,
        line=first.line,
        excerpt=first.said,
        consequence=f"It does not start, or is not installed: {', '.join(places[:MAX_SHOWN])}{more}.",
        fix="Install that runtime beside the old one before the window, or ask the vendor for a build for what is here.",
    )


def _said(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _enough(need: _Need, version: tuple[int, ...]) -> bool:
    there = version[: len(need.low)]
    return there == need.low if need.exact else there >= need.low


def _installed(context: Context, runtime: str) -> list[tuple[int, ...]]:
    """The versions that hosts have, by what the programs say and by names of packages."""
    found: set[tuple[int, ...]] = set()
    for host in context.estate.hosts if context.estate is not None else ():
        said = host.runtimes.get(runtime, "")
        if said:
            found.add(_version(runtime, said))
        for package in host.packages:
            found.update(_of_package(runtime, package))
    return sorted(v for v in found if v)


def _of_package(runtime: str, package: InstalledPackage) -> Iterator[tuple[int, ...]]:
    name = package.name.partition(":")[0]
    if package.manager not in ("dpkg", "rpm"):
        return
    if runtime == "java" and (java := _JAVA_PACKAGE.match(name)):
        yield (int(java[1]),)
    elif runtime == "python3" and (python := re.fullmatch(r"(?:lib)?python3\.(\d+)(?:-minimal|-stdlib)?", name)):
        yield (3, int(python[1]))
    elif (runtime, name) in (("python3", "python3"), ("node", "nodejs")) or (
        runtime == "php" and re.fullmatch(r"php\d?(\.\d)?(-\w+)?", name)
    ):
        yield _version(runtime, package.version.partition(":")[2] or package.version)


def _version(runtime: str, text: str) -> tuple[int, ...]:
    """Numbers of a version; Java's 1.8 is 8."""
    numbers = tuple(int(n) for n in re.findall(r"\d+", text)[:3])
    return numbers[1:2] if runtime == "java" and numbers[:1] == (1,) else numbers


def _brought(context: Context, runtime: str) -> bool:
    """True when the package holds the runtime itself."""
    found = (entry for name in _PROGRAMS.get(runtime, ()) for entry in named(context, name))
    return any("bin/" in entry.place for entry in found)


def _needs(context: Context, runtime: str) -> Iterator[_Need]:
    if runtime == "java":
        yield from _classes(context)
        return
    for entry in _manifests(context):
        name = entry.place.rpartition("/")[2]
        if runtime == "python3" and name in ("METADATA", "PKG-INFO"):
            said = re.search(r"(?m)^Requires-Python:\s*(.+)$", context.text(entry) or "")
            yield from _bounds(context, runtime, entry, said[1] if said is not None else "")
        elif runtime == "node" and name == "package.json":
            yield from _bounds(context, runtime, entry, _json(context, entry, "engines", "node"))
        elif runtime == "php" and name == "composer.json":
            yield from _bounds(context, runtime, entry, _json(context, entry, "require", "php"))
    for entry in context.package.entries if runtime == "python3" else ():
        wheel = _WHEEL.search(entry.place) if entry.place.endswith(".whl") else None
        if wheel is not None and not is_vendored(entry.place):
            yield _Need(runtime, (3, int(wheel[2])), wheel[3] != "abi3", entry.place, wheel[1])


def _classes(context: Context) -> Iterator[_Need]:
    """One for each archive that holds such classes; those for newer versions beside older ones do not count."""
    newest = max((v[0] for v in _installed(context, "java")), default=0)
    found: dict[str, _Need] = {}
    for pattern in looks_for(context):
        for hit in context.hits(
            pattern, among=lambda e: "META-INF/versions/" not in e.place and "module-info" not in e.place
        ):
            archive = hit.entry.place.rpartition("!/")[0] or hit.entry.place
            if archive not in found and not is_test(archive) and not is_example(archive):
                major = context.around(hit, before=1, after=0)[-1]
                java = max(newest + 1, major - _CLASS_OFFSET)
                found[archive] = _Need("java", (java,), False, hit.entry.place, f"class file version {major}")
    yield from found.values()


def _manifests(context: Context) -> list[Entry]:
    """The manifests at the top of an archive: those further down are for libraries, or for who builds a part of it."""

    return [
        e
        for name in ("METADATA", "PKG-INFO", "package.json", "composer.json")
        for e in named(context, name)
        if e.size <= MAX_JSON
        and e.kind != "container"
        and e.place.rpartition("!/")[2].count("/") <= 1
        and not (is_vendored(e.place) or is_test(e.place) or is_example(e.place))
    ]


def _json(context: Context, entry: Entry, *path: str) -> str:
    try:
        found = json.loads(context.text(entry) or "")
    except (ValueError, RecursionError):
        return ""
    for key in path:
        found = found.get(key, "") if isinstance(found, dict) else ""
    return found if isinstance(found, str) else ""


def _bounds(context: Context, runtime: str, entry: Entry, said: str) -> Iterator[_Need]:
    """The lowest version that would do: alternatives (``||``) each give one."""
    lows = []
    for alternative in re.split(r"\|\|?", said):
        low = [m for m in _BOUND.finditer(alternative) if m[1] not in ("<", "<=", "!=")]
        if not low:
            return  # an alternative without a lower bound: anything will do
        lows.append(max(tuple(int(n) for n in m.groups()[1:] if n is not None) for m in low))
    if said and lows:
        stated = {"python3": "Requires-Python:", "node": '"node"', "php": '"php"'}[runtime]
        before, found, _ = (context.text(entry) or "").partition(stated)
        yield _Need(runtime, min(lows), False, entry.place, said.strip()[:100], before.count("\n") + 1 if found else 0)


def _here(**runtimes: str) -> Estate:
    host = HostFacts(name="app1", hostname="app1", os="debian", os_version="12", runtimes=runtimes)
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_CLASS = b"\xca\xfe\xba\xbe\x00\x00\x00"
BAD = (
    Sample(files={"lib/app.jar!/a/Main.class": _CLASS + b"\x41\x00\x10a"}, estate=_here(java="17.0.15")),
    Sample(files={"app-1.dist-info/METADATA": "Name: app\nRequires-Python: >=3.12,<4\n"}, estate=_here(python3="3.11.2")),
    Sample(files={"package.json": '{"name": "x", "engines": {"node": ">=22 || ^24"}}\n'}, estate=_here(node="20.1.0")),
    Sample(files={"composer.json": '{"require": {"php": "^8.3"}}\n'}, estate=_here(php="8.2.20")),
)
GOOD = (
    Sample(files={"lib/app.jar!/a/Main.class": _CLASS + b"\x3d\x00\x10a"}, estate=_here(java="17.0.15")),
    Sample(files={"lib/a.jar!/META-INF/versions/21/a/M.class": _CLASS + b"\x41\x00\x10a"}, estate=_here(java="17.0.15")),
    Sample(
        files={"jre/bin/java": b"\x7fELF\0", "lib/app.jar!/a/Main.class": _CLASS + b"\x41\x00\x10a"},
        estate=_here(java="17.0.15"),
    ),
    Sample(files={"app-1.dist-info/METADATA": "Requires-Python: !=3.15,>=3.9\n"}, estate=_here(python3="3.11.2")),
    Sample(files={"node_modules/x/package.json": '{"engines": {"node": ">=22"}}\n'}, estate=_here(node="20.1.0")),
    Sample(files={"app/static/ui/package.json": '{"engines": {"node": ">=22"}}\n'}, estate=_here(node="20.1.0")),
    Sample(files={"package.json": '{"engines": {"node": ">=18 || >=20"}}\n'}, estate=_here(node="20.1.0")),
    Sample(files={"lib/app.jar!/a/Main.class": _CLASS + b"\x41\x00\x10a"}, estate=_here(python3="3.11.2")),
)
