"""The package is not clear about whether the host must be rebooted.

## What it does
Reads the reboot statement of manifests, readmes and scripts and reports one that is neither yes nor no: recommended,
optional, may be required. Reports upgrade scripts that reboot the host themselves.

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

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import Command
from fulldress.model.finding import Cure, Finding, StepDraft
from fulldress.scan.jobs.embedded_shell import tasks
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="doubtful-reboot",
    family="provenance",
    title="Unclear whether a reboot is needed",
    severity="low",
    confidence="likely",
)
_VAGUE = r"(recommended|advised|suggested|optional|maybe|may be (?:required|needed)|might|should|if needed)"
_JSON = late(rf'(?i)"[\w-]*(?:reboot|restart)[\w-]*"\s*:\s*"[^"]*{_VAGUE}[^"]*"')
_TEXT = late(rf"(?i)\breboot\b[^.\n]{{0,60}}\b{_VAGUE}|\b{_VAGUE}\b[^.\n]{{0,30}}\b(?:a |to )?reboot\b")
_SETTING = Pattern(r'(?i)(reboot|restart)[\w-]{0,60}"\s{0,20}:\s{0,20}"')
_WORD = Pattern(r"(?i)\breboot\b")
_POWERSHELL = Pattern(r"^\s{0,40}Restart-Computer\b|^\s{0,40}Stop-Computer\b")
LOOKS_FOR = (_SETTING, _WORD, _POWERSHELL)
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
    yield from _done(context)
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


def _done(context: Context) -> Iterator[Finding]:
    """Scripts of the upgrade that reboot the host themselves, whatever the manifest says."""
    for script in (*scripts(context), *tasks(context)):
        if role(context, script.entry.place) != "upgrade":
            continue
        for command in script.commands:
            if _reboots(command):
                yield _down(script.entry.place, command.line, command.text)
    for entry, number, line in acting_lines(context, _POWERSHELL, among=lambda e: e.place.endswith((".ps1", ".psm1"))):
        if "-WhatIf" not in line and standing(entry.place) == "acting" and role(context, entry.place) == "upgrade":
            yield _down(entry.place, number, line.strip())


def _down(place: str, line: int, text: str) -> Finding:
    return Finding(
        rule=META.slug,
        severity="high",
        confidence="likely",
        title=f"{place.rpartition('/')[2]} reboots the host itself",
        place=place,
        line=line,
        excerpt=text[:200],
        consequence="The host goes down while steps may still be running, at a moment that nobody planned.",
        fix="Take it out of the script; reboot as a step of the plan, when everything else is verified.",
    )


def _reboots(command: Command) -> bool:
    argv = shell.unwrapped(command)
    name, words = (argv[0].rpartition("/")[2], argv[1:]) if argv else ("", ())
    if any(_reboots(inner) for text in shell.nested(command) for inner in shell.commands(text)):
        return True
    if name in ("reboot", "poweroff", "halt"):
        return not any(w in ("--help", "-w", "--wtmp-only") for w in words)
    if name in ("init", "telinit"):
        return words[:1] in (("6",), ("0",))
    if name == "shutdown":
        return not any(w in ("-c", "-k") for w in words)
    return name == "systemctl" and any(w in ("reboot", "poweroff", "halt", "kexec", "soft-reboot") for w in words[:2])


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
    {"win/a.ps1": "Stop-Service x\nRestart-Computer -Force\n"},
    {"scripts/a.sh": "#!/bin/sh\nset -e\n(sleep 60; reboot) &\n"},
    {"up.sh": "#!/bin/sh\nset -e\nif [ -e /run/reboot-required ]; then shutdown -r +1; fi\n"},
    {"manifest.json": '{"pkg":"a","reboot":"recommended"}\n'},
    {"README.txt": "Reboot:   recommended (not required in most installations)\n"},
    {"scripts/a.sh": '#!/bin/sh\necho "Finished. A reboot is recommended."\n'},
)
GOOD = (
    {"win/a.ps1": "# Restart-Computer -Force\nRestart-Computer -WhatIf\n"},
    {"scripts/a.sh": "#!/bin/sh\necho reboot\nshutdown -c\ninit 3\n# reboot\n"},
    {"x.deb!/usr/sbin/nightly": "#!/bin/sh\nreboot\n"},
    {"manifest.json": '{"reboot": false}\n'},
    {"manifest.json": '{"reboot": "required"}\n'},
    {"README.txt": "A reboot is not needed.\nSettings are recommended.\n"},
)
