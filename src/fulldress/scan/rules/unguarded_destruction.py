"""A destructive command works on a path that may be empty.

## What it does
Finds `rm -r`, `chown -R`, `chmod -R`, `find -delete` and `shred` whose path begins with a variable that nothing
guards: an empty value turns `"$OLD"/var/*` into `/var/*`. Also `rm -rf` of a system directory by name or of a folder in
which a database or others' files lie, and what leaves nothing behind: `mkfs`, `wipefs`, `dd` onto a device, `dropdb`, `DROP
DATABASE`, `DROP SCHEMA`, `DROP TABLE` and `TRUNCATE` in a command or here-document (tables that the same text makes, or that
are there for the moment by their name, do not count); a Redis that
is emptied, and data that the scriptlets of an RPM spec remove.

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
from itertools import pairwise
from typing import NamedTuple

import msgspec

from fulldress.formats import shell, shellflow
from fulldress.formats.late import late
from fulldress.formats.shell import Command, Edit
from fulldress.model.finding import Confidence, Cure, Finding, Severity
from fulldress.scan.credentials.secrets import hidden
from fulldress.scan.destruction import bare_find, flushed, folder_lost, killed, tables_lost, targets, wrecked
from fulldress.scan.jobs.embedded_shell import CONTAINERFILE, MAKEFILE, RUNNERS, embedded, tasks
from fulldress.scan.reading import Script, edited, is_code, memo, script_at, scripts, stops_on_errors
from fulldress.scan.roles import Role, role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="unguarded-destruction",
    family="privilege",
    title="Destructive command on a path that may be empty",
    severity="critical",
    confidence="likely",
)
_VARIABLE = late(r"^\$(?:\{(\w+)\}|(\w+))(?=/|$)")
_SYSTEM = late(r"^/(?:\*|(?:bin|boot|etc|home|lib|opt|root|srv|usr|var)(?:/\*?)?)?$")
_PRECIOUS = late(
    r"^/+(?:[*.]|(?:bin|boot|dev|etc|home|lib\w*|media|mnt|opt|proc|root|run|s?bin|srv|sys|usr|var)(?:/|\*|$)|$)"
)
_LIKELY_DATA = late(r"^/+(?:data|backups?|apps?|export|storage|shares?|db|database|www|logs?|archive)(?:/|\*|$)")


class _Verdict(NamedTuple):
    severity: Severity
    confidence: Confidence
    left: str
    """What the path is when the variable is empty."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each such command."""
    yield from _in_scriptlets(context)
    for script in scripts(context):
        yield from _in_script(context, script)
    for task in tasks(context):
        for finding in _in_script(context, task):
            yield msgspec.structs.replace(finding, curable=False)


def _in_script(context: Context, script: Script) -> Iterator[Finding]:
    what = role(context, script.entry.place)
    for command in script.commands:
        many = killed(command) if what == "upgrade" else ""
        if many:
            yield _kill(script.entry.place, command, many)
            continue
        if what == "upgrade" and flushed(command):
            yield _flush(script.entry.place, command)
            continue
        name = unguarded(command, script.text)
        verdict = _verdict(command, script.text, name, what) if name else None
        hole = "" if name or what != "upgrade" else _hole(context, command, script)
        if hole:
            yield _parent(script.entry.place, command, hole)
            continue
        if verdict is not None:
            yield _finding(script.entry.place, command, name, verdict)
            continue
        system = next((w for w in targets(command) if _SYSTEM.match(w)), "")
        lost = system or ("" if what in ("library", "init") else wrecked(command))
        if lost:
            severity: Severity = "critical" if system or what == "upgrade" else "low"
            yield _finding(script.entry.place, command, "", _Verdict(severity, "certain" if system else "likely", lost))
        elif what == "upgrade":
            yield from _lost(script, command)
    if what == "upgrade":
        yield from _elsewhere(script)
        yield from _emptied(script)


_DATA = late(r"^/(?:var/lib|srv|var/www|home)/[\w.-]+/?")


