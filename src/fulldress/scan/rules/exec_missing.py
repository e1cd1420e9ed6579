"""A unit starts a program that is not there, or that cannot run here.

## What it does
Looks for the program of every `Exec...=` line of the package's units in the package and on the hosts: not there, shipped
without its execute bit, a script without `#!`, a binary for another processor, or one that needs a newer C library than the
hosts have.

## Why it matters
The service fails with status 203/EXEC at the moment of the switch-over, after the old version was already stopped.

## Example
```
ExecStart=/opt/app/bin/serverd        # the package ships /opt/app/bin/server
```

## Fix
Have the vendor ship the program, or correct the path. A prefix `-` lets the unit go on without it.

## References
- systemd.service(5) ExecStart=; systemd.exec(5) exit codes (203/EXEC)
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import unit
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.estate import Estate, HostFacts, InstalledPackage
from fulldress.model.finding import Confidence, Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.dependencies import coming
from fulldress.scan.jobs.units import UnitFile, units
from fulldress.scan.reading import memo, named, on_host
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="exec-missing",
    family="systemd",
    title="Unit starts a program that is missing or cannot run",
    severity="high",
    confidence="certain",
)
ELF = Pattern(r"\A\x7fELF", once=True)
LOOKS_FOR = (ELF,)
_ON_PATH = late(r"^/(usr/)?(local/)?s?bin/[^/]+$")
_VENDORS = ("/opt/", "/srv/", "/usr/local/", "/home/", "/var/")
"""Folders that vendors fill alone; programs of the others may come with any other package."""
_MACHINES = {0x03: "i386", 0x28: "arm", 0x3E: "amd64", 0xB7: "arm64", 0xF3: "riscv64", 0x15: "ppc64", 0x16: "s390x"}
_NAMES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "armv7l": "arm",
    "armel": "arm",
    "i686": "i386",
    "i586": "i386",
    "ppc64el": "ppc64",
    "ppc64le": "ppc64",
}
_COMMON = """
    sh bash dash env true false kill sleep test echo cat rm mkdir cp mv ln chmod chown install touch systemctl sed grep
