"""A scheduled job is written in a way in which cron does not run it, or not as meant.

## What it does
Reads crontabs as Debian's cron does and reports what it passes over without a word: a file of `/etc/cron.d` or
`/etc/cron.daily` with a dot in its name, a line without the user field, a last line without a newline (either drops the
whole file), a file that its group or everyone may write, a script that is not executable, `CRON_TZ` (unknown to
Debian's cron), and a bare `%`, which ends the command and becomes its input.

## Why it matters
The job is there for everyone who looks, and never runs: the backup, the clean-up, the import that the vendor's manual
counts on. Nothing says so but a line in syslog.

## Example
```
etc/cron.d/app.backup                     # a dot in the name: ignored
30 1 * * * /usr/bin/backup $(date +%F)    # no user, and % cuts the command
```

## Fix
`fulldress adapt` adds the user and the newline and escapes `%`. Names and modes need the vendor, or a step of the plan.

## References
- cron(8), crontab(5), run-parts(8) of Debian
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import cronlint
from fulldress.formats.cronlint import Flaw
from fulldress.formats.late import late
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import Entry
from fulldress.scan.jobs.callgraph import short
from fulldress.scan.jobs.schedules import is_debian, is_system, tables
from fulldress.scan.reading import current_text, edited, scripts, with_line
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="cron-line-ignored",
    family="schedule",
    title="Cron does not run this job",
    severity="medium",
    confidence="certain",
)
_FOLDER = late(r"(?:^|[!/])etc/cron\.(d|hourly|daily|weekly|monthly)/([^/]+)$")
_LEFT_BEHIND = late(r"^\.|~$|\.(dpkg-\w+|rpm\w+|orig|bak|disabled|placeholder|README)$", re.IGNORECASE)
_SAYS = {
    "newline": "the last line has no newline: cron drops the whole file",
    "user": "there is no user before the command: cron drops the whole file",
    "percent": "a bare % ends the command; the rest becomes its input",
    "fields": "cron cannot read this line",
    "zone": "CRON_TZ means nothing to Debian's cron: the job follows the host's clock",
}


class _Ignored(NamedTuple):
    entry: Entry
    line: int
    why: str
    text: str
    curable: bool


def check(context: Context) -> Iterator[Finding]:
    """One finding for each file with the same trouble."""
    for hit in (*_lines(context), *_files(context), *_targets(context)):
        yield Finding(
            rule=META.slug,
            severity=META.severity,
            confidence=META.confidence,
            title=f"{short(hit.entry.place)}: {hit.why}",
            place=hit.entry.place,
            line=hit.line,
            excerpt=hit.text,
            consequence="The job does not run (or not as meant), and nobody is told.",
            fix="Write it as cron reads it." if hit.curable else "Have the vendor name and ship it as cron wants it.",
            curable=hit.curable,
        )


def _lines(context: Context) -> Iterator[_Ignored]:
    for table in tables(context):
        for flaw in cronlint.flaws(table.text, system=is_system(table)):
            if flaw.trouble != "fields" or table.jobs:
                yield _Ignored(table.entry, flaw.line, _SAYS[flaw.trouble], flaw.text, flaw.trouble != "fields")
        zone = next((s for s in cronlint.settings(table.text) if s.name == "CRON_TZ"), None)
        if zone is not None and table.jobs and is_debian(context, table.entry.place):
            yield _Ignored(table.entry, zone.line, _SAYS["zone"], f"CRON_TZ={zone.value}", False)


def _files(context: Context) -> Iterator[_Ignored]:
    for entry in context.holding("etc/cron."):
        match = _FOLDER.search(entry.place)
        if match is None or _LEFT_BEHIND.search(match[2]) or entry.kind == "directory":
            continue
        if not cronlint.PARTS_NAME.fullmatch(match[2]) and is_debian(context, entry.place):
            yield _Ignored(
                entry, 0, "cron passes over names with a dot (or anything but letters, digits, _ and -)", "", False
            )
        elif entry.mode & 0o022 and match[1] == "d":
            yield _Ignored(entry, 0, f"mode {entry.mode & 0o777:o}: cron refuses files that others may write", "", False)
        elif match[1] != "d" and not entry.mode & 0o111 and ".deb!" in entry.place:
            yield _Ignored(entry, 0, f"mode {entry.mode & 0o777:o}: run-parts passes over what is not executable", "", False)


_DOTTED = late(r"/etc/cron\.(?:d|hourly|daily|weekly|monthly)/([\w-]*\.[\w.-]*\w)[\"']?$")


def _targets(context: Context) -> Iterator[_Ignored]:
    """Files that a script writes for cron under a name that cron passes over."""
    for script in scripts(context):
        for command in script.commands if is_debian(context, script.entry.place) else ():
            written = [command.argv[-1]] if command.name in ("cp", "install", "mv", "ln", "tee") else []
            for target in (*written, *command.redirects, *(command.pipes_args if command.pipes_to == "tee" else ())):
                named = _DOTTED.search(target)
                if named is not None and not _LEFT_BEHIND.search(named[1]):
                    yield _Ignored(script.entry, command.line, f"cron passes over {named[1]}: a dot", command.text, False)


def cure(context: Context, finding: Finding) -> Cure | None:
    """The missing user (root unless another job of the file names one), the newline, the escaped %."""
    text = current_text(context, finding.place)
    table = next((t for t in tables(context) if t.entry.place == finding.place), None)
    if text is None or table is None or not finding.line:
        return None
    flaw = next(
        (
            f
            for f in cronlint.flaws(text, system=is_system(table))
            if f.line == finding.line and finding.title.endswith(_SAYS[f.trouble])
        ),
        None,
    )
    if flaw is None:
        return None
    wrong = {f.line for f in cronlint.flaws(text, system=is_system(table))}
    user = next((job.user for job in table.jobs if job.line not in wrong), "root")
    return edited(finding.place, _mended(text, flaw, user), "cron runs the job now")


def _mended(text: str, flaw: Flaw, user: str) -> str:
    if flaw.trouble == "newline":
        return text + "\n"
    if flaw.trouble == "user":
        return with_line(text, flaw.line, lambda line: cronlint.with_user(line, user or "root"))
    return with_line(text, flaw.line, cronlint.escaped)


BAD = (
    {
        "up.sh": "#!/bin/sh\nset -e\ninstall -m 644 cron/acme /etc/cron.d/acme\n",
        "cron/acme": "30 2 * * * /opt/bin/report --all\n*/5 * * * * acme date +%F\n",
    },
    {"postinst": "#!/bin/sh\nset -e\ncp /usr/share/app/cron /etc/cron.d/app.conf\n"},
    {"app/cron/jobs": "0 1 * * * app /opt/bin/x\n0 2 * * * /opt/bin/report\n0 3 * * * app /opt/bin/y\n"},
    {"app.deb!/etc/cron.d/app": "30 1 * * * /usr/bin/backup\n"},
    {"app.deb!/etc/cron.d/app": "30 1 * * * root /usr/bin/backup"},
    {"app.deb!/etc/cron.d/app": "30 1 * * * root tar -cf /b/$(date +%F).tar /srv\n"},
    {"app.deb!/etc/cron.d/app.backup": "30 1 * * * root /usr/bin/backup\n"},
    {"app.deb!/etc/cron.daily/backup.sh": "#!/bin/sh\nexec /usr/bin/backup\n"},
    {"app.deb!/etc/cron.d/app": "CRON_TZ=UTC\n30 1 * * * root /usr/bin/backup\n"},
    {"app.deb!/etc/cron.d/app": "@daily curl -fsS http://127.0.0.1/x\n0 1 * * * app /usr/bin/x\n"},
)
GOOD = (
    {"app.deb!/etc/cron.d/app": "PATH=/bin\n30 1 * * * root tar -cf /b/$(date +\\%F).tar /srv\n# end"},
    {"app.deb!/etc/cron.d/.placeholder": "# keep this folder\n"},
    {"app.deb!/etc/cron.d/app": "*/5 * * * * www-data [ -x /usr/bin/x ] && /usr/bin/x\n@reboot root /usr/bin/x\n"},
    {"app.rpm!/etc/cron.d/app.x": "30 1 * * * root /usr/bin/backup\n"},
    {"postinst": "#!/bin/sh\nset -e\ncp /usr/share/app/cron /etc/cron.d/app\nrm -f /etc/cron.d/app.conf\n"},
    {"var/spool/cron/crontabs/app": "30 1 * * * /usr/bin/backup\n"},
)