def _in_scriptlets(context: Context) -> Iterator[Finding]:
    """Scriptlets of specs and commands of images: what is destroyed for certain."""
    told = {task.entry.place for task in tasks(context)}
    for script in embedded(context):
        if MAKEFILE.search(script.entry.place) or script.entry.place in told or is_code(script.entry.place):
            continue  # what these set is not known here; another rule reads them
        for command in script.commands:
            system = next((w for w in targets(command) if _SYSTEM.match(w)), "")
            lost = system or wrecked(command)
            away = RUNNERS.search(script.entry.place) is not None
            data = "" if lost or away or CONTAINERFILE.search(script.entry.place) else _data(command)
            if lost:
                yield _finding(script.entry.place, command, "", _Verdict("low" if away else "high", "likely", lost))
            elif data:
                yield Finding(
                    rule=META.slug,
                    severity="medium",
                    confidence="likely",
                    title=f"a scriptlet removes {data} with all that is in it",
                    place=script.entry.place,
                    line=command.line,
                    excerpt=command.text[:200],
                    consequence="What the product wrote there is gone with the package, and no way back brings it again.",
                    fix="Keep a copy before the package is removed or replaced; ask the vendor to leave data alone.",
                )


def _data(command: Command) -> str:
    """A folder of data that a scriptlet removes."""
    argv = shell.unwrapped(command)
    removes = bool(argv) and argv[0].rpartition("/")[2] == "rm"
    return next((w for w in targets(command) if removes and _DATA.match(w)), "")


def _lost(script: Script, command: Command) -> Iterator[Finding]:
    """A folder in which others live, a table. What a package does when it is purged is its own affair."""
    if script.entry.place.endswith(("postrm", "prerm")):
        return
    if folder := folder_lost(command):
        yield _finding(script.entry.place, command, "", _Verdict("critical", "certain", folder))
    elif table := tables_lost(command):
        found = _finding(script.entry.place, command, "", _Verdict("high", META.confidence, f"the table {table}"))
        why = "Its rows are gone with it, for the version that still runs and for the way back."
        yield msgspec.structs.replace(
            found, consequence=why, fix="Keep a copy first, or drop it when no way back is needed."
        )


_CHECKED = late(r"[^\S\n]*(\|\||&&|;?[^\S\n]*then\b)")
_EMPTIES = late(
    r"(?m)^[^\S\n]*(?::[^\S\n]*|cat /dev/null[^\S\n]*|truncate -s ?0[^\S\n]+)?(?:>[^\S\n]*)?(/var/log/[\w./-]+)[^\S\n]*$"
)


def _elsewhere(script: Script) -> Iterator[Finding]:
    """``cd DIR`` that nobody checks, and then a removal of names that are relative to it."""
    if stops_on_errors(script):
        return
    for moved, command in pairwise(script.commands):
        checked = _CHECKED.match(script.text[moved.end : moved.end + 40]) or script.text[: moved.start].rstrip().endswith(
            "if"
        )
        if moved.name != "cd" or len(moved.argv) < 2 or moved.argv[1] in ("-", "..") or checked:
            continue
        argv = shell.unwrapped(command)
        if not argv or argv[0].rpartition("/")[2] != "rm":
            continue
        paths = [w for w in argv[1:] if not w.startswith("-")]
        loose = [w for w in paths if not w.startswith(("/", "$", "~", '"$')) and re.search(r"[*?]|^\.$", w)]
        if loose:
            whole = loose[0] in ("*", "./*", ".", ".*")
            yield Finding(
                rule=META.slug,
                severity="high" if whole else "medium",
                confidence=META.confidence,
                title=f"rm works on {loose[0]} wherever the script is, when cd {moved.argv[1]} fails",
                place=script.entry.place,
                line=command.line,
                excerpt=command.text,
                consequence="A directory that is not there is no error that stops the script: it removes files elsewhere.",
                fix="Write `cd DIR || exit 1`, or give rm the whole path.",
            )


def _emptied(script: Script) -> Iterator[Finding]:
    """Logs of the system that the upgrade empties: what one would look at when it goes wrong."""
    for match in _EMPTIES.finditer(script.text):
        if ">" in match[0] or "truncate" in match[0]:
            yield Finding(
                rule=META.slug,
                severity="low",
                confidence="certain",
                title=f"the log {match[1]} is emptied",
                place=script.entry.place,
                line=script.text.count("\n", 0, match.start(1)) + 1,
                excerpt=match[0].strip(),
                consequence="What one would look at when the upgrade goes wrong is gone.",
                fix="Leave it to logrotate.",
            )


def _kill(place: str, command: Command, name: str) -> Finding:
    return Finding(
        rule=META.slug,
        severity="medium",
        confidence="certain",
        title=f"{command.name} ends every {name} process on the host",
        place=place,
        line=command.line,
        excerpt=command.text,
        consequence="What runs under that name and is not the product's is ended with it, by root.",
        fix="Stop the product's own units, or name the process by its unit, user or PID file.",
    )


