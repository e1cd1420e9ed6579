"""Which libraries are in the package: JARs, Python and npm packages, Debian packages and RPMs, with their versions.

From metadata where there is some, else from the file name. Pure: reads the Context, nothing else; once for each context.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.model.package import Entry
from fulldress.scan.reading import memo
from fulldress.scan.rule import Context

_JAR = late(r"(?:^|[/!])([A-Za-z][\w.+-]*?)-(\d[\w.]*(?:[.-](?:RELEASE|Final|GA|SNAPSHOT|[A-Za-z]*\d[\w.]*))*)\.jar$")
_CLASSIFIER = late(r"-(sources|javadoc|tests?|linux|windows|osx|macos|native|shaded|all|jdk\d+|android)(-|\.|$)")
_POM = late(r"(^|/)META-INF/maven/[^/]+/[^/]+/pom\.properties$")
_METADATA = late(r"(^|/)[^/]+\.(dist-info/METADATA|egg-info/PKG-INFO)$|(^|/)EGG-INFO/PKG-INFO$")
_CONTROL = late(r"(^|/)DEBIAN/control$")
_RPM = late(r"(^|/)RPM/control$")
_NPM = late(r"(^|/)node_modules/(@[^/]+/)?[^/]+/package\.json$")
_ENDINGS = (".jar", "METADATA", "PKG-INFO", "/control", "package.json")
MAX_SIZE = 1 << 20


class Library(NamedTuple):
    """One library that is inside."""

    kind: str
    """jar, python, npm, deb, rpm."""
    name: str
    version: str
    place: str
    """Of the archive itself where it is one, else of its metadata."""
    folder: str
    """Libraries of one kind in one folder are loaded together."""
    own: bool
    """False for one that lies inside another library: shaded, bundled."""

    @property
    def said(self) -> str:
        """Name and version, as findings say them."""
        return f"{self.name} {self.version}"


def plain(name: str) -> str:
    """A name as ecosystems compare them: lower case, runs of ``-``, ``_`` and ``.`` as one hyphen."""
    return re.sub(r"[-_.]+", "-", name).lower()


def libraries(context: Context) -> list[Library]:
    """Every library, in order of place."""
    return memo(context, "libraries", lambda: list(_libraries(context)))


def _libraries(context: Context) -> Iterator[Library]:
    poms: dict[str, list[Entry]] = {}
    for entry in context.ending("pom.properties"):
        if _POM.search(entry.place):
            poms.setdefault(entry.place.rpartition("!/")[0], []).append(entry)
    named = set()
    for entry in context.ending(*_ENDINGS):
        inner = entry.place.rpartition("!/")[2]
        if inner.endswith(".jar"):
            named.add(entry.place)
            yield from _jar(context, entry, poms.get(entry.place, []))
        elif entry.size > MAX_SIZE:
            continue
        elif _METADATA.search(inner):
            yield from _headers(context, entry, "python", "Name", _python_folder(entry.place))
        elif _CONTROL.search(inner) or _RPM.search(inner):
            kind, name = ("deb", "Package") if _CONTROL.search(inner) else ("rpm", "Name")
            yield from _headers(context, entry, kind, name, entry.place.rpartition("!/")[0].rpartition("/")[0])
        elif _NPM.search(inner):
            yield from _npm(context, entry)
    for archive, entries in poms.items():
        if archive not in named:
            for entry in entries:
                yield from _pom(context, entry, entry.place, archive, own=False)


def _python_folder(place: str) -> str:
    """Around the metadata; of a wheel itself, the folder that it lies in: pip finds wheels side by side."""
    around = place.rpartition("/")[0].rpartition("/")[0]
    return around.removesuffix("!").rpartition("/")[0] if around.endswith(".whl!") else around


def _jar(context: Context, entry: Entry, poms: list[Entry]) -> Iterator[Library]:
    """By its coordinates when it has exactly one set of them (several: shaded), else by its file name."""
    folder, own = entry.place.rpartition("/")[0], not re.search(r"\.(jar|whl)!/", entry.place)
    base = entry.place.rpartition("/")[2]
    match = _JAR.search(f"/{base}")
    if match and not _CLASSIFIER.search(base):
        yield Library("jar", match[1], match[2], entry.place, folder, own)
        return
    if len(poms) == 1 and not _CLASSIFIER.search(base):
        yield from _pom(context, poms[0], entry.place, folder, own=own)


def _pom(context: Context, entry: Entry, place: str, folder: str, *, own: bool) -> Iterator[Library]:
    pairs = dict(line.strip().split("=", 1) for line in (context.text(entry) or "").splitlines() if "=" in line)
    if "artifactId" in pairs and "version" in pairs:
        yield Library("jar", pairs["artifactId"], pairs["version"], place, folder, own)


def _headers(context: Context, entry: Entry, kind: str, name: str, folder: str) -> Iterator[Library]:
    found: dict[str, str] = {}
    for line in (context.text(entry) or "").splitlines():
        if not line.strip():
            break
        key, colon, value = line.partition(":")
        if colon and not line[:1].isspace():
            found.setdefault(key, value.strip())
    version = found.get("Version", "")
    if kind == "rpm":
        version = (f"{found['Epoch']}:" if found.get("Epoch") else "") + f"{version}-{found.get('Release', '')}"
    if name in found and version:
        own = not re.search(r"\.(jar|whl)!/|(^|/)_?vendor(ed)?/", entry.place.rpartition(".whl!/")[2])
        yield Library(kind, found[name], version, entry.place, folder, own)


def _npm(context: Context, entry: Entry) -> Iterator[Library]:
    try:
        document = json.loads(context.text(entry) or "")
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict) and isinstance(document.get("name"), str) and isinstance(document.get("version"), str):
        folder = entry.place.rpartition("/node_modules/")[0]
        yield Library("npm", document["name"], document["version"], entry.place, folder, own=True)
