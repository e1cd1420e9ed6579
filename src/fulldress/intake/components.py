"""What is inside a package by name and version: jars, wheels, debs, npm packages, and what an enclosed SBOM lists.

Reads small files of known names from verified blobs; believes what they say of themselves and nothing more.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

import msgspec

from fulldress.formats.csaf.document import Purl, purl
from fulldress.model.advisory import Component
from fulldress.model.package import Entry, PackageLock

MAX_READ = 1 << 20
MAX_SBOM = 64 << 20
MOST = 20_000
_NAMED = re.compile(
    r"^(?P<name>[A-Za-z][\w.+-]*?)[-_](?P<version>v?\d[\w.+~]*?)(?:[-_](?:all|any|amd64|arm64|noarch|x86_64|linux)\b.*)?$"
)
_RPM = re.compile(r"^(?P<name>.+)-(?P<version>[^-]+-[^-]+)\.(?:noarch|x86_64|aarch64|i[36]86|src)\.rpm$")

Read = Callable[[str], bytes]


def components(lock: PackageLock, read: Read) -> tuple[Component, ...]:
    """Every component, once, in order of place."""
    found: dict[tuple[str, str, str, str], Component] = {}
    for entry in lock.entries:
        if not entry.sha256:
            continue
        for component in _of(entry, read):
            found.setdefault((component.kind, component.name, component.version, component.namespace), component)
            if len(found) >= MOST:
                return _named_best(found.values())
    return _named_best(found.values())


def _named_best(found: Collection[Component]) -> tuple[Component, ...]:
    """Without those that are known by their file's name alone, where the file itself says whose they are."""
    owned = {(c.kind, c.name, c.version) for c in found if c.namespace}
    return tuple(c for c in found if c.namespace or c.purl or c.cpe or (c.kind, c.name, c.version) not in owned)


def _of(entry: Entry, read: Read) -> Iterator[Component]:
    place, name = entry.place, posixpath.basename(entry.place)
    try:
        if place.endswith("/DEBIAN/control"):
            yield from _deb(place, _text(entry, read))
        elif (name == "METADATA" and ".dist-info/" in place) or name == "PKG-INFO":
            yield from _wheel(place, _text(entry, read))
        elif name == "pom.properties":
            yield from _pom(place, _text(entry, read))
        elif place.endswith("!/META-INF/MANIFEST.MF"):
            yield from _manifest(place, _text(entry, read))
        elif name == "package.json" and entry.size <= MAX_READ:
            yield from _npm(place, read(entry.sha256))
        elif name.lower().endswith((".cdx.json", "bom.json", ".spdx.json", "sbom.json")) and entry.size <= MAX_SBOM:
            yield from _sbom(place, read(entry.sha256))
        elif match := _RPM.match(name):
            yield _component(place, "rpm", match["name"], match["version"])
        elif entry.kind == "container" and name.lower().endswith((".jar", ".war", ".whl", ".deb")):
            yield from _by_name(place, name)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return  # a file that is not what its name says describes nothing


def _text(entry: Entry, read: Read) -> str:
    return read(entry.sha256).decode("utf-8", "replace") if entry.size <= MAX_READ else ""


def _component(place: str, kind: Any, name: str, version: str, namespace: str = "", **more: str) -> Component:
    inside = place.rpartition("!/")[0] or place
    return Component(place=inside, kind=kind, name=name[:200], version=version[:100], namespace=namespace[:200], **more)


def _fields(text: str) -> dict[str, str]:
    """``Name: value`` up to the first empty line; the first of several wins."""
    found: dict[str, str] = {}
    for line in text.split("\n\n")[0].replace("\r", "").splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t")):
            found.setdefault(key.strip().lower(), value.strip())
    return found


def _deb(place: str, text: str) -> Iterator[Component]:
    fields = _fields(text)
    if name := fields.get("package"):
        yield _component(place, "deb", name, fields.get("version", ""))


def _wheel(place: str, text: str) -> Iterator[Component]:
    fields = _fields(text)
    if name := fields.get("name"):
        yield _component(place, "wheel", re.sub(r"[-_.]+", "-", name).lower(), fields.get("version", ""))


def _pom(place: str, text: str) -> Iterator[Component]:
    values = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line and not line.startswith("#"))
    values = {k.strip(): v.strip() for k, v in values.items()}
    if name := values.get("artifactId"):
        yield _component(place, "jar", name, values.get("version", ""), values.get("groupId", ""))


def _manifest(place: str, text: str) -> Iterator[Component]:
    fields = _fields(text.replace("\r\n", "\n").replace("\n ", ""))
    name = fields.get("implementation-title") or fields.get("bundle-symbolicname", "").partition(";")[0]
    version = fields.get("implementation-version") or fields.get("bundle-version", "")
    jar = re.sub(r"\.(jar|war|ear)$", "", posixpath.basename(place.split("!/META-INF/")[0]))
    if version:
        named = _NAMED.match(jar)
        yield _component(place, "jar", name or (named["name"] if named else jar), version)


def _npm(place: str, data: bytes) -> Iterator[Component]:
    found = msgspec.json.decode(data)
    if isinstance(found, dict) and isinstance(found.get("name"), str) and isinstance(found.get("version"), str):
        namespace, _, name = found["name"].rpartition("/")
        yield _component(place, "npm", name, found["version"], namespace)


def _by_name(place: str, name: str) -> Iterator[Component]:
    stem, _, suffix = name.rpartition(".")
    match = _NAMED.match(stem)
    kinds = {"deb": "deb", "whl": "wheel"}
    if match:
        yield _component(f"{place}!/", kinds.get(suffix.lower(), "jar"), match["name"], match["version"])


def _sbom(place: str, data: bytes) -> Iterator[Component]:
    """CycloneDX and SPDX in JSON."""
    found = msgspec.json.decode(data)
    if not isinstance(found, dict):
        return
    if isinstance(found.get("components"), list):
        for part in _flat(found["components"]):
            yield from _listed(place, part.get("name"), part.get("version"), part.get("purl"), part.get("cpe"))
    if isinstance(found.get("packages"), list):
        for part in (p for p in found["packages"] if isinstance(p, dict)):
            refs = [r for r in part.get("externalRefs") or () if isinstance(r, dict)]
            located = {str(r.get("referenceType")): r.get("referenceLocator") for r in refs}
            url, name = located.get("purl"), located.get("cpe23Type")
            yield from _listed(place, part.get("name"), part.get("versionInfo"), url, name)


def _flat(parts: list[Any]) -> Iterator[dict[str, Any]]:
    waiting = list(reversed(parts))
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            inner = part.get("components")
            waiting += reversed(inner) if isinstance(inner, list) else []


def _listed(place: str, name: object, version: object, url: object, cpe: object) -> Iterator[Component]:
    given = purl(url) if isinstance(url, str) else None
    if not isinstance(name, str) and given is None:
        return
    named = given or Purl("", "", str(name), "")
    yield _component(
        f"{place}!/x",
        "sbom",
        named.name,
        named.version or (version if isinstance(version, str) else ""),
        named.namespace,
        purl=url[:500] if isinstance(url, str) else "",
        cpe=cpe[:300] if isinstance(cpe, str) else "",
    )