def _flush(place: str, command: Command) -> Finding:
    return Finding(
        rule=META.slug,
        severity="medium",
        confidence="certain",
        title="every key of a Redis is thrown away",
        place=place,
        line=command.line,
        excerpt=hidden(command.text)[:200],
        consequence="Sessions and queued jobs that live there go with the cache; everything is cold at once.",
        fix="Delete the keys that the upgrade makes stale, by their prefix.",
    )


_ROOM = late(r"^(.*/)\$(?:\{(\w+)\}|(\w+))/?\*?$")


def _hole(context: Context, command: Command, script: Script) -> str:
    """The variable that ends a removed path and that nothing in the package ever sets: what goes is the folder above."""
    argv = shell.unwrapped(command)
    if not argv or argv[0].rpartition("/")[2] != "rm" or re.search(r"(?m)^[^\S\n]*set\s+-\w*u|nounset", script.text):
        return ""
    for word in targets(command):
        match = _ROOM.match(word)
        name = (match[2] or match[3]) if match is not None else ""
        if name and not name.isdigit() and name not in _given_names(context) and not _always_set(name, script.text, command):
            return name
    return ""


_SETS = late(r"\b(?:read|for|getopts\s+\S+|select|mapfile|readarray|printf\s+-v)\s+(?:-\w+\s+)*(\w+)|\b(\w+)\+?=")
_ENVIRONMENT = frozenset(("HOME", "PWD", "OLDPWD", "USER", "LOGNAME", "TMPDIR", "HOSTNAME", "DESTDIR", "REPLY", "RANDOM"))


def _given_names(context: Context) -> frozenset[str]:
    """Names that any script of the package sets, or that a settings file may."""

    def make() -> frozenset[str]:
        texts = [s.text for s in scripts(context)] + [
            t for _, t in context.texts(".env", ".conf", ".cfg", ".service", ".rc")
        ]
        return _ENVIRONMENT | {m[1] or m[2] for text in texts for m in _SETS.finditer(text)}

    return memo(context, "names that are set", make)


def _parent(place: str, command: Command, name: str) -> Finding:
    return Finding(
        rule=META.slug,
        severity="high",
        confidence=META.confidence,
        title=f"rm works on a path that ends with ${name}, which nothing sets",
        place=place,
        line=command.line,
        excerpt=command.text,
        consequence=f"When {name} is empty, the whole folder above it is removed.",
        fix=f"Run it only when {name} has a value.",
        curable=True,
    )


def _verdict(command: Command, text: str, name: str, what: Role) -> _Verdict | None:
    """How bad an empty value is: by what the path is then, by how it can become empty, and by what the script is for."""
    left = next((w[m.end() :] for w in targets(command) if (m := _VARIABLE.match(w)) and w != m[0]), "")
    if bare_find(command):
        return _Verdict("high" if what == "upgrade" else "low", META.confidence, "the folder where the script happens to be")
    if _PRECIOUS.match(left):
        severity: Severity = "critical"
    elif _LIKELY_DATA.match(left):
        severity = "high"
    elif what == "upgrade":
        return _Verdict("medium", META.confidence, left)  # `/x`: hardly anything that anybody has there, but a mistake
    else:
        return None
    stops = re.search(r"(?m)^[^\S\n]*set\s+-\w*e|^#!.*sh\s+-\w*e|^[^\S\n]*set\s+-o\s+errexit", text) is not None
    strict = re.search(r"(?m)^[^\S\n]*set\s+-\w*u|^[^\S\n]*set\s+-o\s+nounset", text) is not None
    assigned = [a for a in shellflow.assignments(text) if a.name == name]
    if (assigned and stops) or (not assigned and strict):
        severity = "medium"
    if what in ("program", "init"):
        severity = "medium" if severity in ("critical", "high") else "low"
    elif what == "library":
        return None
    return _Verdict(severity, META.confidence if severity in ("critical", "high") else "possible", left)


def _finding(place: str, command: Command, name: str, verdict: _Verdict) -> Finding:
    program = shell.unwrapped(command)[0].rpartition("/")[2]
    return Finding(
        rule=META.slug,
        severity=verdict.severity,
        confidence=verdict.confidence,
        title=f"{program} works on ${name}, which may be empty" if name else f"{program} destroys {verdict.left}",
        place=place,
        line=command.line,
        excerpt=command.text,
        consequence=f"When {name} is empty, the path is {verdict.left}." if name else "The host does not survive it.",
        fix=f"Run it only when {name} has a value." if name else "Take the command out, and ask the vendor what it was for.",
        curable=bool(name),
    )


