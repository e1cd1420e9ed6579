"""The manifest names dependencies without saying which versions fit.

## What it does
Reads JSON manifests and reports requirements with `*`, `~`, `latest`, an empty version, or a lower bound without an
upper one.

## Why it matters
The vendor has tested some version; the manifest lets any other through. A major version of a database or library that
nobody tried is found out in production.

## Example
```
{"req": {"postgresql": ">=9", "python3": "*", "libssl": "~"}}
```

## Fix
Ask the vendor which versions were tested. When the inventory knows exactly one installed version of each, `fulldress
adapt` pins those: they are what will be rehearsed.

## References
- Semantic Versioning 2.0.0; PEP 440
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.estate import Estate, HostFacts, InstalledPackage
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import Entry
from fulldress.scan.reading import MAX_PARSED, current_text, edited
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="loose-dependency-constraints",
    family="provenance",
    title="Dependencies without usable version bounds",
    severity="low",
    confidence="certain",
)
_KEYS = {"req", "reqs", "require", "requires", "requirements", "dependencies", "depends", "deps", "engines", "prerequisites"}
_STATED = Pattern(rf'(?i)"({"|".join(sorted(_KEYS))})"\s{{0,200}}:\s{{0,200}}\{{', once=True)
LOOKS_FOR = (_STATED,)
_LOOSE = late(r"^\s*(|\*|~|\^|x|latest|any|>=?\s*[\w.+~-]+)\s*$")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each manifest of the package itself; those of the extensions that it brings along lie deeper."""
    stated = context.matching(_STATED, among=lambda e: e.place.endswith(".json"))
    own = min((entry.place.count("/") for entry in stated), default=0)
    for entry in stated:
        if entry.place.count("/") > own:
            continue
        text = context.text(entry) or ""
        loose = _loose_in(entry, text)
        if loose:
            listed = ", ".join(f"{name} “{version}”" for name, version in loose.items())
            yield Finding(
                rule=META.slug,
                severity=META.severity,
                confidence=META.confidence,
                title=f"{len(loose)} of the requirements in {entry.place.rpartition('/')[2]} fit almost any version",
                place=entry.place,
                line=_line(text, next((n for n, v in loose.items() if not re.search(r"\d", v)), next(iter(loose)))),
                excerpt=listed,
                consequence="Versions that the vendor never tried count as supported.",
                fix="Ask which versions were tested; rehearse with the ones that production has.",
                curable=_pins(context.estate, loose) is not None,
            )


def _loose_in(entry: Entry, text: str) -> dict[str, str]:
    if len(text) > MAX_PARSED or "node_modules/" in entry.place:
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return dict(_loose(document, 0))


def _loose(node: Any, depth: int) -> Iterator[tuple[str, str]]:
    if not isinstance(node, dict) or depth > 8:
        return
    for key, value in node.items():
        if key.lower() in _KEYS and isinstance(value, dict):
            yield from ((n, v) for n, v in value.items() if isinstance(v, str) and _LOOSE.match(v))
        else:
            yield from _loose(value, depth + 1)


def _line(text: str, name: str) -> int:
    at = text.find(json.dumps(name))
    return text.count("\n", 0, at) + 1 if at >= 0 else 0


def _pins(estate: Estate | None, loose: dict[str, str]) -> dict[str, str] | None:
    """Name -> the one installed version; None unless there is exactly one for every name."""
    if estate is None:
        return None
    pins: dict[str, str] = {}
    installed = [(p.name.partition(":")[0], p.version) for h in estate.hosts for p in h.packages]  # libssl3:amd64
    for name in loose:
        pattern = re.compile(rf"{re.escape(name)}(-?\d+(\.\d+)*)?$")
        exact = {version for known, version in installed if known == name}
        versions = exact or {version for known, version in installed if pattern.match(known)}
        if len(versions) != 1:
            return None
        pins[name] = versions.pop()
    return pins


def cure(context: Context, finding: Finding) -> Cure | None:
    """Pin each loose requirement to the one version that the estate has installed."""
    entry, text = context.entry(finding.place), current_text(context, finding.place)
    if entry is None or text is None:
        return None
    loose = _loose_in(entry, text)
    pins = _pins(context.estate, loose)
    if not loose or pins is None:
        return None
    for name, version in pins.items():
        was, now = json.dumps(loose[name], ensure_ascii=False), json.dumps(f"={version}")
        stated = re.search(rf"{re.escape(json.dumps(name))}\s*:\s*({re.escape(was)})", text)
        if stated is not None:
            text = text[: stated.start(1)] + now + text[stated.end(1) :]
    return edited(finding.place, text, "requirements pinned to the versions that the estate has installed")


ESTATE = Estate(
    taken="2026-10-01T00:00:00Z",
    hosts=(
        HostFacts(
            name="machine:x",
            hostname="x",
            os="debian",
            os_version="12",
            packages=(
                InstalledPackage(name="postgresql-15", version="15.10-0"),
                InstalledPackage(name="python3", version="3.11.2-1"),
                InstalledPackage(name="libssl3:amd64", version="3.0.15-1"),
            ),
        ),
    ),
)
BAD = (
    {"manifest.json": '{"pkg":"a","req":{"postgresql":">=9","python3":"*","libssl":"~"}}\n'},
    Sample(files={"manifest.json": '{"pkg":"a",\n"req":{"postgresql":">=9","python3":"*","libssl":"~"}}\n'}, estate=ESTATE),
)
GOOD = (
    {"manifest.json": '{"req":{"postgresql":">=15,<16","python3":"=3.11.2","a":"^1.2.3"},"b":"*"}\n'},
    {"broken.json": '{"req": {'},
)
