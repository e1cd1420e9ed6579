"""What the probe says of installed software: packages of every manager, and the system's files against their packages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from fulldress.inventory.sections import Sections
from fulldress.model.estate import ChangedFile, InstalledPackage, OwnedFiles

MAX_PATHS = 500
"""More unowned files are counted, not listed."""
_BARE = re.compile(r"[\s(:\[<].*$")
_JAR = re.compile(r"(?P<name>.+?)[-_](?P<version>v?\d[0-9A-Za-z.+_-]*)$")
_METADATA = re.compile(r"(?P<name>[^/]+?)-(?P<version>\d[^-/]*)(-py[\d.]+)?(-[\w.-]+)?\.(dist|egg)-info$")
_NPM = re.compile(r'(?P<file>.+?/package\.json):\s*"(?P<key>name|version)"\s*:\s*"(?P<value>[^"]*)"')
_SUM = re.compile(r"\\?(?P<sum>[0-9a-f]{32}) [ *](?P<path>/.*)$")
_OF_PACKAGE = re.compile(r"/var/lib/dpkg/info/(?P<package>[^:/]+(?::\w+)?)\.md5sums:(?P<sum>[0-9a-f]{32})  (?P<path>.*)$")


def packages(sections: Sections) -> tuple[InstalledPackage, ...]:
    """Every installed package, by manager, name and place."""
    found = [*_dpkg(sections.text("dpkg")), *_rpm(sections.text("rpm"))]
    found += [*_libraries(sections.text("libraries")), *_npm(sections.text("npm"))]
    return tuple(sorted(set(found), key=lambda p: (p.manager, p.name, p.place, p.version)))


def _dpkg(text: str) -> Iterator[InstalledPackage]:
    for line in text.splitlines():
        status, name, version, needs, gives = [*line.split("\t"), "", "", "", ""][:5]
        if status[1:2] == "i":
            yield InstalledPackage(
                name=name, version=version, held=status[:1] == "h", depends=_names(needs), provides=_names(gives)
            )


def _names(field: str) -> tuple[str, ...]:
    """The names of a Depends or Provides field: versions and architectures come off, alternatives stay together."""
    clauses = ("|".join(_BARE.sub("", part.strip()) for part in clause.split("|")) for clause in field.split(","))
    return tuple(dict.fromkeys(clause for clause in clauses if clause))


def _rpm(text: str) -> Iterator[InstalledPackage]:
    for line in text.splitlines():
        name, _, version = line.partition("\t")
        yield InstalledPackage(name=name, version=version.removeprefix("0:"), manager="rpm")


def _libraries(text: str) -> Iterator[InstalledPackage]:
    """Python distributions by their metadata directories, Java archives by their file names."""
    for line in text.splitlines():
        path = PurePosixPath(line)
        if path.suffix in (".jar", ".war"):
            match = _JAR.match(path.stem)
            name, version = (match["name"], match["version"]) if match else (path.stem, "")
            yield InstalledPackage(name=name, version=version, manager="jar", place=line)
        elif match := _METADATA.match(path.name):
            yield InstalledPackage(name=match["name"], version=match["version"], manager="pip", place=str(path.parent))


def _npm(text: str) -> Iterator[InstalledPackage]:
    seen: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if match := _NPM.match(line):
            seen.setdefault(match["file"], {})[match["key"]] = match["value"]
    for file, facts in seen.items():
        if "name" in facts:
            place = str(PurePosixPath(file).parent)
            yield InstalledPackage(name=facts["name"], version=facts.get("version", ""), manager="npm", place=place)


def owned_files(sections: Sections) -> OwnedFiles:
    """Changed and missing files of packages; files under /etc, the programs' directories and /opt that nobody owns."""
    unowned = [line for line in sections.text("unowned").splitlines() if line.startswith("/")]
    first = sorted(unowned, key=lambda path: (path.startswith("/usr/local/"), path))
    checked = sections.text("checked").strip()
    conffiles = sections.text("conffiles").splitlines()
    return OwnedFiles(
        checked=(int(checked) if checked.isdecimal() else 0) + sum(bool(line.strip()) for line in conffiles),
        changed=tuple(sorted([*_conffiles(sections), *_programs(sections.text("package-files"))], key=lambda c: c.path)),
        unowned=dict(sorted(Counter(_area(path) for path in unowned).items())),
        unowned_paths=tuple(first[:MAX_PATHS]),
    )


def _area(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[: 3 if parts[1] in ("usr", "opt") and len(parts) > 3 else 2])


def _sums(text: str) -> dict[str, str]:
    return {match["path"]: match["sum"] for line in text.splitlines() if (match := _SUM.match(line))}


def _conffiles(sections: Sections) -> Iterator[ChangedFile]:
    found = _sums(sections.text("conffile-sums"))
    unseen = " ".join(section.text for section in sections.named("not-seen"))
    for line in sections.text("conffiles").splitlines():
        package, path, shipped, flag = [*line.split("\t"), "", "", "", ""][:4]
        now = found.get(path, "")
        if path and flag not in ("obsolete", "remove-on-upgrade") and now != shipped and (now or path not in unseen):
            yield ChangedFile(path=path, package=package, shipped=shipped, found=now, conffile=True)


def _programs(text: str) -> Iterator[ChangedFile]:
    found = _sums(text)
    for line in text.splitlines():
        if match := _OF_PACKAGE.match(line):
            path = f"/{match['path']}"
            yield ChangedFile(path=path, package=match["package"], shipped=match["sum"], found=found.get(path, ""))