def unguarded(command: Command, text: str) -> str:
    """The variable that starts a destroyed path and is guarded by nothing, or ``""``."""
    for word in targets(command):
        match = _VARIABLE.match(word)
        if match is not None and word != match[0]:
            name = match[1] or match[2]
            if not _always_set(name, text, command):
                return name
    name = bare_find(command)
    return name if name and not _always_set(name, text, command) else ""


def _always_set(name: str, text: str, command: Command) -> bool:
    """True when every assignment gives a value, or something before the command stops on an empty one."""
    before = shell.encode(text)[: command.start].decode("utf-8", "replace")
    if re.search(rf"\$\{{{name}:[?=]", before + command.text):
        return True
    test = rf"(?:\[\[?|\btest)\s+(?:!\s+)?-[nzdefrwxLhs]\s+\"?\$\{{?{name}\b"
    if re.search(test, before) or re.search(rf"(?:\[\[?|\btest)\s+\"?\$\{{?{name}\}}?\"?\s*(?:!=|=|==|\])", before):
        return True
    if re.search(rf"(?m)\bfor\s+{name}\s+in\s+[^;$`\n]*(?:;|$)", before):
        return True
    values = [a.value for a in shellflow.assignments(text) if a.name == name]
    return bool(values) and all(_FULL.match(value) for value in values)


_FULL = late(
    r"""["']?(?:[\w./~@%+-]|\$\(\s*(?:mktemp|pwd|dirname|realpath|cd)\b|\$\{?(?:HOME|PWD|TMPDIR|RUNNER_TEMP)\b|\$\{\w+:-[^}\s$])"""
)
"""Values that are never empty: text before any variable, the script's own folder, a fresh one, a default."""


def cure(context: Context, finding: Finding) -> Cure | None:
    """Guard the command: it runs only when the variable has a value, and stops if it loses it."""
    script = script_at(context, finding.place)
    command = (
        next((c for c in script.commands if c.line == finding.line and _named(context, c, script)), None) if script else None
    )
    if script is None or command is None:
        return None
    name = _named(context, command, script)
    body = re.sub(rf"\$(?:\{{{name}\}}|{name}\b)", f"${{{name}:?}}", command.text)
    skipped = f"echo 'skipped: {name} has no value' >&2"
    guarded = f'if [ -n "${{{name}:-}}" ]; then {body}; else {skipped}; fi'
    edits = [Edit(command.start, command.end, guarded), *_tolerant(script.text, name)]
    text = shell.splice(script.text, edits)
    if not shell.parses(text) and shell.parses(script.text):
        return None
    return edited(finding.place, text, f"guarded: it runs only when {name} has a value")


def _named(context: Context, command: Command, script: Script) -> str:
    return unguarded(command, script.text) or _hole(context, command, script)


def _tolerant(text: str, name: str) -> Iterator[Edit]:
    """``OLD=$(readlink x)`` may fail now without ending a script that stops on errors: the guard handles the empty value."""
    for match in re.finditer(rb"(?m)^[ \t]*" + name.encode() + rb"=\$\(([^()`\n|&;]+)\)[ \t]*$", shell.encode(text)):
        yield Edit(match.end(1), match.end(1), " || true")


