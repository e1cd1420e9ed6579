"""A secret is encoded: base64, hex, gzip, URL-encoding, or a Kubernetes Secret.

## What it does
Decodes where something encoded may hold a secret (Kubernetes Secrets, `base64 -d`, the words for passwords and keys as
base64 or hex, gzip in base64, `Authorization: Basic`) and looks into the result, up to three layers deep.
Hashes, images and sealed secrets decode to nothing that can be read.

## Why it matters
Encoding hides a secret from reviewers, not from anyone who wants it.

## Example
```
data:
  password: R2VoZWltLTIwMjQ=
```

## Fix
Rotate it. Keep it in the cluster's or host's secret store and refer to it; encrypted forms (sealed secrets, SOPS) may stay.

## References
- CWE-261 Weak Encoding for Password; CWE-798
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import layers
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.anytext import secrets_of
from fulldress.scan.credentials.credentialfiles import is_whole
from fulldress.scan.credentials.secretreport import Spot, findings, severity_of
from fulldress.scan.places import standing
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="secret-encoded",
    family="secret",
    title="Encoded secret",
    severity="high",
    confidence="certain",
)
_SECRET = Pattern(r"^\s{0,8}[\"']?kind[\"']?\s{0,4}:\s{0,4}[\"']?Secret\b")
_HINTS = tuple(Pattern(regex) for regex in layers.HINTS)
LOOKS_FOR = (_SECRET, *_HINTS)
MAX_MANIFEST = 1 << 20
MAX_DECODED = 8 << 20
"""Characters that are looked through in a whole package, all layers together."""
MAX_BLOCK = 1000
"""Lines of a block above and below a hit."""
_CODED = late(r"[ \t]*(?:[A-Za-z0-9+/_-]{40,}|(?:[0-9a-fA-F]{2}){20,})[ \t\r]*")
_CODED_END = late(r"[ \t]*[A-Za-z0-9+/_-]+={0,2}[ \t\r]*")
"""A whole line of a block, and one that may be its last."""
_DATA = late(r"""^(\s*)["']?(data|stringData)["']?\s*:\s*\{?\s*$""")
_ITEM = late(r"""^(\s*)["']?([\w.-]+)["']?\s*:\s*["']?([^"'\s,}]+)["']?\s*,?\s*$""")
_BASIC = late(r"(?i)basic\s+([A-Za-z0-9+/]{8,}={0,2})")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each line with something encoded, or one for the file."""
    found: dict[str, dict[int, Spot]] = {}
    for entry in context.matching(_SECRET):
        text = context.text(entry) if entry.size <= MAX_MANIFEST and _weighs(entry) else None
        for number, name in _manifest(text) if text is not None else ():
            _add(found, entry, number, f"{name} of a Kubernetes Secret", f"{name}: {secrets.HIDDEN}")
    budget = layers.Budget(MAX_DECODED)
    blocks = _Blocks(context)
    for line in context.lines(*_HINTS):
        if not _weighs(line.entry) or "sourceMappingURL=" in line.text:
            continue
        number, text = blocks.around(line.entry, line.number, line.text)
        for what in _decoded(text, budget) if text else ():
            _add(found, line.entry, number, f"{what}, encoded,", f"{what}: {secrets.HIDDEN}")
    for place, spots in found.items():
        yield from findings(META.slug, place, [spots[n] for n in sorted(spots)])
    if budget.over:
        yield _left()


def _left() -> Finding:
    return Finding(
        rule=META.slug,
        severity="low",
        confidence=META.confidence,
        title="the package holds more encoded text than is decoded here",
        place="",
        excerpt=f"{MAX_DECODED:,} characters were decoded",
        consequence="A secret in the rest of it was not seen.",
        fix="Ask the vendor what is encoded there, and why.",
    )


class _Blocks:
    """Encoded text that goes over many lines, as it was before it was cut; each block once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._of = ""
        self._lines: list[str] = []
        self._told: set[int] = set()

    def around(self, entry: Entry, number: int, line: str) -> tuple[int, str]:
        """The number of the first line, and the text of the whole block; no text for a block that was given before."""
        if _CODED.fullmatch(line) is None:
            return number, line
        if self._of != entry.place:
            self._of, self._told = entry.place, set()
            self._lines = (self._context.text(entry) or "").split("\n")
        at = number - 1
        if not (at < len(self._lines) and self._lines[at].strip() == line.strip()):
            return number, line  # a text too large to be read whole
        first, last = at, at + 1
        while first > 0 and at - first < MAX_BLOCK and _CODED.fullmatch(self._lines[first - 1]):
            first -= 1
        while last < len(self._lines) and last - at < MAX_BLOCK and _CODED_END.fullmatch(self._lines[last]):
            last += 1
        if first in self._told:
            return number, ""
        self._told.add(first)
        return first + 1, "".join(part.strip() for part in self._lines[first:last])


def _weighs(entry: Entry) -> bool:
    return standing(entry.place) in ("acting", "example") and not is_whole(entry.place)


def _add(found: dict[str, dict[int, Spot]], entry: Entry, line: int, what: str, shown: str) -> None:
    severity = severity_of("real", standing(entry.place))
    if severity is not None:
        found.setdefault(entry.place, {}).setdefault(line, Spot(line, what, shown, severity, META.confidence))


def _manifest(text: str) -> Iterator[tuple[int, str]]:
    """(line, key) of the secrets in every Secret of a manifest."""
    kind, inside, indent = "", "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("---"):
            kind, inside = "", ""
        if (named := re.match(r"""\s*["']?kind["']?\s*:\s*["']?(\w+)""", line)) is not None:
            kind = named[1]
        head, item = _DATA.match(line), _ITEM.match(line)
        if head is not None:
            inside, indent = head[2], len(head[1])
        elif inside and line.strip() and len(line) - len(line.lstrip()) <= indent:
            inside = ""
        elif inside and item is not None and kind in ("Secret", "") and _is_secret(inside, item[2], item[3]):
            yield number, item[2]


def _is_secret(kind: str, key: str, value: str) -> bool:
    text = layers.readable(layers.decoded(value)) if kind == "data" else value
    if not text:
        return False
    if secrets.is_secret_key(key) and secrets.worth(text.strip()):
        return True
    inner = layers.unwrapped(text, layers.MAX_DEPTH - 1 if kind == "data" else layers.MAX_DEPTH)
    return any(True for found in (text, *inner) for _ in secrets_of(found))


def _decoded(line: str, budget: layers.Budget) -> Iterator[str]:
    """What is in a line once it is decoded; the worst first."""
    for match in _BASIC.finditer(line):
        user, colon, word = layers.readable(layers.decoded(match[1])).partition(":")
        if colon and user and secrets.worth(word) == "real":
            yield "a password for basic authentication"
            return
    for text in layers.unwrapped(line, budget=budget):
        for what, _value in secrets_of(text):
            yield what
            return


def _b64(text: str) -> str:
    import base64  # noqa: PLC0415 - loaded when needed: only samples are encoded here

    return base64.b64encode(text.encode()).decode()


_GZIPPED = (  # five settings and a password
    "H4sIAAAAAAACA02MOw7CMBAFe9+FKPEnzhY+BBIV3Vu8Dkg2WNgSOX4oUEQ7o5kmvT+e64Bc7wjkzU3YpBRV+wmWjqCnhZ0mtjj4"
    "ilIQBE7YzRPsIaLkb+GJQFjGv5PUFshi1MlYzCryUNHa5/WO4brR6Vyszv1SvdoBwa5juZQAAAA="
)
BAD = (
    {"conf/x.env": "DSN=postgresql%3A%2F%2Fapp%3A7Qm2xV9kRt4LpZs8%40db.lab.internal%2Fapp\n"},
    {"k8s/s.yaml": f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\ndata:\n  password: {_b64('geheim1')}\n"},
    {"k8s/s.yaml": "kind: Service\n---\nkind: Secret\nstringData:\n  DB_PASSWORD: geheim1\n"},
    {"bin/a.sh": f"#!/bin/sh\necho {_b64('curl -u svc:geheim1 https://h.partner.example/' + chr(10))} | base64 -d | sh\n"},
    {"conf/a.json": f'{{"blob": "{_b64(_b64("db.password=geheim1"))}", "x": "{_b64("db.password=geheim1")}"}}\n'},
    {"app/a.py": f'headers = {{"Authorization": "Basic {_b64("svc:geheim1")}"}}\n'},
    {"conf/a.conf": "x=" + b"password=geheim1".hex() + "\n"},
    {"conf/b.conf": "q=user%3Dapp%26password%3Dgeheim1\n"},
    {"conf/c.conf": f"x={_b64(_b64(_b64('db.password=geheim1')))}\n"},
    {"conf/d.conf": f"x={_b64('db.password=geheim1').encode().hex()}\n"},
    {"k8s/s.yaml": f"kind: Secret\ndata:\n  tls: {_b64(_b64('-----BEGIN PRIVATE KEY-----' + chr(10) + 'MC4CAQAw' * 8))}\n"},
    {"k8s/helm.yaml": f"kind: Secret\ndata:\n  release: {_b64(_GZIPPED)}\n"},
    {"ci/user-data.yaml": f"- content: |\n    {_GZIPPED[:60]}\n    {_GZIPPED[60:120]}\n    {_GZIPPED[120:]}\n"},
)
GOOD = (
    {"conf/x.env": "NEXT=https%3A%2F%2Fportal.lab.internal%3A8443%2Fin%3Fto%3Dimp%40lab.internal\n"},
    {"k8s/s.yaml": f"kind: Secret\ndata:\n  username: {_b64('app')}\n  password: {_b64('${DB_PASSWORD}')}\n"},
    {"k8s/s.yaml": "kind: SealedSecret\nspec:\n  encryptedData:\n    password: AgBy3i4OJSWK+PiTySYZZA9rO43cGDEq\n"},
    {"package-lock.json": '{"integrity": "sha512-cGFzc3dvcmQhcGFzc3dvcmQhcGFzc3dvcmQhcGFzc3dvcmQh=="}\n'},
    {"bin/a.sh": f"#!/bin/sh\necho {_b64('echo hello world, this is fine')} | base64 -d\n"},
    {"app/a.py": f'WORDS = "{_b64("password is required for this")}"\n'},
)