"""
_ALWAYS = frozenset(_COMMON.split())


class _Trouble(NamedTuple):
    why: str
    severity: Severity
    confidence: Confidence


def check(context: Context) -> Iterator[Finding]:
    """One finding for each unit and program."""
    for found in units(context):
        seen: set[str] = set()
        for directive, prefix, command, line in unit.execs(found.text):
            path = command.split(None, 1)[0].strip("\"'") if command.strip() else ""
            if path in seen or re.search(r"[%$*]", path):
                continue
            if not path.startswith("/"):
                seen.add(path)
                yield from _by_name(context, found, path, line)
                continue
            seen.add(path)
            trouble = _trouble(context, path, found)
            if trouble is not None and "-" not in prefix:
                firm = directive in ("ExecStart", "ExecStartPre", "ExecCondition")
                yield Finding(
                    rule=META.slug,
                    severity=trouble.severity if firm else "low",
                    confidence=trouble.confidence,
                    title=f"{found.name}: {path} {trouble.why}",
                    place=found.entry.place,
                    line=line,
                    excerpt=f"{directive}={command}"[:200],
                    consequence="The service fails with 203/EXEC when it is started, after its predecessor was stopped.",
                    fix="Correct the path, or have the vendor ship the program as it must be.",
                )
            given = _given(command, path)
            if trouble is None and "-" not in prefix and given and given not in seen and _absent(context, given, found):
                seen.add(given)
                yield Finding(
                    rule=META.slug,
                    severity="medium",
                    confidence="likely",
                    title=f"{found.name}: {given}, which {path.rpartition('/')[2]} is to run, is not in the package",
                    place=found.entry.place,
                    line=line,
                    excerpt=f"{directive}={command}"[:200],
                    consequence="The service fails as soon as it is started, after its predecessor was stopped.",
                    fix="Correct the path, or have the vendor ship the file.",
                )


def _by_name(context: Context, found: UnitFile, name: str, line: int) -> Iterator[Finding]:
    """A program without a path: systemd looks for it in a fixed list of folders, not in PATH of the unit."""
    hosts = [h for h in context.estate.hosts if h.commands] if context.estate is not None else []
    lacking = [h.hostname or h.name for h in hosts if name not in h.commands]
    shipped = any(_ON_PATH.match(path) and path.endswith(f"/{name}") for path in _shipped(context))
    if not re.fullmatch(r"[\w.+-]+", name) or not lacking or shipped or name in _ALWAYS:
        return
    yield Finding(
        rule=META.slug,
        severity="medium",
        confidence="likely",
        title=f"{found.name}: {name} is no path, and on {', '.join(lacking)} no program of that name",
        place=found.entry.place,
        line=line,
        excerpt=name,
        consequence="The service fails with 203/EXEC when it is started, after its predecessor was stopped.",
        fix="Write the whole path; systemd does not look where the unit's PATH says.",
    )


_INTERPRETER = late(r"/(?:java|python[\d.]*|perl|ruby|node|php[\d.]*|(?:ba|da)?sh)$")


def _given(command: str, path: str) -> str:
    """The program that an interpreter is to run: ``java -jar X``, ``python3 X``; "" when that is not plain."""
    words = command.split()[1:]
    if not _INTERPRETER.search(path) or not words:
        return ""
    if path.endswith("/java"):
        after = words[words.index("-jar") + 1 :] if "-jar" in words else []
        word = after[0] if after else ""
    else:
        word = words[0]
    return word if word.startswith(_VENDORS) and not re.search(r"[%$*\"']", word) else ""


def _absent(context: Context, path: str, found: UnitFile) -> bool:
    """True when the unit's own archive fills the vendor's folder and that file is not in it, nor anywhere in the package."""
    top = "/".join(path.split("/")[:4])
    fills = found.folder and any(p.startswith(f"{top}/") for p in _shipped(context))
    return bool(fills) and path not in _shipped(context) and not named(context, path.rpartition("/")[2])


def _trouble(context: Context, path: str, found: UnitFile) -> _Trouble | None:
    entry = _shipped(context).get(path) or on_host(context, path)
    if entry is not None:
        return _unfit(context, entry)
    estate = context.estate
    name = path.rpartition("/")[2]
    if name in _ALWAYS and _ON_PATH.match(path):
        return None
    hosts = [h for h in estate.hosts if h.commands] if estate is not None else []
    if hosts and _ON_PATH.match(path):
        lacking = [h.hostname or h.name for h in hosts if name not in h.commands]
        if not lacking:
            return None
        more = coming(context, found.entry.place)
        why = f"is neither in the package nor on {', '.join(lacking)}"
        return (
            _Trouble(f"{why}, unless {more[0]} brings it", "low", "possible") if more else _Trouble(why, "high", "certain")
        )
    folder = path.rpartition("/")[0]
    if found.folder and path.startswith(_VENDORS) and any(p.rpartition("/")[0] == folder for p in _shipped(context)):
        return _Trouble("is not in the package, which ships others of that folder", "medium", "likely")
    return None


def _shipped(context: Context) -> dict[str, Entry]:
    """Path on the host -> entry, for what lies in archives of the package that are installed, links included."""

    def make() -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for entry in context.package.entries:
            if entry.kind in ("file", "symlink", "hardlink", "container"):
                path = "/" + entry.place.rpartition("!")[2].lstrip("/")
                found[path] = entry
                if path.startswith("/usr/"):
                    found.setdefault(path.removeprefix("/usr"), entry)
                elif path.startswith(("/bin/", "/sbin/", "/lib/")):
                    found.setdefault(f"/usr{path}", entry)
        return found

    return memo(context, "shipped", make)


def _unfit(context: Context, entry: Entry) -> _Trouble | None:
    """Why a shipped program cannot run here."""
    if entry.kind != "file" or not entry.sha256:
        return None
    if not entry.mode & 0o111:
        return _Trouble(f"is shipped with mode {entry.mode & 0o777:o}: not executable", "high", "certain")
    if entry not in _binaries(context):
        head = context.read(entry)[:2]
        return None if head == b"#!" or not head else _Trouble("has no #! line: systemd cannot run it", "medium", "likely")
    return _foreign(context, context.read(entry))


def _binaries(context: Context) -> list[Entry]:
    return memo(context, "elf files", lambda: context.matching(ELF))


def _foreign(context: Context, data: bytes) -> _Trouble | None:
    machine = int.from_bytes(data[18:20], "little" if data[5:6] == b"\x01" else "big")
    built = _MACHINES.get(machine, "")
    hosts = context.estate.hosts if context.estate is not None else ()
    for host in hosts:
        arch = _NAMES.get(host.arch, host.arch)
        if built and arch in _MACHINES.values() and built != arch and (built, arch) != ("i386", "amd64"):
            return _Trouble(f"is built for {built}; {host.hostname or host.name} is {arch}", "high", "certain")
    here = min((v for host in hosts if (v := _libc_of(host))), default=(0, 0))
    wanted = _libc_wanted(data) if here > (0, 0) else (0, 0)
    if wanted > here:
        text = f"needs glibc {wanted[0]}.{wanted[1]}; the hosts have {here[0]}.{here[1]}"
        return _Trouble(text, "high", "certain")
    return None


def _libc_of(host: HostFacts) -> tuple[int, int]:
    for package in host.packages:
        if package.name.partition(":")[0] in ("libc6", "glibc"):
            match = re.match(r"(?:\d+:)?(\d+)\.(\d+)", package.version)
            return (int(match[1]), int(match[2])) if match is not None else (0, 0)
    return (0, 0)


def _libc_wanted(data: bytes) -> tuple[int, int]:
    """The newest GLIBC_x.y that the binary asks of its C library."""
    import lief  # noqa: PLC0415 - loaded when needed: a parser of binaries, and few packages get here

    binary = lief.ELF.parse(io.BytesIO(data))
    if binary is None:
        return (0, 0)
    names = [aux.name for needed in binary.symbols_version_requirement for aux in needed.get_auxiliary_symbols()]
    return max((_glibc(name) for name in names if isinstance(name, str)), default=(0, 0))


def _glibc(name: str) -> tuple[int, int]:
    match = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", name)
    return (int(match[1]), int(match[2])) if match is not None else (0, 0)


def _estate(arch: str = "amd64", libc: str = "2.36-9", commands: tuple[str, ...] = ("bash", "curl")) -> Estate:
    packages = (InstalledPackage(name="libc6", version=libc),)
    host = HostFacts(name="h", hostname="h", os="debian", os_version="12", arch=arch, packages=packages, commands=commands)
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_ARM = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\xb7\0" + bytes(44)
_UNIT = "[Service]\nExecStart=/opt/a/bin/serve --port 1\n"
BAD = (
    Sample(
        files={
            "a.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/usr/bin/java -Xmx1g -jar /opt/a/b/lib/w.jar\n",
            "a.deb!/opt/a/b/lib/other.jar": "x",
        }
    ),
    {"x.deb!/lib/systemd/system/a.service": _UNIT, "x.deb!/opt/a/bin/server": "#!/bin/sh\n"},
    Sample(
        files={"x.deb!/lib/systemd/system/a.service": _UNIT, "x.deb!/opt/a/bin/serve": "#!/bin/sh\n"},
        modes={"x.deb!/opt/a/bin/serve": 0o644},
    ),
    Sample(files={"x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/usr/bin/gone\n"}, estate=_estate()),
    Sample(
        files={"x.deb!/lib/systemd/system/a.service": _UNIT, "x.deb!/opt/a/bin/serve": _ARM},
        modes={"x.deb!/opt/a/bin/serve": 0o755},
        estate=_estate(),
    ),
)
GOOD = (
    Sample(
        files={
            "rootfs/lib/systemd/system/a.service": "[Service]\nExecStart=/usr/bin/a-updater\n",
            "rootfs/usr/bin/a-updater": "#!/bin/sh\n",
        },
        estate=Estate(taken="", hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", commands=("sh",)),)),
    ),
    Sample(
        files={
            "a.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/usr/bin/java -jar /opt/a/b/lib/w.jar\n",
            "w.jar": "x",
            "a.deb!/opt/a/b/lib/other.jar": "x",
        }
    ),
    {"x.deb!/lib/systemd/system/a.service": _UNIT, "x.deb!/opt/a/bin/serve": "#!/bin/sh\n"},
    {"x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=-/opt/a/bin/gone\n", "x.deb!/opt/a/bin/b": "#!/bin/sh\n"},
    {"x.deb!/lib/systemd/system/a@.service": "[Service]\nExecStart=/opt/%i/bin/gone\n", "x.deb!/opt/a/bin/b": "#!/bin/sh\n"},
    Sample(files={"x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/usr/bin/curl x\n"}, estate=_estate()),
    Sample(
        files={"x.deb!/lib/systemd/system/a.service": _UNIT, "x.deb!/opt/a/bin/serve": _ARM},
        modes={"x.deb!/opt/a/bin/serve": 0o755},
        estate=_estate("arm64"),
    ),
)
