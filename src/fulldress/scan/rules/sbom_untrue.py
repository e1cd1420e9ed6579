"""The bill of materials speaks of other components than those inside.

## What it does
Reads CycloneDX and SPDX documents (JSON) in the package and compares them with the libraries that are really there: JARs and
their Maven coordinates, Python and npm packages, Debian packages, and files by their digests. Reports versions that
contradict, digests that fit no object, and how many libraries no line names.

## Why it matters
Vulnerabilities are looked up by the bill of materials. A library that is older than it says is never found; one that is not
named at all is nobody's.

## Example
```
sbom.cdx.json says log4j-core 2.24.1, lib/log4j-core-2.14.1.jar is inside
```

## Fix
Ask the vendor for a bill made from the build itself, and look the real versions up.

## References
- CycloneDX 1.6, SPDX 2.3; NTIA minimum elements
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from fulldress.formats.late import late
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.libraries import Library, libraries, plain
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="sbom-untrue",
    family="provenance",
    title="The bill of materials does not fit what is inside",
    severity="medium",
    confidence="likely",
)
_NAME = late(r"(?i)(^|[/!])([^/]*\.(cdx|spdx)\.json|bom\.json|[^/]*sbom[^/]*\.json|[^/]*\.cyclonedx\.json)$")
MAX_SIZE = 8 << 20
MOST_NAMED = 10_000


class _Part(NamedTuple):
    """One component as the bill has it."""

    name: str
    version: str
    sha256: str
    is_file: bool


def check(context: Context) -> Iterator[Finding]:
    """Up to three findings a document."""
    for entry in context.ending(".json", ".JSON"):
        if not _NAME.search(entry.place) or entry.size > MAX_SIZE:
            continue
        parts = _parts(context.text(entry) or "")
        if parts:
            yield from _judged(context, entry, parts)


def _judged(context: Context, entry: Entry, parts: list[_Part]) -> Iterator[Finding]:
    root = _scope(entry.place)
    inside = [lib for lib in libraries(context) if lib.place.startswith(root)]
    said: dict[str, set[str]] = {}
    for part in parts:
        said.setdefault(plain(part.name), set()).add(part.version)
    wrong = [lib for lib in inside if lib.version and lib.version not in said.get(plain(lib.name), {lib.version})]
    if wrong:
        lib = wrong[0]
        claim = ", ".join(sorted(said[plain(lib.name)]))
        yield _finding(entry, "medium", f"it says {lib.name} {claim}, inside is {lib.version}", [w.said for w in wrong])
    digests = {e.sha256 for e in context.files}
    lost = [p for p in parts if p.is_file and p.sha256 and p.sha256 not in digests]
    here = any(context.entry(root + p.name.removeprefix("./")) is not None for p in lost[:MOST_NAMED])
    if lost and (here or any(p.sha256 in digests for p in parts)):
        yield _finding(entry, "medium", f"{lost[0].name} has a digest that nothing inside has", [p.name for p in lost])
    unnamed = _outer([lib for lib in inside if plain(lib.name) not in said])
    for_all = not root and ".dist-info/" not in entry.place  # a wheel's own bills speak of what was built into it
    if unnamed and (len(unnamed) < len(inside) or for_all):
        names = [u.said for u in unnamed]
        yield _finding(entry, "low", f"it does not name {len(unnamed)} of the {len(inside)} libraries inside", names)


def _scope(place: str) -> str:
    """A bill speaks of the archive that it lies in; inside a wheel or a JAR of that one alone."""
    return place[: place.rfind("!/") + 2] if "!/" in place else ""


def _outer(found: list[Library]) -> list[Library]:
    """Without libraries inside other libraries (shaded or bundled): their makers answer for these."""
    return [lib for lib in found if not re.search(r"\.(jar|whl)!/", lib.place)]


def _parts(text: str) -> list[_Part]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(document, dict):
        return []
    if document.get("bomFormat") == "CycloneDX":
        return list(_cyclonedx(document.get("components")))
    if str(document.get("spdxVersion", "")).startswith("SPDX-2"):
        return [*_spdx(document.get("packages"), False), *_spdx(document.get("files"), True)]
    return []


def _cyclonedx(components: Any, depth: int = 0) -> Iterator[_Part]:
    for item in components if isinstance(components, list) and depth < 6 else ():
        if not isinstance(item, dict):
            continue
        hashes = item.get("hashes")
        sums = [h for h in hashes if isinstance(h, dict)] if isinstance(hashes, list) else []
        sha256 = next((str(h.get("content", "")).lower() for h in sums if h.get("alg") == "SHA-256"), "")
        yield _Part(str(item.get("name", "")), str(item.get("version", "")), sha256, item.get("type") == "file")
        yield from _cyclonedx(item.get("components"), depth + 1)


def _spdx(items: Any, files: bool) -> Iterator[_Part]:
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            continue
        checks = item.get("checksums")
        sums = [c for c in checks if isinstance(c, dict)] if isinstance(checks, list) else []
        sha256 = next((str(c.get("checksumValue", "")).lower() for c in sums if c.get("algorithm") == "SHA256"), "")
        name = str(item.get("fileName" if files else "name", ""))
        yield _Part(name, str(item.get("versionInfo", "")), sha256, files)


def _finding(entry: Entry, severity: Severity, title: str, names: list[str]) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"{entry.place.rpartition('/')[2]}: {title}",
        place=entry.place,
        excerpt="; ".join(names[:6]),
        consequence="Vulnerabilities are looked up for the wrong versions, or not at all.",
        fix="Ask the vendor for a bill made from this build; look up the versions that are really inside.",
    )


def _bom(*parts: dict[str, object]) -> str:
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(parts)})


def _spdx_of(name: str, version: str) -> str:
    return json.dumps({"spdxVersion": "SPDX-2.3", "packages": [{"name": name, "versionInfo": version}]})


_POM = "lib/a.jar!/META-INF/maven/g/log4j-core/pom.properties"
BAD = (
    {"sbom.json": _bom({"name": "log4j-core", "version": "2.24.1", "type": "library"}), "lib/log4j-core-2.14.1.jar": "x"},
    {"app.spdx.json": _spdx_of("log4j-core", "2.24.1"), _POM: "artifactId=log4j-core\nversion=2.14.1\n"},
    {
        "bom.json": _bom(
            {"name": "a", "type": "file", "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(b"1").hexdigest()}]},
            {"name": "b", "type": "file", "hashes": [{"alg": "SHA-256", "content": "0" * 64}]},
        ),
        "a": "1",
    },
    {
        "bom.json": _bom({"name": "a.bin", "type": "file", "hashes": [{"alg": "SHA-256", "content": "0" * 64}]}),
        "a.bin": "2",
    },
    {"bom.json": _bom({"name": "other", "version": "1"}), "lib/a-1.jar": "x"},
    {"bom.json": _bom({"name": "a", "version": "1"}), "lib/a-1.jar": "x", "lib/b-2.jar": "y"},
)
GOOD = (
    {"sbom.json": _bom({"name": "log4j-core", "version": "2.24.1"}), "lib/log4j-core-2.24.1.jar": "x"},
    {"sbom.json": _bom({"name": "Log4j_core", "version": "2.24.1"}), "lib/log4j-core-2.24.1.jar!/x/b-1.jar": "shaded"},
    {
        "a-1.dist-info/sboms/x.cdx.json": _bom({"name": "rust", "version": "1"}),
        "a-1.dist-info/METADATA": "Name: a\nVersion: 1\n",
    },
    {"bom.json": '{"components": "not a bill"}', "x.cdx.json": "{"},
)
