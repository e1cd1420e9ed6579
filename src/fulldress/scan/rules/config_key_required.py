"""The new version needs a configuration key that this estate does not set, or sets to another value.

## What it does
Joins the matrix of configuration keys to the estate's files and reports every key that the offered version requires and
that is missing or has the wrong value, and changed defaults that this estate relies on.

## Why it matters
Without its key the new version does not stop: it silently falls back to something else, and that is noticed on Monday.

## Example
```
[hybrid]
enable = true      ; required since 5.0, or it falls back to read-only
```

## Fix
Set the key before the new version starts; `fulldress adapt` drafts the step, which the rollback reverts.

## References
- none
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.estate import ConfigKey, Estate, HostFacts, KeyImpact, MatrixRow
from fulldress.model.finding import Cure, Finding
from fulldress.scan.rule import Context, RuleMeta, Sample
from fulldress.scan.settings.configuration import answered, file_for, set_key

META = RuleMeta(
    slug="config-key-required",
    family="configuration",
    title="Configuration key is required by the new version",
    severity="high",
    confidence="certain",
    needs=("matrix",),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each required key that is not as it must be; changed defaults as low ones."""
    for impact in context.impacts or ():
        if impact.row.change in ("required", "default-changed") and not _answered(context, impact):
            yield _finding(context, impact)


def _files(context: Context, impact: KeyImpact) -> list[str]:
    """Where the key has to be set: where it has the wrong value, else where it belongs."""
    wrong = [use for use in impact.uses if use.value.strip().lower() != impact.row.value.lower()]
    if wrong:  # one that no step can write (YAML, XML ...) leaves all of them to a person
        return [] if any(use.format for use in wrong) else sorted({use.file for use in wrong})
    one = file_for(context.estate, impact.row.key)
    return [one] if one else []


def _answered(context: Context, impact: KeyImpact) -> bool:
    files = _files(context, impact)
    return bool(files) and all(answered(context, set_key(file, impact.row.key, impact.row.value)) for file in files)


def _finding(context: Context, impact: KeyImpact) -> Finding:
    row, required = impact.row, impact.row.change == "required"
    wrong = [use for use in impact.uses if row.value and use.value.strip().lower() != row.value.lower()]
    lacking = [place.removesuffix(": not set") for place in impact.places if place.endswith(": not set")]
    state = f"is “{wrong[0].value}” in {wrong[0].file}" if wrong else f"is not set{_on(lacking)}"
    value = f" = {row.value}" if row.value else ""
    return Finding(
        rule=META.slug,
        severity=META.severity if required else "low",
        confidence=META.confidence,
        title=f"{row.key}{value} is required since {row.since} and {state}"
        if required
        else f"the default of {row.key} changes in {row.since}, and this estate relies on it{_on(lacking)}",
        place="",
        excerpt=f"{row.product} {row.since}: {row.key}{value}",
        consequence=_consequence(impact),
        fix=impact.cure[:1].upper() + impact.cure[1:] + ".",
        curable=required and bool(row.value) and bool(_files(context, impact)),
    )


def _on(hosts: list[str]) -> str:
    return f" on {', '.join(hosts[:4])}{' …' if len(hosts) > 4 else ''}" if hosts else ""


def _consequence(impact: KeyImpact) -> str:
    said = impact.row.consequence.rstrip(".")
    if impact.row.change == "required" and "fall" not in said:
        return f"The new version silently falls back: {said}." if said else "Without it the new version silently falls back."
    return f"{said[:1].upper()}{said[1:]}." if said else "The new version behaves differently."


def cure(context: Context, finding: Finding) -> Cure | None:
    """Steps of the plan that set the key: the file belongs to the estate, not to the package."""
    for impact in context.impacts or ():
        row = impact.row
        value = f" = {row.value}" if row.value else ""
        if finding.excerpt == f"{row.product} {row.since}: {row.key}{value}":
            steps = tuple(set_key(file, row.key, row.value) for file in _files(context, impact))
            return Cure(steps=steps, note=f"{impact.cure} before the new version starts", safety="review") if steps else None
    return None


def _estate(*keys: ConfigKey) -> Estate:
    host = HostFacts(name="h", hostname="h", os="debian", os_version="12", config=keys)
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_WRONG = ConfigKey(file="/etc/app/app.conf", key="hybrid.enable", value="false", line=3)
_IN_JSON = ConfigKey(file="/etc/app/app.json", key="hybrid.enable", value="false", line=3, format="json")
_NEAR = ConfigKey(file="/etc/app/app.conf", key="hybrid.mode", value="x", line=3)
_ROW = MatrixRow(
    product="app",
    key="hybrid.enable",
    change="required",
    since="5.0",
    value="true",
    consequence="every new result is refused",
)
_DEFAULT = MatrixRow(product="app", key="http.threads", change="default-changed", since="5.0", value="8")

_RIGHT = ConfigKey(file="/etc/app/app.conf", key="hybrid.enable", value="true", line=3)
_ONE_LACKS = KeyImpact(row=_ROW, uses=(_RIGHT,), cure="set it", places=("ssh:a:/etc/app/app.conf:3", "ssh:b: not set"))
BAD = (
    Sample(files={"R": "x"}, impacts=(_ONE_LACKS,)),
    Sample(
        files={"R": "x"}, impacts=(KeyImpact(row=_ROW, uses=(), cure="set hybrid.enable = true"),), estate=_estate(_NEAR)
    ),
    Sample(files={"R": "x"}, impacts=(KeyImpact(row=_ROW, uses=(_WRONG,), cure="set hybrid.enable = true"),)),
    Sample(files={"R": "x"}, impacts=(KeyImpact(row=_ROW, uses=(), cure="set hybrid.enable = true"),)),
    Sample(files={"R": "x"}, impacts=(KeyImpact(row=_ROW, uses=(_IN_JSON,), cure="set hybrid.enable = true"),)),
    Sample(files={"R": "x"}, impacts=(KeyImpact(row=_DEFAULT, uses=(), cure="set http.threads = 8"),)),
)
GOOD = (
    Sample(files={"R": "x"}, impacts=()),
    Sample(
        files={"R": "x"},
        impacts=(KeyImpact(row=_ROW, uses=(), cure="set hybrid.enable = true"),),
        estate=_estate(_NEAR),
        drafted=(set_key("/etc/app/app.conf", "hybrid.enable", "true"),),
    ),
)
