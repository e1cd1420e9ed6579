"""What the probe says of installed software: packages of every manager, and the system's files against their packages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec

from fulldress.formats import rpmlocks
from fulldress.formats.late import late
from fulldress.inventory.sections import Sections, whole
from fulldress.model.estate import ChangedFile, InstalledPackage, OwnedFiles

MAX_PATHS = 500
"""More unowned files are counted, not listed."""
MAX_CHANGED = 2000
_SAYS = late(r"[A-Za-z-]+\s*[:=]")
_BARE = late(r"[\s(:\[<].*$")
_JAR = late(r"(?P<name>.+?)[-_](?P<version>v?\d[0-9A-Za-z.+_-]*)$")
_METADATA = late(r"(?P<name>[^/]+?)-(?P<version>\d[^-/]*)(-py[\d.]+)?(-[\w.-]+)?\.(dist|egg)-info$")
_NPM = late(r'"(?P<key>name|version)"\s*:\s*"(?P<value>[^"]*)"')
_SUM = late(r"\\?(?P<sum>[0-9a-f]{32,128}) [ *](?P<path>/.*)$")
_OF_PACKAGE = late(r"/var/lib/dpkg/info/(?P<package>[^:/]+(?::\w+)?)\.md5sums:(?P<sum>[0-9a-f]{32})  (?P<path>.*)$")


def packages(sections: Sections) -> tuple[InstalledPackage, ...]:
    """Every installed package, by manager, name and place."""
    locked = [p for section in sections.named("rpm-locks") for p in rpmlocks.patterns(section.text, file=section.file)]
    found = [*_dpkg(sections.text("dpkg")), *_rpm(sections.text("rpm"), locked)]
    found += [*_libraries(sections.text("libraries"), _manifests(sections.text("jar"))), *_npm(sections.text("npm"))]
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


def _rpm(text: str, locked: list[str]) -> Iterator[InstalledPackage]:
    for line in text.splitlines():
        name, _, version = line.partition("\t")
        if name != "gpg-pubkey" and version:  # keys that rpm trusts are no software
            held = rpmlocks.is_held(name, locked)
            yield InstalledPackage(name=name, version=version.removeprefix("0:"), manager="rpm", held=held)


def _manifests(text: str) -> dict[str, dict[str, str]]:
    """Archive -> what its manifest and its Maven coordinates say; coordinates of several are nobody's."""
    found: dict[str, dict[str, str]] = {}
    for block in ("\n" + text).split("\nfile\t")[1:]:
        file, _, body = block.partition("\n")
        said: dict[str, str] = {}
        for key, value in (re.split(r"\s*[:=]\s*", line, maxsplit=1) for line in body.splitlines() if _SAYS.match(line)):
            said[key] = value.strip() if said.get(key, value.strip()) == value.strip() else ""
        found[file] = said
    return found


def _of_manifest(path: PurePosixPath, said: dict[str, str]) -> tuple[str, str]:
    """(name, version): Maven's coordinates, else the bundle's, else the manifest's."""
    if said.get("artifactId") and said.get("version"):
        return said["artifactId"], said["version"]
    version = said.get("Implementation-Version") or said.get("Bundle-Version") or said.get("Specification-Version", "")
    return path.stem, version


def _libraries(text: str, manifests: dict[str, dict[str, str]]) -> Iterator[InstalledPackage]:
    """Python distributions by their metadata directories, Java archives by their names or else their manifests."""
    for line in text.splitlines():
        path = PurePosixPath(line)
        if path.suffix in (".jar", ".war"):
            match = _JAR.match(path.stem)
            name, version = (match["name"], match["version"]) if match else _of_manifest(path, manifests.get(line, {}))
            yield InstalledPackage(name=name, version=version, manager="jar", place=line)
        elif match := _METADATA.match(path.name):
            yield InstalledPackage(name=match["name"], version=match["version"], manager="pip", place=str(path.parent))


def _npm(text: str) -> Iterator[InstalledPackage]:
    """A line each: the file, a tab, its JSON (cut off behind 16 KiB: then the first name and version count)."""
    for line in text.splitlines():
        file, _, body = line.partition("\t")
        facts = _package_json(body)
        place = PurePosixPath(file).parent
        # a package.json that marks a directory's kind of modules has no version, and is no package
        if facts.get("name") and facts.get("version"):
            yield InstalledPackage(name=facts["name"], version=facts["version"], manager="npm", place=str(place))


def _package_json(body: str) -> dict[str, str]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeEncodeError):
        found = {match["key"]: match["value"] for match in reversed(list(_NPM.finditer(body)))}
    said = found if isinstance(found, dict) else {}
    return {key: value for key in ("name", "version") if isinstance(value := said.get(key), str)}


def owned_files(sections: Sections) -> OwnedFiles:
    """Changed and missing files of packages; files under /etc, the programs' directories and /opt that nobody owns."""
    unowned = [line for line in sections.text("unowned").splitlines() if line.startswith("/")]
    first = sorted(unowned, key=lambda path: (path.startswith("/usr/local/"), path))
    checked = sections.text("checked").strip()
    listed = [*sections.text("conffiles").splitlines(), *sections.text("rpm-files").splitlines()]
    changed = [*_conffiles(sections), *_programs(sections.text("package-files")), *_rpm_files(sections)]
    return OwnedFiles(
        checked=whole(checked) + sum(bool(line.strip()) for line in listed),
        changed=tuple(sorted(changed, key=lambda c: c.path)[:MAX_CHANGED]),
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


def _rpm_files(sections: Sections) -> Iterator[ChangedFile]:
    """What rpm has on record of configuration and programs, against what is there."""
    found = _sums(sections.text("rpm-sums"))
    unseen = " ".join(section.text for section in sections.named("not-seen"))
    for line in sections.text("rpm-files").splitlines():
        package, path, shipped, flags = [*line.split("\t"), "", "", "", ""][:4]
        now = found.get(path, "")
        if path and now != shipped and (now or (path not in unseen and "list is not complete" not in unseen)):
            yield ChangedFile(path=path, package=package, shipped=shipped, found=now, conffile="c" in flags)


def _programs(text: str) -> Iterator[ChangedFile]:
    found = _sums(text)
    for line in text.splitlines():
        if match := _OF_PACKAGE.match(line):
            path = f"/{match['path']}"
            yield ChangedFile(path=path, package=match["package"], shipped=match["sum"], found=found.get(path, ""))
