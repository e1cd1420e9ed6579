"""Parts of the package could not be looked into.

## What it does
Reports what `fulldress intake` lists as not inspected: encrypted members, unknown compression, formats it cannot
open, limits that were reached. One finding a reason.

## Why it matters
Every other rule is silent about these bytes, and silence is not coverage.

## Example
```
data/blob.7z: 12 MiB, no reader for this format
```

## Fix
Ask the vendor what it is and for a form that can be read; otherwise accept it by a waiver with a name and a reason.

## References
- APPNOTE.TXT 4.4.5 (compression methods), 4.4.4 (encryption)
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.patterns import MAX_HITS
from fulldress.model.finding import Finding
from fulldress.model.package import LIMIT, NotInspected
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="uninspected-content",
    family="archive",
    title="Content that could not be looked into",
    severity="medium",
    confidence="certain",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each reason."""
    by_reason: dict[str, list[NotInspected]] = {}
    for part in context.package.not_inspected:
        by_reason.setdefault(part.reason, []).append(part)
    for reason, parts in by_reason.items():
        size = sum(p.size for p in parts)
        many = f"{len(parts)} parts" if len(parts) > 1 else "one part"
        yield Finding(
            rule=META.slug,
            severity="high" if reason.startswith(LIMIT) else META.severity,
            confidence=META.confidence,
            title=f"{many} of {size:,} bytes not inspected: {reason}",
            place=parts[0].place,
            excerpt="; ".join(p.place for p in parts[:6]),
            consequence="Nothing is known about it, and no other rule has seen it.",
            fix="Ask the vendor for a form that can be read, or accept it by a waiver.",
        )
    crowded = context.crowded()
    if crowded:
        places = "; ".join(entry.place for entry, _ in crowded[:6])
        yield Finding(
            rule=META.slug,
            severity="low",
            confidence=META.confidence,
            title=f"{sum(n for _, n in crowded):,} matches in {len(crowded)} of the files were too many to be judged",
            place=crowded[0][0].place,
            excerpt=places,
            consequence=f"Of each pattern the first {MAX_HITS:,} matches in a file were judged; the others are not known.",
            fix="Look at the file by hand: it is a log, a dump or data, and hardly belongs into a package.",
        )


BAD = (
    Sample(
        files={"a.txt": "x"},
        not_inspected=(NotInspected(place="b.7z", size=12, reason="no reader for 7z"),),
    ),
)
GOOD = (Sample(files={"a.txt": "x"}),)
