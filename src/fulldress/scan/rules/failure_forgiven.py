"""A step that must not fail is allowed to.

## What it does
Finds `|| true`, `|| :` and `|| echo ...` behind commands on which the upgrade stands: migrations, dumps and backups,
installing packages, unpacking, copying the new version; dumps before a pipe without `pipefail`, and migrations in the
background that nobody waits for; and `cd` into a folder that may not be there, before commands that
work on the current folder, in a script that goes on after errors. What packages forgive as a matter of course (debconf,
services, users, clean-up in maintainer scripts) is left alone.

## Why it matters
The script says "done" over a migration that never ran, or a backup that is empty; the next step works on that.

## Example
```
pg_dump app > /backup/app.sql || true
psql -f 0051.sql || echo "already applied?"
```

## Fix
`fulldress adapt` takes the pardon away, so that the script ends where the step failed.

## References
- bash(1) Lists; ShellCheck SC2164
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell, shellflow
from fulldress.formats.late import late
from fulldress.formats.shell import Command, Edit
from fulldress.model.finding import Cure, Finding, Severity
from fulldress.scan.credentials import secrets
from fulldress.scan.reading import Script, edited, script_at, scripts, stops_on_errors
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="failure-forgiven",
    family="privilege",
    title="A step that must not fail is allowed to",
    severity="high",
    confidence="likely",
)
_VITAL = """
    psql mysql mariadb flyway liquibase alembic sqlplus mongosh pg_dump pg_dumpall pg_basebackup mysqldump pg_restore
    tar unzip rsync borg restic dpkg rpm
"""
VITAL = frozenset(_VITAL.split())
_INSTALLS = late(r"(apt|apt-get|dnf|yum|zypper|pip3?)$")
_LOCAL = frozenset(["rm", "cp", "mv", "tar", "chmod", "chown", "unzip", "find", "ln"])


class _Pardon(NamedTuple):
    command: Command
    what: str


def check(context: Context) -> Iterator[Finding]:
    """One finding for each pardoned step, and for each cd that nothing checks."""
    for script in scripts(context):
        if role(context, script.entry.place) != "upgrade":
            continue
        for pardon in _pardons(script):
            yield _finding(script, pardon.command, f"{_name(pardon.command)} may fail unnoticed: “|| {pardon.what}”", True)
        for command, title in _unseen(script):
            yield _finding(script, command, title, True, severity="medium", curable=False)
        for command in _blind_cd(script):
            yield _finding(
                script, command, f"goes on where it is when “{command.text}” fails", False, wipes=_wiping(script, command)
            )


def _finding(
    script: Script,
    command: Command,
    title: str,
    vital: bool,
    *,
    wipes: int = 0,
    severity: Severity = META.severity,
    curable: bool = True,
) -> Finding:
    return Finding(
        rule=META.slug,
        severity=(META.severity if wipes else severity) if vital or wipes else "medium",
        confidence=META.confidence,
        title=secrets.hidden(title)[:200],
        place=script.entry.place,
        line=command.line,
        excerpt=secrets.hidden(command.text)[:200],
        consequence="The script reports success over a step that did not happen, and the next one builds on it."
        if vital
        else f"The rm below (line {wipes}) empties the wrong folder."
        if wipes
        else "The commands below work in the wrong folder.",
        fix="Let the script end there." if vital else "Write cd ... || exit 1.",
        curable=curable,
    )


def _wiping(script: Script, cd: Command) -> int:
    """The line, soon after, that removes by a pattern what is in the folder that the script is in; 0 for none."""
    after = [c for c in script.commands if c.start > cd.start][:3]
    return next(
        (
            c.line
            for c in after
            if _name(c) == "rm"
            and any(re.match(r"-\w*[rR]", w) for w in c.argv)
            and any(w in ("*", ".", "./*", "..") for w in c.argv)
        ),
        0,
    )


def _name(command: Command) -> str:
    argv = shell.unwrapped(command)
    return argv[0].rpartition("/")[2] if argv else ""


def _pardons(script: Script) -> Iterator[_Pardon]:
    at = dict(shellflow.forgiven(script.text)) if "||" in script.text else {}
    for command in script.commands:
        what = at.get(command.start)
        if what is None:
            continue
        name, words = _name(command), shell.unwrapped(command)
        own = re.search(r"(?:^|/)[\w-]*(?:migrat|schema|backup|restore|dump)[\w-]*\.(?:sh|py|pl|rb|php)$", command.argv[0])
        inner = [_name(c) for text in shell.nested(command) for c in shell.commands(text)]
        installs = _INSTALLS.match(name) and "install" in words
        unpacks = name != "dpkg" or any(w in ("-i", "--install", "--unpack") for w in words)
        if (name in VITAL and unpacks) or installs or own or any(n in VITAL for n in inner):
            yield _Pardon(command, what[:40])


_DUMPS = frozenset(
    ("pg_dump", "pg_dumpall", "pg_basebackup", "mysqldump", "mariadb-dump", "mongodump", "mariabackup", "xtrabackup")
)
_BEHIND = late(r"^[^\S\n]*(?:[12]?&?>{1,2}[^\S\n]*\S+[^\S\n]*)*&(?![&>])")
_MIGRATES = late(r"\bdb:migrate\b|\bmigrate\b|\breindex\b|\bupgrade\b|\bbackup\b")


def _unseen(script: Script) -> Iterator[tuple[Command, str]]:
    """Steps whose failure nobody can see: a dump before a pipe, work that goes on behind the script's back."""
    text = script.text
    behind = re.search(r"&[^\S\n]*(?:$|[\n)};#])", text) is not None
    for command in script.commands:
        name = _name(command)
        if name in _DUMPS and command.pipes_to and "pipefail" not in text:
            yield command, f"{name} may fail unnoticed: of “{name} | {command.pipes_to}” only the end is looked at"
        elif (
            behind
            and (name in VITAL or command.argv[0].rpartition("/")[2] == "nohup" or _MIGRATES.search(command.text))
            and _BEHIND.match(shell.encode(text)[command.end : command.end + 120].decode("utf-8", "replace"))
            and not re.search(r"(?m)^[^\S\n]*wait\b", text)
        ):
            yield command, f"“{command.text[:60]}” goes on in the background, and nobody waits for it"


