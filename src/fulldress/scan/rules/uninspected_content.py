"""Parts of the package could not be looked into.

## What it does
Reports what `fulldress intake` lists as not inspected: encrypted members, unknown compression, formats it cannot
open, limits that were reached. One finding a reason. Scripts whose commands are too many or too tangled to be read to the
end are one finding more.

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

from fulldress.formats.patterns import MAX_HITS, Pattern
from fulldress.formats.shell import MAX_OPEN
from fulldress.model.finding import Finding
from fulldress.model.package import LIMIT, NotInspected
from fulldress.scan.places import is_test, standing
from fulldress.scan.reading import MAX_PARSED, SHEBANG, unread_scripts
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="uninspected-content",
    family="archive",
    title="Content that could not be looked into",
    severity="medium",
    confidence="certain",
)
_SCRIPT = Pattern(r"\A#![^\n]{1,200}\n", once=True)
_ARCHIVE = Pattern(
    r"\n(\x1f\x8b\x08[\x00-\x1f]|\xfd7zXZ\x00|BZh[1-9]1AY&SY|\x28\xb5\x2f\xfd|PK\x03\x04|7z\xbc\xaf\x27\x1c|\x89LZO\x00)",
    once=True,
)
"""The beginning of an archive at the beginning of a line: what self-extracting scripts carry behind themselves."""
_ENCRYPTED = Pattern(
    r"\A(age-encryption\.org/v\d|Salted__|LUKS\xba\xbe|-----BEGIN (PGP MESSAGE|AGE ENCRYPTED FILE)-----)", once=True
)
_BY_NAME = (".gpg", ".pgp")
_SESSION_KEY = b"\x84\x85\x8c\xc1\xc3"
"""How a binary message begins that is encrypted to a key or a password (OpenPGP); a keyring begins otherwise."""
LOOKS_FOR = (_SCRIPT, _ARCHIVE, SHEBANG, _ENCRYPTED)


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
            severity="high" if reason.startswith((LIMIT, "encrypted")) else META.severity,
            confidence=META.confidence,
            title=f"{many} of {size:,} bytes not inspected: {reason}",
            place=parts[0].place,
            excerpt="; ".join(p.place for p in parts[:6]),
            consequence="Nothing is known about it, and no other rule has seen it.",
            fix="Ask the vendor for a form that can be read, or accept it by a waiver.",
        )
    yield from _unread(context)
    yield from _encrypted(context)
    carrying = {entry.place for entry in context.matching(_ARCHIVE)}
    for entry in context.matching(_SCRIPT):
        if entry.place in carrying and entry.kind == "file":
            yield Finding(
                rule=META.slug,
                severity="high",
                confidence="likely",
                title=f"{entry.place.rpartition('/')[2]} is a script with an archive behind it, which was not opened",
                place=entry.place,
                consequence="What it unpacks and runs is known to nobody, and no other rule has seen it.",
                fix="Unpack it without running it (--noexec --target DIR, where it knows that), and scan what comes out.",
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


def _encrypted(context: Context) -> Iterator[Finding]:
    """Files that somebody with a key can read, and nobody who judges the package."""
    found = {e.place: e for e in context.matching(_ENCRYPTED)}
    found |= {e.place: e for e in context.ending(*_BY_NAME) if e.size and context.head(e, 1) in _SESSION_KEY}
    files = [p for p, e in found.items() if e.kind == "file" and e.size and not is_test(p)]
    closed = sorted(p for p in files if standing(p) in ("acting", "silent"))
    more = f", and {len(closed) - 1} more" if len(closed) > 1 else ""
    if closed:
        yield Finding(
            rule=META.slug,
            severity=META.severity,
            confidence=META.confidence,
            title=f"{closed[0].rpartition('/')[2]} is encrypted{more}",
            place=closed[0],
            excerpt="; ".join(closed[:6]),
            consequence="Nothing is known about it, and no other rule has seen it.",
            fix="Ask the vendor what it is and who opens it, or for a form that can be read.",
        )


def _unread(context: Context) -> Iterator[Finding]:
    """Scripts that are too long or too tangled for the parser: rules about commands have not seen all of theirs."""
    carrying = {entry.place for entry in context.matching(_ARCHIVE)}
    cut = [(entry, rest) for entry, rest in unread_scripts(context) if entry.place not in carrying]
    if cut:
        yield Finding(
            rule=META.slug,
            severity=META.severity,
            confidence=META.confidence,
            title=f"{len(cut)} script{'s' * (len(cut) > 1)} whose commands were not read to the end",
            place=cut[0][0].place,
            excerpt="; ".join(f"{entry.place} ({rest:,} bytes)" for entry, rest in cut[:6]),
            consequence="It is too long or too tangled for the parser: what it runs from there on is not known.",
            fix="Read it by hand, or ask the vendor for a script that does one thing.",
        )


BAD = (
    {"conf/app.conf.age": "age-encryption.org/v1\n-> X25519 x\n"},
    {"conf/db.pgp": b"\x85\x01\x0c\x03abc"},
    Sample(files={"install.sh": "#!/bin/sh\n" + "cat <<E\nx\nE\n" * (MAX_OPEN + 1) + "rm -rf /data\n"}),
    Sample(files={"install.sh": "#!/bin/sh\n" + "echo one more line\n" * (MAX_PARSED // 18)}),
    Sample(files={"a.run": b"#!/bin/sh\ntail -n +4 $0 | tar xz\nexit 0\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\x00"}),
    Sample(
        files={"a.txt": "x"},
        not_inspected=(NotInspected(place="b.7z", size=12, reason="no reader for 7z"),),
    ),
)
GOOD = (Sample(files={"a.txt": "x"}), Sample(files={"a.run": b"#!/bin/sh\ntail -n +4 $0 | tar xz\nexit 0\n"}))