BAD = (
    {"up.sh": "#!/bin/sh\nset -e\nredis-cli -h cache1 flushall\n"},
    {"up.sh": "#!/bin/sh\nset -e\nrm -rf /var/lib/postgresql/15/main\n"},
    {"up.sh": "#!/bin/sh\nset -e\npsql lims <<SQL\n-- DROP TABLE x\nDROP TABLE audit CASCADE;\nSQL\n"},
    {"up.sh": "#!/bin/sh\nset -e\nfind $LOGS -mtime +7 -delete\n"},
    {"up.sh": "#!/bin/sh\nset -e\ndocker system prune -af --volumes\n"},
    {"up.sh": "#!/bin/sh\ncd /srv/app/data\nrm -rf old-*\n"},
    {"x.spec": "Name: x\n%preun\nif [ $1 -eq 0 ]; then\n rm -rf /var/lib/pgsql/x\nfi\n%files\n"},
    {"up.sh": "#!/bin/sh\nset -e\n> /var/log/messages\n"},
    {"up.sh": "#!/bin/sh\nset -e\npkill -9 -f python\n"},
    {"a/up.sh": "#!/bin/sh\nset -e\n. ./lib/functions\nend\n", "a/lib/functions": "end() {\n  pkill java\n}\n"},
    {"up.sh": '#!/bin/sh\nset -e\nBASE=/srv/app\nrm -rf "$BASE/$STALE_RELEASE"\n'},
    {"up.sh": '#!/bin/bash\nrm -rf "${CACHE}"/\nrm -rf "${CACHE:?}/tpl"\n'},
    {"up.sh": "#!/bin/bash\nset -e\nmkfs.ext4 -F /dev/sdb1\n"},
    {"up.sh": "#!/bin/bash\nset -e\nsu postgres -c 'psql -c \"DROP DATABASE app\"'\n"},
    {"up.sh": "#!/bin/bash\nset -e\npsql app <<EOF\nBEGIN;\nDROP SCHEMA old CASCADE;\nEOF\n"},
    {"scripts/a.sh": '#!/bin/bash\nOLD=$(readlink /opt/app/previous)\nrm -rf "$OLD"/var/cache/app/*\n'},
    {"scripts/b.sh": "#!/bin/sh\ncd / && rm -fr ${PREFIX}/lib\n"},
    {"app.deb!/postrm": "#!/bin/sh\nchown -R app $APP_HOME/data\n"},
    {"scripts/c.sh": '#!/bin/sh\nif [ -d x ]; then\n  find "$DIR"/ -mtime +3 -delete\nfi\n'},
)
GOOD = (
    {"up.sh": "#!/bin/sh\nset -e\nredis-cli DEL app:cache\n"},
    {"x.spec": "Name: x\n%install\nrm -rf /var/lib/x\n%files\n", "Dockerfile": "RUN rm -rf /var/lib/apt/lists/*\n"},
    {"up.sh": "#!/bin/sh\nset -e\nrm -rf /var/lib/postgresql/15/main.old /etc/nginx/sites-enabled/app /usr/lib/app\n"},
    {
        "up.sh": "#!/bin/sh\nset -e\npsql lims <<SQL\nDROP TABLE IF EXISTS n;\nCREATE TABLE n (a int);\n"
        "DROP TABLE x_tmp;\nSQL\n"
    },
    {"up.sh": '#!/bin/sh\nset -e\nfind "$LOGS" -mtime +7 -delete\nfind $LOGS -name x\n'},
    {"x.deb!/postrm": '#!/bin/sh\nset -e\nif [ "$1" = purge ]; then rm -rf /etc/nginx; fi\n'},
    {"up.sh": "#!/bin/sh\ncd /srv/app/data || exit 1\nrm -rf old-*\ncd /x && rm -f *\necho x > /var/log/app.log\n"},
    {"up.sh": "#!/bin/sh\nset -e\ncd /srv/app/data\nrm -rf old-*\n"},
    {"up.sh": "#!/bin/sh\nset -e\npkill -u a python\npkill -F /run/app.pid python\nkillall appd\npkill -f /opt/app/x.py\n"},
    {"up.sh": '#!/bin/sh\nset -e\nfor R in a b; do rm -rf "/srv/app/$R"; done\nread N\nrm -rf "/srv/$N" "/srv/$1"\n'},
    {"up.sh": "#!/bin/bash\nset -e\ndd if=/dev/zero of=/dev/null count=1\npsql -c 'DROP TABLE tmp_x'\necho mkfs /dev/sdb\n"},
    {"scripts/a.sh": '#!/bin/bash\nrm -rf "${OLD:?}"/var/cache\nrm -f "$FILE"\nrm -rf /opt/app/cache\n'},
    {"scripts/b.sh": '#!/bin/bash\nTMP=$(mktemp -d)\nrm -rf "$TMP"/x\nBASE=/opt/app\nrm -rf "$BASE/old"\n'},
    {"README.md": 'rm -rf "$OLD"/x\n'},
    {"scripts/c.sh": '#!/bin/bash\nOLD=$(readlink /x)\n[ -n "$OLD" ] || exit 1\nrm -rf "$OLD"/var\n'},
    {"x.deb!/usr/bin/d": '#!/bin/bash\nrm -rf "$OUT/venv"\n'},
    {"scripts/d.sh": '#!/bin/bash\nR=${1:-/srv/app}\nrm -rf "$R/var"\n'},
    {"x.whl!/pkg-1.dist-info/RECORD": "", "x.whl!/pkg/a.sh": '#!/bin/bash\nrm -rf "$OLD"/var\n'},
    {"usr/share/doc/x/examples/a.sh": '#!/bin/bash\nrm -rf "$OLD"/var\n'},
)
