"""A configuration file sets a key that the offered version does not know, twice, or to a value that it does not take.

## What it does
Holds the configuration files of the hosts and of the package against the matrix (`type`, `range`, `values`, `complete`):
unknown keys, keys set twice to different values, values of the wrong type or out of range. Keys with a silent fallback have
a rule of their own.

## Why it matters
At best the product refuses to start inside the window; at worst one of two values wins and nobody knows which.

## Example
```
[http]
port = 80800        ; no port
threads = 8
threads = 16        ; which?
```

## Fix
Write the value as the matrix describes it; `fulldress adapt` drafts it where only one can have been meant.

## References
- none
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.estate import ConfigKey, Estate, HostFacts, MatrixRow
from fulldress.model.finding import Cure, Finding, Severity
from fulldress.scan.rule import Context, RuleMeta, Sample
from fulldress.scan.settings import configkeys
from fulldress.scan.settings.configkeys import Problem

META = RuleMeta(
    slug="config-key-invalid",
    family="configuration",
    title="Configuration that the offered version does not take",
    severity="medium",
    confidence="likely",
    needs=("matrix",),
)
_SAID = {
    "unknown": "the offered version does not know",
    "duplicate": "is set twice:",
    "value": "has a value that the offered version does not take:",
}
_HAPPENS = {
    "unknown": "The product ignores the key, or refuses to start.",
    "duplicate": "Which of the two holds depends on the product's reader; the other is ignored.",
    "value": "The product refuses to start, or takes its default instead.",
}


def check(context: Context) -> Iterator[Finding]:
    """One finding for each setting that will not be understood; keys with a silent fallback apart."""
    for problem in configkeys.unanswered(context):
        if problem.row is not None and problem.row.silent_fallback and problem.kind != "duplicate":
            continue
        entry = problem.source.entry
        yield Finding(
            rule=META.slug,
            severity=_severity(problem),
            confidence="certain" if problem.kind == "value" else META.confidence,
            title=_title(problem),
            place=entry.place if entry else "",
            line=problem.key.line if entry else 0,
            excerpt=configkeys.excerpt(problem),
            consequence=_HAPPENS[problem.kind],
            fix=_fix(problem),
            curable=configkeys.curable(problem),
        )


def _severity(problem: Problem) -> Severity:
    return "low" if problem.kind == "duplicate" or (problem.kind == "unknown" and not problem.meant) else META.severity


def _title(problem: Problem) -> str:
    if problem.kind == "unknown":
        return f"the offered version does not know {problem.key.key}, which {problem.source.file} sets: {problem.why}"
    return f"{problem.key.key} in {problem.source.file} {_SAID[problem.kind]} {problem.why}"


def _fix(problem: Problem) -> str:
    if problem.kind == "duplicate":
        return "Keep the one that holds today, and remove the other."
    if problem.meant:
        return f"Write {problem.meant}."
    return "Remove it." if problem.kind == "unknown" else "Write a value that the matrix allows."


def cure(context: Context, finding: Finding) -> Cure | None:
    """Write the key or value that was meant."""
    return configkeys.cured(context, finding)


def _estate(*keys: tuple[str, str], file: str = "/etc/app/app.conf") -> Estate:
    config = tuple(ConfigKey(file=file, key=k, value=v, line=n) for n, (k, v) in enumerate(keys, 1))
    return Estate(
        taken="2026-10-01T00:00:00Z", hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", config=config),)
    )


def _known(key: str, *, type: str = "", range: str = "", values: tuple[str, ...] = (), complete: bool = False) -> MatrixRow:
    return MatrixRow(
        product="app", key=key, change="known", since="0", type=type, range=range, values=values, complete=complete
    )


_PORT, _THREADS = _known("http.port", type="port"), _known("http.threads", type="integer", range="1..64", complete=True)
_LEVEL = _known("log.level", values=("debug", "info", "warning"))
_ROWS = (_PORT, _THREADS, _LEVEL)

BAD = (
    Sample(files={"R": "x"}, impacts=(), matrix=_ROWS, estate=_estate(("http.port", "80800"))),
    Sample(files={"R": "x"}, impacts=(), matrix=_ROWS, estate=_estate(("http.threads", "many"))),
    Sample(files={"R": "x"}, impacts=(), matrix=_ROWS, estate=_estate(("http.threads", "65"))),
    Sample(files={"R": "x"}, impacts=(), matrix=_ROWS, estate=_estate(("http.threads", "8"), ("http.threads", "16"))),
    Sample(files={"R": "x"}, impacts=(), matrix=_ROWS, estate=_estate(("http.thread", "8"))),
    Sample(files={"R": "x"}, impacts=(), matrix=_ROWS, estate=_estate(("partner.url", "x"))),
    Sample(files={"R": "x"}, impacts=(), matrix=_ROWS, estate=_estate(("log.level", "waring"))),
    Sample(files={"lims.deb!/etc/app/app.conf": "[log]\nlevel = debgu\n"}, impacts=(), matrix=_ROWS),
)
_NGINX = ConfigKey(file="/etc/nginx/nginx.conf", key="http.sendfile", value="on", line=3, format="nginx")
_BOTH = (*_estate(("http.port", "8080")).hosts[0].config, _NGINX)
GOOD = (
    Sample(
        files={"R": "x"},
        impacts=(),
        matrix=_ROWS,
        estate=Estate(taken="", hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", config=_BOTH),)),
    ),
    Sample(
        files={"R": "x"},
        impacts=(),
        matrix=_ROWS,
        estate=_estate(("http.port", "8080"), ("http.threads", "${THREADS}"), ("log.level", "INFO")),
    ),
    Sample(files={"R": "x"}, impacts=(), matrix=(_PORT, _LEVEL), estate=_estate(("partner.url", "x"))),
    Sample(files={"R": "x"}, impacts=(), matrix=_ROWS, estate=_estate(("http.threads", "8"), ("http.threads", "8"))),
    Sample(files={"usr/lib/other/etc/other.conf": "[thing]\nlevel = 9000\n"}, impacts=(), matrix=_ROWS),
    Sample(files={"README.md": "[http]\nport = 80800\n"}, impacts=(), matrix=_ROWS),
)
