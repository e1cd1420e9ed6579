"""A program runs code that it keeps encoded.

## What it does
Finds literals that are decoded and run at once: `eval(base64_decode("..."))`, `exec(base64.b64decode("..."))`,
`echo ... | base64 -d | sh`, `eval(atob("..."))`, `gzinflate(base64_decode(...))`. Minified libraries and tests do not count.

## Why it matters
Nobody reads it, no scanner sees it, and there is no honest reason for it in a package that is installed as root.

## Example
```
eval(base64_decode('c3lzdGVtKCJybSAtcmYgL3RtcC94Iik7'));
```

## Fix
Decode it without running it, read it, and ask the vendor why it is hidden.

## References
- CWE-506 Embedded Malicious Code; CWE-95
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan import secrets
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="code-hidden",
    family="privilege",
    title="Encoded code is run",
    severity="high",
    confidence="likely",
)
LOOKS_FOR = (
    Pattern(r"(base64_decode|b64decode|atob|decode64|unbase64|FromBase64String|gzinflate|str_rot13)\s{0,2}\("),
    Pattern(r"base64\s{1,4}(-d|-D|--decode)[^\n|]{0,80}\|"),
)
_DECODES = r"(?:base64_decode|(?:base64\.)?b64decode|atob|(?:Base64\.)?decode64|unbase64|gzinflate|gzuncompress|str_rot13)"
_RUNS = late(
    rf"\b(?:eval|exec|assert|create_function|Function|instance_eval|system|shell_exec|os\.system)\s*\(\s*"
    rf"(?:(?:zlib\.decompress|bytes|compile|str|gzinflate|gzuncompress|str_rot13|codecs\.decode)\s*\(\s*)*@?{_DECODES}\s*\("
    r"|base64\s+(?:-d|-D|--decode)\b[^\n|]{0,80}\|\s*(?:(?:sudo|gunzip|zcat|gzip\s+-d)\b[^|]*\|?\s*)*(?:ba|da|z|k)?sh\b"
    r"|base64\s+(?:-d|-D|--decode)\b[^\n|]{0,80}\|\s*(?:python3?|perl|php|node)\b"
)

_LITERAL = late(r"[A-Za-z0-9+/_-]{16,}={0,2}")
"""What is encoded may hold a secret: it is not shown."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each file."""
    told: set[str] = set()
    for entry, number, line in acting_lines(context, *LOOKS_FOR, among=lambda e: standing(e.place) == "acting"):
        place = entry.place
        if place in told or len(line) > 4000 or role(context, place) == "library" or not _RUNS.search(line):
            continue
        told.add(place)
        yield Finding(
            rule=META.slug,
            severity=META.severity,
            confidence=META.confidence,
            title=f"{place.rpartition('/')[2]} decodes code and runs it",
            place=place,
            line=number,
            excerpt=_LITERAL.sub("<encoded>", secrets.hidden(line.strip()))[:200],
            consequence="Nobody has read what it does; as root it does whatever it likes.",
            fix="Decode it without running it, read it, and ask the vendor why it is hidden.",
        )


BAD = (
    {"app/x.php": "<?php\neval(base64_decode('c3lzdGVtKCJpZCIpOw=='));\n"},
    {"setup.py": "import base64\nexec(base64.b64decode('cHJpbnQoMSk='))\n"},
    {"up.sh": "#!/bin/sh\nset -e\necho aWQK | base64 -d | sh\n"},
)
GOOD = (
    {"app/x.php": "<?php\n$x = base64_decode($row['photo']);\n// eval(base64_decode('aWQ='))\n"},
    {
        "app.py": "import base64\ndata = base64.b64decode(text)\n",
        "up.sh": "#!/bin/sh\nset -e\nbase64 -d key.b64 | openssl x\n",
    },
    {"tests/x.php": "<?php eval(base64_decode('aWQ='));\n"},
)
