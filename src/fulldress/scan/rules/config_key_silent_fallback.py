"""A key that the product falls back on without a word has a name or value that the product will not understand.

## What it does
Holds the configuration files of the hosts and of the package against the matrix, for keys marked `silent-fallback`: a value
outside the key's type, range or values, and a name that is almost, but not quite, the key's.

## Why it matters
The product starts, reports success and does something else: the mistake shows in the data of the following days.

## Example
```
[hybrid]
mode = active-activ     ; the product knows active-active, and falls back to read-only
```

## Fix
Write the key and value as the matrix names them; `fulldress adapt` drafts it where only one can have been meant. Check the
effective setting after the start.

## References
- none
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.estate import ConfigKey, Estate, HostFacts, MatrixRow
from fulldress.model.finding import Cure, Finding
from fulldress.scan.rule import Context, RuleMeta, Sample
from fulldress.scan.settings import configkeys
from fulldress.scan.settings.configuration import set_key

META = RuleMeta(
    slug="config-key-silent-fallback",
    family="configuration",
    title="Configuration is not understood, and the product falls back silently",
    severity="high",
    confidence="certain",
    needs=("matrix",),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each misunderstood setting of a key with a silent fallback."""
    for problem in configkeys.unanswered(context):
        row, entry = problem.row, problem.source.entry
        if row is None or not row.silent_fallback or problem.kind == "duplicate":
            continue
        said = row.consequence.rstrip(".")
        meant = f"{row.key} = …" if problem.kind == "unknown" else f"{row.key} = {problem.meant or _allowed(row)}"
        yield Finding(
            rule=META.slug,
            severity=META.severity,
            confidence="certain" if problem.kind == "value" else "likely",
            title=f"{problem.key.key} in {problem.source.file} will be ignored without a word: {problem.why}",
            place=entry.place if entry else "",
            line=problem.key.line if entry else 0,
            excerpt=configkeys.excerpt(problem),
            consequence=f"The product starts and silently falls back{': ' + said if said else ''}.",
            fix=f"Write {meant}, and check the effective setting after the start.",
            curable=configkeys.curable(problem),
        )


def _allowed(row: MatrixRow) -> str:
    return " or ".join(row.values) or " ".join(part for part in (row.type, row.range) if part)


def cure(context: Context, finding: Finding) -> Cure | None:
    """Write the key or value that was meant."""
    return configkeys.cured(context, finding)


def _estate(*keys: tuple[str, str]) -> Estate:
    config = tuple(ConfigKey(file="/etc/app/app.conf", key=k, value=v, line=n) for n, (k, v) in enumerate(keys, 1))
    return Estate(
        taken="2026-10-01T00:00:00Z", hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", config=config),)
    )


_MODE = MatrixRow(
    product="app", key="hybrid.mode", change="known", since="0", values=("active-active", "read-only"), silent_fallback=True,
    consequence="every result is refused",
)  # fmt: skip
_POOLS = MatrixRow(product="app", key="pool.*.mode", change="known", since="0", values=("a", "b"), silent_fallback=True)
_PLAIN = MatrixRow(product="app", key="http.mode", change="known", since="0", values=("a", "b"))

BAD = (
    Sample(files={"R": "x"}, impacts=(), matrix=(_POOLS,), estate=_estate(("pool.0.mode", "a"), ("pool.1.mode", "c"))),
    Sample(files={"R": "x"}, impacts=(), matrix=(_MODE,), estate=_estate(("hybrid.mode", "active-activ"))),
    Sample(files={"R": "x"}, impacts=(), matrix=(_MODE,), estate=_estate(("hybrid.mode", "both"))),
    Sample(files={"R": "x"}, impacts=(), matrix=(_MODE,), estate=_estate(("hybrid.modes", "active-active"))),
    Sample(
        files={"rootfs/etc/app/app.conf": "[hybrid]\nmode = active-activ\n"},
        impacts=(),
        matrix=(_MODE,),
    ),
)
GOOD = (
    Sample(files={"R": "x"}, impacts=(), matrix=(_MODE,), estate=_estate(("hybrid.mode", "Active-Active"))),
    Sample(files={"R": "x"}, impacts=(), matrix=(_MODE,), estate=_estate(("hybrid.mode", "${MODE}"))),
    Sample(files={"R": "x"}, impacts=(), matrix=(_PLAIN,), estate=_estate(("http.mode", "c"))),
    Sample(
        files={"R": "x"}, impacts=(), matrix=(_MODE,), estate=_estate(("hybrid.mode", "read-only"), ("hybrid.modes", "x"))
    ),
    Sample(
        files={"rootfs/etc/app/app.conf": "[hybrid]\n; mode = active-activ\nmode = read-only\n"}, impacts=(), matrix=(_MODE,)
    ),
    Sample(
        files={"R": "x"},
        impacts=(),
        matrix=(_MODE,),
        estate=_estate(("hybrid.mode", "active-activ")),
        drafted=(set_key("/etc/app/app.conf", "hybrid.mode", "active-active"),),
    ),
)
