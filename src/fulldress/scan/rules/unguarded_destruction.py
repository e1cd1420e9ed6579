"""A destructive command works on a path that may be empty.

## What it does
Finds `rm -r`, `chown -R`, `chmod -R`, `find -delete` and `shred` whose path begins with a variable that nothing
guards: an empty value turns `"$OLD"/var/*` into `/var/*`. Also `rm -rf` of a system directory by name.

## Why it matters
The variable is empty exactly when something else went wrong, and then the command destroys what it was not meant for.

## Example
```
OLD=$(readlink /opt/app/previous)
rm -rf "$OLD"/var/cache/*
```

## Fix
Let the command run only when the value is there. `fulldress adapt` wraps it in a guard and uses `${OLD:?}`, which
stops on empty.

## References
- CWE-73 External Control of File Name or Path; ShellCheck SC2115
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.formats.shell import Command, Edit
from fulldress.model.finding import Cure, Finding
from fulldress.scan.reading import edited, script_at, scripts
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="unguarded-destruction",
    family="privilege",
    title="Destructive command on a path that may be empty",
    severity="critical",
    confidence="likely",
)
_VARIABLE = re.compile(r"^\$(?:\{(\w+)\}|(\w+))(?=/|$)")
_SYSTEM = re.compile(r"^/(?:\*|(?:bin|boot|etc|home|lib|opt|root|srv|usr|var)(?:/\*?)?)?$")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each such command."""
    for script in scripts(context):
        for command in script.commands:
            name = unguarded(command, script.text)
            system = next((w for w in _targets(command) if _SYSTEM.match(w)), "")
            if name or system:
                yield _finding(script.entry.place, command, name, system)


def _finding(place: str, command: Command, name: str, system: str) -> Finding:
    program = shell.unwrapped(command)[0].rpartition("/")[2]
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence if name else "certain",
        title=f"{program} works on ${name}, which may be empty" if name else f"{program} destroys {system}",
        place=place,
        line=command.line,
        excerpt=command.text,
        consequence=f"When {name} is empty, the path starts at the root of the host."
        if name
        else "The host does not survive it.",
        fix=f"Run it only when {name} has a value." if name else "Take the command out, and ask the vendor what it was for.",
        curable=bool(name),
    )


def _targets(command: Command) -> tuple[str, ...]:
    """The paths that a command destroys or changes recursively; () for every other command."""
    argv = shell.unwrapped(command)
    if not argv:
        return ()
    name, rest = argv[0].rpartition("/")[2], argv[1:]
    options = [w for w in rest if w.startswith("-")]
    paths = tuple(w for w in rest if not w.startswith("-"))
    recursive = any(o in ("--recursive",) or (not o.startswith("--") and ("r" in o or "R" in o)) for o in options)
    if name == "rm" and recursive:
        return paths
    if name in ("chown", "chmod", "chgrp") and any(o == "--recursive" or re.match(r"-\w*R", o) for o in options):
        return paths[1:]
    if name == "find" and ("-delete" in rest or "rm" in rest):
        return paths[:1]
    return ()


def unguarded(command: Command, text: str) -> str:
    """The variable that starts a destroyed path and is guarded by nothing, or ``""``."""
    for word in _targets(command):
        match = _VARIABLE.match(word)
        if match is not None and word != match[0]:
            name = match[1] or match[2]
            if not _always_set(name, text):
                return name
    return ""


def _always_set(name: str, text: str) -> bool:
    """True when every assignment gives a literal or a fresh temporary directory, or a test stops on empty."""
    if re.search(rf"\$\{{{name}:\?", text):
        return True
    values = re.findall(rf"(?m)^\s*(?:export\s+|readonly\s+|local\s+)?{name}=(.*)$", text)
    return bool(values) and all(re.match(r"""["']?/[\w./-]+["']?\s*$|["']?\$\(mktemp\b""", v.strip()) for v in values)


def cure(context: Context, finding: Finding) -> Cure | None:
    """Guard the command: it runs only when the variable has a value, and stops if it loses it."""
    script = script_at(context, finding.place)
    command = (
        next((c for c in script.commands if c.line == finding.line and unguarded(c, script.text)), None) if script else None
    )
    if script is None or command is None:
        return None
    name = unguarded(command, script.text)
    body = re.sub(rf"\$(?:\{{{name}\}}|{name}\b)", f"${{{name}:?}}", command.text)
    skipped = f"echo 'skipped: {name} has no value' >&2"
    guarded = f'if [ -n "${{{name}:-}}" ]; then {body}; else {skipped}; fi'
    edits = [Edit(command.start, command.end, guarded), *_tolerant(script.text, name)]
    text = shell.splice(script.text, edits)
    if not shell.parses(text) and shell.parses(script.text):
        return None
    return edited(finding.place, text, f"guarded: it runs only when {name} has a value")


def _tolerant(text: str, name: str) -> Iterator[Edit]:
    """``OLD=$(readlink x)`` may fail now without ending a script that stops on errors: the guard handles the empty value."""
    for match in re.finditer(rb"(?m)^[ \t]*" + name.encode() + rb"=\$\(([^()`\n|&;]+)\)[ \t]*$", shell.encode(text)):
        yield Edit(match.end(1), match.end(1), " || true")


BAD = (
    {"scripts/a.sh": '#!/bin/bash\nOLD=$(readlink /opt/app/previous)\nrm -rf "$OLD"/var/cache/app/*\n'},
    {"scripts/b.sh": "#!/bin/sh\ncd / && rm -fr ${PREFIX}/lib\n"},
    {"app.deb!/postrm": "#!/bin/sh\nchown -R app $APP_HOME/data\n"},
    {"scripts/c.sh": '#!/bin/sh\nif [ -d x ]; then\n  find "$DIR"/ -mtime +3 -delete\nfi\n'},
)
GOOD = (
    {"scripts/a.sh": '#!/bin/bash\nrm -rf "${OLD:?}"/var/cache\nrm -f "$FILE"\nrm -rf /opt/app/cache\n'},
    {"scripts/b.sh": '#!/bin/bash\nTMP=$(mktemp -d)\nrm -rf "$TMP"/x\nBASE=/opt/app\nrm -rf "$BASE/old"\n'},
    {"README.md": 'rm -rf "$OLD"/x\n'},
)
