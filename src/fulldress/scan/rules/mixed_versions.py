"""Two versions of one library lie side by side.

## What it does
Groups the libraries of each folder by their name (JARs by file name and Maven coordinates, Python packages by their
metadata) and reports those of which there are two versions. A library inside another one does not count.

## Why it matters
Which of the two is loaded depends on the order of a directory or of a class path: the same package behaves differently
from one host to the next. Often one of them is the old version that an upgrade should have taken away.

## Example
```
lib/commons-text-1.9.jar
lib/commons-text-1.13.jar
```

## Fix
Ask the vendor which one is meant, and take the other out of the package and of the hosts.

## References
- JVM class path: the first class found wins; PEP 376
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Finding
from fulldress.scan.libraries import Library, libraries, plain
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="mixed-versions",
    family="archive",
    title="Two versions of one library side by side",
    severity="medium",
    confidence="likely",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding a library and folder."""
    groups: dict[tuple[str, str, str], dict[str, Library]] = {}
    for lib in libraries(context):
        if lib.version and lib.own:
            groups.setdefault((lib.folder, lib.kind, plain(lib.name)), {}).setdefault(lib.version, lib)
    for found in groups.values():
        if len(found) < 2:
            continue
        first = min(found.values(), key=lambda lib: lib.place)
        yield Finding(
            rule=META.slug,
            severity=META.severity,
            confidence=META.confidence,
            title=f"{first.name} is there in {len(found)} versions: {', '.join(sorted(found))}",
            place=first.place,
            excerpt="; ".join(lib.place for lib in sorted(found.values(), key=lambda lib: lib.place)[:6]),
            consequence="Which of them is loaded depends on the order of a folder, and may differ from host to host.",
            fix="Ask the vendor which is meant; take the other out of the package and off the hosts.",
        )


BAD = (
    {"lib/commons-text-1.9.jar": "x", "lib/commons-text-1.13.jar": "y"},
    {"p/a-1.0.dist-info/METADATA": "Name: a\nVersion: 1.0\n", "p/a-1.1.dist-info/METADATA": "Name: a\nVersion: 1.1\n"},
    {f"w/a-{v}.whl!/a-{v}.dist-info/METADATA": f"Name: a\nVersion: {v}\n" for v in ("1.0", "1.1")},
)
GOOD = (
    {"lib/commons-text-1.9.jar": "x", "other/commons-text-1.13.jar": "y"},
    {"lib/commons-text-1.9.jar": "x", "lib/commons-text-1.9-sources.jar": "y", "lib/commons-io-2.1.jar": "z"},
    {"lib/netty-4.1.jar": "x", "lib/netty-4.1-linux-x86_64.jar": "y"},
)
