"""The new version no longer knows a configuration key that this estate uses.

## What it does
Joins the matrix of configuration keys to the estate's files and reports every key that is removed or renamed between the
installed and the offered version and is set on a host, or in a configuration file that the package itself brings.

## Why it matters
Products rarely complain about an unknown key: they ignore it, and the behaviour that it asked for is gone.

## Example
```
[hybrid]
legacy_mode = on      ; removed in 5.0
```

## Fix
Remove or rename the key in the window; `fulldress adapt` drafts the step, which the rollback reverts.

## References
- none
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.estate import ConfigKey, KeyImpact, MatrixRow
from fulldress.model.finding import Cure, Finding, StepDraft
from fulldress.scan.jobs.callgraph import short
from fulldress.scan.rule import Context, RuleMeta, Sample
from fulldress.scan.settings.configkeys import shipped
from fulldress.scan.settings.configuration import answered, remove_key, set_key

META = RuleMeta(
    slug="config-key-removed",
    family="configuration",
    title="Configuration key is gone in the new version",
    severity="medium",
    confidence="certain",
    needs=("matrix",),
)
SECRET = "<secret>"


def check(context: Context) -> Iterator[Finding]:
    """One finding for each place where the estate sets a key that is removed or renamed."""
    yield from _shipped(context)
    for impact, use in _uses(context):
        row = impact.row
        if all(answered(context, step) for step in _steps(row, use)):
            continue
        fate = f"renamed to {row.instead}" if row.change == "renamed" else "removed"
        yield Finding(
            rule=META.slug,
            severity="high" if row.silent_fallback else META.severity,
            confidence=META.confidence,
            title=f"{use.key} is {fate} in {row.since}; {use.file}:{use.line} sets it",
            place="",
            excerpt=f"{use.file}: {use.key} = {use.value}",
            consequence=("The product starts without a word, and does something else: " if row.silent_fallback else "")
            + (_sentence(row.consequence) or "The new version ignores it without a word."),
            fix=impact.cure[:1].upper() + impact.cure[1:] + ".",
            curable=not use.format and (row.change == "removed" or use.value != SECRET),
        )


def _shipped(context: Context) -> Iterator[Finding]:
    """Keys that the package's own files set, although the version that comes with them ignores the key."""
    fates = {row.key: row for row in context.matrix if row.change in ("removed", "renamed")}
    for source in shipped(context):
        known = [key for key in source.keys if key.key in fates]
        for key in known[:MOST]:
            row = fates[key.key]
            fate = f"renamed to {row.instead}" if row.change == "renamed" else "removed"
            yield Finding(
                rule=META.slug,
                severity=META.severity,
                confidence="likely",
                title=f"{key.key} is {fate} in {row.since}; the package's own {short(source.file)} sets it",
                place=source.file,
                line=key.line,
                excerpt=key.key,
                consequence=f"{_sentence(row.consequence) or 'The new version ignores it without a word.'}",
                fix=f"Write {row.instead} instead." if row.instead else "Take it out.",
            )


MOST = 5
"""Keys of one file that are told."""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def _uses(context: Context) -> Iterator[tuple[KeyImpact, ConfigKey]]:
    for impact in context.impacts or ():
        if impact.row.change in ("removed", "renamed"):
            for use in impact.uses:
                yield impact, use


def _steps(row: MatrixRow, use: ConfigKey) -> tuple[StepDraft, ...]:
    """Remove the key; a renamed one takes its value along."""
    gone = remove_key(use.file, use.key)
    return (set_key(use.file, row.instead, use.value), gone) if row.change == "renamed" else (gone,)


def cure(context: Context, finding: Finding) -> Cure | None:
    """Steps of the plan: the file belongs to the estate, not to the package."""
    for impact, use in _uses(context):
        if finding.excerpt == f"{use.file}: {use.key} = {use.value}" and not use.format:
            return Cure(steps=_steps(impact.row, use), note=f"{impact.cure} in {use.file}", safety="review")
    return None


_USE = ConfigKey(file="/etc/app/app.conf", key="hybrid.legacy_mode", value="on", line=12)
_IN_YAML = ConfigKey(file="/etc/app/app.yaml", key="hybrid.legacy_mode", value="on", line=2, format="yaml")
_ROW = MatrixRow(product="app", key="hybrid.legacy_mode", change="removed", since="5.0", consequence="5.0 ignores the key")
_RENAMED = MatrixRow(product="app", key="hybrid.legacy_mode", change="renamed", since="5.0", instead="hybrid.mode")

BAD = (
    Sample(files={"conf/app.conf": "a = 1\nhybrid.legacy_mode = on\n"}, matrix=(_RENAMED,), impacts=()),
    Sample(files={"README": "x"}, impacts=(KeyImpact(row=_ROW, uses=(_IN_YAML,), cure="remove hybrid.legacy_mode"),)),
    Sample(files={"README": "x"}, impacts=(KeyImpact(row=_ROW, uses=(_USE,), cure="remove hybrid.legacy_mode"),)),
    Sample(files={"README": "x"}, impacts=(KeyImpact(row=_RENAMED, uses=(_USE,), cure="rename it to hybrid.mode"),)),
)
GOOD = (
    Sample(files={"conf/app.conf": "hybrid.mode = on\n"}, matrix=(_RENAMED,), impacts=()),
    Sample(files={"README": "x"}, impacts=()),
    Sample(
        files={"README": "x"},
        impacts=(KeyImpact(row=_ROW, uses=(_USE,), cure="remove hybrid.legacy_mode"),),
        drafted=(remove_key("/etc/app/app.conf", "hybrid.legacy_mode"),),
    ),
)
