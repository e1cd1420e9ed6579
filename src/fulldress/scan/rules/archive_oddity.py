"""Archives that are unusual, and have one meaning only.

## What it does
Reports what was read with a remark: padding behind the end of a ZIP, its comments, bytes in the padding of a TAR, names
with backslashes for slashes, names that do not say their code page or are no UTF-8, volume labels and listings of
incremental backups in a TAR, shell scripts with an archive behind them. One finding for each archive and remark. What could
be read in two ways is refused before any rule runs.

## Why it matters
Tools differ in what they make of such an archive: a name with a backslash is a folder and a file for one, and a file with
an odd name for the next. The package is judged as it was read here; whoever unpacks it otherwise gets other names.

## Example
```
lib/client.zip: names with backslashes, which stand for slashes (214 of them)
```

## Fix
Ask the vendor to pack it with a current tool. `adapt` writes the archive anew without these oddities when it changes it;
names that are no UTF-8 keep their bytes.

## References
- APPNOTE.TXT 4.4.17.1 (slashes), appendix D (code pages); GNU tar manual, "Incremental Dumps"
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.selfextract import REMARK as SCRIPT_BEFORE
from fulldress.formats.tardump import REMARK as LISTINGS
from fulldress.formats.zipnames import BACKSLASHES
from fulldress.model.finding import Finding
from fulldress.model.package import Remark
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="archive-oddity",
    family="archive",
    title="Archive that is unusual, and was read",
    severity="info",
    confidence="certain",
)
_DIFFERS = (BACKSLASHES, LISTINGS)
"""With these, what lies on the disk afterwards depends on the tool."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each remark on an archive."""
    for remark in context.package.remarks:
        differs = remark.what in _DIFFERS
        many = f" ({remark.count} of them)" if remark.count > 1 else ""
        yield Finding(
            rule=META.slug,
            severity="low" if differs else META.severity,
            confidence=META.confidence,
            title=f"{remark.place.rpartition('/')[2] or 'The package'} has {remark.what}{many}",
            place=remark.example or remark.place,
            consequence="What lies on the disk afterwards depends on the tool that unpacks it."
            if differs
            else "It was read in its only meaning; other tools may show it otherwise.",
            fix="Read the script as well: it is the one that runs, as root."
            if remark.what == SCRIPT_BEFORE
            else "Ask the vendor to pack it with a current tool; until then unpack it as it was rehearsed.",
        )


BAD = (
    Sample(files={"a": "x"}, remarks=(Remark(place="", what=BACKSLASHES, count=2, example="a/b"),)),
    Sample(files={"a": "x"}, remarks=(Remark(place="lib/b.tar", what="a volume label"),)),
)
GOOD = (Sample(files={"a": "x"}),)
