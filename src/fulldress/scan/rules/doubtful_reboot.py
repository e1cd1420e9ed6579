"""The package is not clear about whether the host must be rebooted.

## What it does
Reads the reboot statement of manifests, readmes and scripts and reports one that is neither yes nor no: recommended,
optional, may be required.

## Why it matters
Whoever plans the window must know: a reboot is minutes of downtime and a risk of its own; a needed one that is left
out shows weeks later, at the worst moment, as a service that does not come up.

## Example
```
{"reboot": "recommended"}
```

## Fix
Ask the vendor what needs the reboot (a kernel module, a library of a long-running process); rehearse with and without
it.

## References
- needrestart(1); /run/reboot-required of Debian and Ubuntu
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Cure, Finding, StepDraft
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="doubtful-reboot",
    family="provenance",
    title="Unclear whether a reboot is needed",
    severity="low",
    confidence="likely",
)
_VAGUE = r"(recommended|advised|suggested|optional|maybe|may be (?:required|needed)|might|should|if needed)"
_JSON = re.compile(rf'(?i)"[\w-]*(?:reboot|restart)[\w-]*"\s*:\s*"[^"]*{_VAGUE}[^"]*"')
_TEXT = re.compile(rf"(?i)\breboot\b[^.\n]{{0,60}}\b{_VAGUE}|\b{_VAGUE}\b[^.\n]{{0,30}}\b(?:a |to )?reboot\b")
_SETTING = Pattern(r'(?i)(reboot|restart)[\w-]{0,60}"\s{0,20}:\s{0,20}"')
_WORD = Pattern(r"(?i)\breboot\b")
LOOKS_FOR = (_SETTING, _WORD)
ASK = StepDraft(
    kind="check",
    title="Nothing that runs waits for a reboot",
    when="after",
    params={
        "command": "[ ! -e /run/reboot-required ] && "
        "! grep -lE '/usr/lib.*[.]so[^ ]* [(]deleted[)]' /proc/[0-9]*/maps 2>/dev/null",
        "hint": "the processes listed still use libraries that were replaced: restart their units, or reboot",
    },
)
_READ = (".txt", ".md", ".rst", ".sh", "README", "INSTALL", "postinst")


def check(context: Context) -> Iterator[Finding]:
    """One finding for the package, at its most binding statement (a manifest before prose)."""
    if ASK in context.drafted:
        return
    hits = [*_hits(context, _SETTING, _JSON, (".json",)), *_hits(context, _WORD, _TEXT, _READ)]
    if hits:
        place, number, line, word = hits[0]
        others = f"; {len(hits) - 1} more that do not settle it" if len(hits) > 1 else ""
        yield Finding(
            rule=META.slug,
            severity=META.severity,
            confidence=META.confidence,
            title=f"a reboot is “{word.lower()}”: neither yes nor no{others}",
            place=place,
            line=number,
            excerpt=line,
            consequence="The window cannot be planned: with a reboot it is longer, without it an old library may stay.",
            fix="Ask the vendor what needs the reboot; the plan checks whether anything waits for one.",
            curable=True,
        )


def cure(context: Context, finding: Finding) -> Cure | None:
    """Let the plan find out: after the upgrade a step checks whether anything still waits for a reboot."""
    if finding.rule != META.slug or ASK in context.drafted:
        return None
    return Cure(steps=(ASK,), note="the plan checks after the upgrade whether anything waits for a reboot", safety="safe")


def _hits(
    context: Context, near: Pattern, pattern: re.Pattern[str], suffixes: tuple[str, ...]
) -> Iterator[tuple[str, int, str, str]]:
    for line in context.lines(near, among=lambda entry: entry.place.endswith(suffixes)):
        match = pattern.search(line.text)
        if match is not None:
            yield line.entry.place, line.number, match[0].strip(), next(g for g in match.groups() if g)


BAD = (
    {"manifest.json": '{"pkg":"a","reboot":"recommended"}\n'},
    {"README.txt": "Reboot:   recommended (not required in most installations)\n"},
    {"scripts/a.sh": '#!/bin/sh\necho "Finished. A reboot is recommended."\n'},
)
GOOD = (
    {"manifest.json": '{"reboot": false}\n'},
    {"manifest.json": '{"reboot": "required"}\n'},
    {"README.txt": "A reboot is not needed.\nSettings are recommended.\n"},
)
