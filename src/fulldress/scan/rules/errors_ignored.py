"""A script that changes the host goes on after errors.

## What it does
Finds shell scripts with commands that change something (services, packages, files, databases, outside endpoints) and
that do not set `-e`. The upgrade's own scripts and those that scheduled jobs run are looked at; programs that the package
installs, init scripts, libraries and tests have their own ways.

## Why it matters
The first failure is a line in a log that scrolls by; the script carries on over the gap and ends with exit code 0.

## Example
```
#!/bin/bash
systemctl stop app
psql -f migration.sql
systemctl start app
```

## Fix
`fulldress adapt` writes `set -euo pipefail` (as much of it as the script's shell and its variables bear) at the top.

## References
- bash(1) `set`; ShellCheck SC2164
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.formats.shell import Command
from fulldress.model.finding import Cure, Finding
from fulldress.scan.jobs.callgraph import files as files_of
from fulldress.scan.jobs.schedules import jobs
from fulldress.scan.reading import Script, encode, scripts, stops_on_errors
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="errors-ignored",
    family="privilege",
    title="Script goes on after errors",
    severity="medium",
    confidence="likely",
)
CHANGING = frozenset(
    {
        *("systemctl", "service", "invoke-rc.d", "update-rc.d", "crontab", "docker"),
        *("dpkg", "apt", "apt-get", "rpm", "dnf", "yum", "pip", "pip3", "npm"),
        *("rm", "cp", "mv", "install", "ln", "mkdir", "chmod", "chown", "rsync", "tar", "unzip", "sed", "tee"),
        *("psql", "mysql", "useradd", "usermod", "groupadd", "curl", "wget", "sftp", "scp"),
        *("bash", "sh"),
    }
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for all scripts that change things and ignore errors, at the one that changes most."""
    found = sorted(careless(context), key=lambda hit: (role(context, hit[0].entry.place) != "upgrade", -len(hit[1])))
    if found:
        script, changing = found[0]
        names = [s.entry.place.rpartition("/")[2] for s, _ in found]
        them = (
            f"{names[0]} changes things and ignores" if len(names) == 1 else f"{len(names)} scripts change things and ignore"
        )
        yield Finding(
            rule=META.slug,
            severity=META.severity if role(context, script.entry.place) == "upgrade" else "low",
            confidence=META.confidence,
            title=f"{them} errors: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}",
            place=script.entry.place,
            line=changing[0].line,
            excerpt="; ".join(f"{shell.unwrapped(c)[0].rpartition('/')[2]} (line {c.line})" for c in changing[:6]),
            consequence="After the first failure it works on in an unknown state, and reports success.",
            fix="Stop at the first error.",
            curable=True,
        )


def careless(context: Context) -> Iterator[tuple[Script, list[Command]]]:
    """Scripts that go on after errors, with the commands by which they change things."""
    scheduled = {entry.place for job in jobs(context) for entry in files_of(context, job)}
    for script in scripts(context):
        if role(context, script.entry.place) != "upgrade" and script.entry.place not in scheduled:
            continue
        changing = [c for c in script.commands if _changes(c)]
        if changing and not stops_on_errors(script):
            yield script, changing


def _changes(command: Command) -> bool:
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    if name == "systemctl":
        return len(argv) > 1 and argv[1] not in ("status", "is-active", "is-enabled", "show", "cat", "list-units")
    if name == "sed":
        return any(w.startswith(("-i", "--in-place")) for w in argv)
    return name in CHANGING


def cure(context: Context, finding: Finding) -> Cure | None:
    """Write the strictest `set` that each script bears, below its opening comment."""
    del finding  # one for the whole package
    edits: dict[str, bytes | None] = {}
    for script, _ in careless(context):
        lines = script.text.split("\n")
        at = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
        lines.insert(at, strictest(script.text))
        edits[script.entry.place] = encode("\n".join(lines))
    return Cure(edits=edits, note="the scripts stop at their first error") if edits else None


def strictest(text: str) -> str:
    """``set -euo pipefail`` for bash, without pipefail for sh, without -u where a variable comes from elsewhere."""
    bash = re.match(r"#![^\n]*\b(bash|zsh|ksh)", text) is not None
    used = set(re.findall(r"\$\{?([A-Za-z_]\w*|\d)", text)) - {"HOME", "PATH", "PWD", "0", "BASH_SOURCE"}
    assigned = set(re.findall(r"(?m)(?:^|[\s;(])([A-Za-z_]\w*)=", text)) | set(re.findall(r"\bfor\s+(\w+)\b", text))
    unset = "u" if used <= assigned else ""
    return f"set -e{unset}o pipefail" if bash else f"set -e{unset}"


BAD = (
    {"scripts/a.sh": "#!/bin/bash\n# Restarts.\nsystemctl stop app\nsystemctl start app\n"},
    {"app.deb!/postinst": '#!/bin/sh\nif [ "$1" = configure ]; then ln -sfn /opt/app/5 /opt/app/current; fi\n'},
    {"scripts/b.sh": '#!/bin/bash\ncd "$(dirname "$0")/.."\nOLD=/x\ncp -a "$OLD" /y | cat\n'},
)
GOOD = (
    {"scripts/a.sh": "#!/bin/bash\nset -euo pipefail\nsystemctl stop app\n"},
    {"scripts/b.sh": "#!/bin/sh -e\nrm -f /x\n"},
    {"scripts/c.sh": "#!/bin/bash\nset -o errexit\nrm -f /x\n"},
    {"scripts/d.sh": "#!/bin/bash\nsystemctl status app\necho done\n"},
    {"x.deb!/etc/init.d/a": "#!/bin/sh\nmkdir -p /run/a\nrm -f /run/a/x\n"},
    {"x.deb!/usr/bin/a": "#!/bin/sh\nrm -f /run/a/x\n"},
)