def _blind_cd(script: Script) -> Iterator[Command]:
    """``cd X`` on a line of its own, in a script without -e, with work on relative paths below it."""
    if stops_on_errors(script):
        return
    lines = script.text.split("\n")
    commands = script.commands
    for index, command in enumerate(commands[:-1]):
        if command.name != "cd" or len(command.argv) < 2 or lines[command.line - 1].strip() != command.text.strip():
            continue
        if "dirname" in command.text or command.argv[1] in ("/", "~", "-", ".."):
            continue
        following = commands[index + 1 : index + 4]
        if any(_name(c) in _LOCAL and any(not w.startswith(("/", "-", "$")) for w in c.argv[1:]) for c in following):
            yield command


def cure(context: Context, finding: Finding) -> Cure | None:
    """Without the pardon; or ``cd X || exit 1``."""
    script = script_at(context, finding.place)
    command = next((c for c in script.commands if c.line == finding.line), None) if script is not None else None
    if script is None or command is None:
        return None
    if command.name == "cd":
        edits = [Edit(command.end, command.end, " || exit 1")]
    else:
        rest = shell.encode(script.text)[command.start :].split(b"\n" if not command.heredoc else b"\0", 1)[0]
        pardon = re.search(rb"[ \t]*\|\|[ \t]*(true|:|/bin/true|exit 0|echo\b[^\n;&|]*)(?=[ \t]*(?:$|;|\)|\n|#))", rest)
        if pardon is None:
            return None
        edits = [Edit(command.start + pardon.start(), command.start + pardon.end(), "")]
    text = shell.splice(script.text, edits)
    if not shell.parses(text) and shell.parses(script.text):
        return None
    return edited(finding.place, text, "the script ends where this step fails")


BAD = (
    {"scripts/w.sh": "#!/bin/bash\ncd /opt/app/webapps\nrm -rf *\n"},
    {"scripts/a.sh": "#!/bin/bash\nset -e\npg_dump app > /backup/app.sql || true\n"},
    {"scripts/b.sh": '#!/bin/bash\nset -e\nsu postgres -c "psql -f 0051.sql" || echo "already applied?"\n'},
    {"scripts/c.sh": "#!/bin/bash\ncd /opt/app/old\nrm -rf cache tmp\n"},
    {"scripts/d.sh": "#!/bin/bash\nset -e\ndpkg -i x.deb || :\n"},
    {"scripts/i.sh": "#!/bin/bash\nset -e\n\"$KIT/db/migrate.sh\" || echo 'had warnings'\n"},
    {"scripts/f.sh": "#!/bin/bash\nset -e\nmysqldump app | gzip > /b/app.sql.gz\n"},
    {"scripts/g.sh": "#!/bin/bash\nset -e\nnohup ./bin/reindex.sh > /dev/null &\n"},
    {"scripts/h.sh": "#!/bin/bash\nset -e\nbin/rails db:migrate &\nbin/rails assets:precompile\n"},
)
GOOD = (
    {"scripts/f.sh": "#!/bin/bash\nset -eo pipefail\nmysqldump app | gzip > /b/app.sql.gz\n"},
    {"scripts/g.sh": "#!/bin/bash\nset -e\npsql -f a.sql &\npsql -f b.sql &\nwait\nbin/rails db:migrate && echo ok\n"},
    {"postinst": "#!/bin/sh\nset -e\nsystemctl daemon-reload || true\nrm -f /x || true\nadduser --system app || true\n"},
    {"scripts/a.sh": "#!/bin/bash\nset -e\npg_dump app > /b/app.sql || exit 1\ngrep -q x /y || true\n"},
    {"scripts/b.sh": "#!/bin/bash\nset -e\ncd /opt/app/old\nrm -rf cache\n"},
    {"scripts/c.sh": "#!/bin/bash\ncd /opt/app/old || exit 1\nrm -rf cache\n"},
    {"x.deb!/usr/bin/a": "#!/bin/bash\npsql -c 'select 1' || true\n"},
)
