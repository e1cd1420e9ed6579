"""A scheduled job may start again before its last run has ended.

## What it does
Finds cron jobs that fire every fifteen minutes or more often and do slow work (copy over the network, talk to a database,
fetch from another host, archive) in the scripts they call, without `flock` or another lock. Timers are left alone:
systemd does not start a service that still runs.

## Why it matters
When the other side is slow, runs pile up: ten imports of the same file, ten dumps, until memory or connections are gone.
During an upgrade everything is slower than usual.

## Example
```
*/5 * * * * app /usr/lib/app/import
```

## Fix
`fulldress adapt` puts `flock -n` before the command: a run that finds another one going ends at once.

## References
- flock(1), crontab(5)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.model.finding import Cure, Finding
from fulldress.scan.jobs.callgraph import Reach, reaches
from fulldress.scan.jobs.job import Job
from fulldress.scan.jobs.schedules import idle_under_systemd, jobs, period_of
from fulldress.scan.reading import Script, current_text, edited, script_at
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="job-overlap",
    family="schedule",
    title="Job may overlap itself",
    severity="medium",
    confidence="likely",
)
SHORT_S = 900.0
_SLOW = """
    rsync scp sftp lftp ftp ssh curl wget psql mysql mariadb pg_dump mysqldump pg_basebackup tar gzip zip borg restic
"""
SLOW = frozenset(_SLOW.split())
_LOCKS = late(
    r"\b(flock|lockfile(?:-create)?|setlock|run-one|solo|chronic-lock|dotlockfile|pg_try_advisory_lock|pidof|pgrep|lockrun)\b"
    r"|\.(pid|lock)\b|fcntl\.|FileLock|LockFile"
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each job."""
    for job in jobs(context):
        if job.kind != "cron" or idle_under_systemd(job) or not 0 < period_of(job) <= SHORT_S:
            continue
        found = reaches(context, job)
        slow = _slow(context, job, found)
        if slow and not _locked(context, job, found):
            yield Finding(
                rule=META.slug,
                severity=META.severity,
                confidence=META.confidence,
                title=f"job “{job.schedule}” runs {slow} without a lock: its runs can overlap",
                place=job.place,
                line=job.line,
                excerpt=job.text,
                consequence="When one run is slow, the next ones pile up on it, until connections or memory are gone.",
                fix="Run it under flock -n.",
                curable=_changed(context, job) is not None,
            )


def _slow(context: Context, job: Job, found: list[Reach]) -> str:
    texts = [shell.commands(job.command)]
    for reach in found:
        script: Script | None = script_at(context, reach.entry.place) if reach.entry is not None else None
        if script is not None:
            texts.append(script.commands)
    names = [shell.unwrapped(c)[0].rpartition("/")[2] for commands in texts for c in commands if shell.unwrapped(c)]
    program = next((name for name in names if name in SLOW), "")
    target = next((reach.target.url for reach in found if reach.target is not None), "")
    return program or (f"something that talks to {target}" if target else "")


def _locked(context: Context, job: Job, found: list[Reach]) -> bool:
    if _LOCKS.search(job.command):
        return True
    return any(reach.entry is not None and _LOCKS.search(context.text(reach.entry) or "") for reach in found)


def _changed(context: Context, job: Job) -> str | None:
    """The text of the job's file with the command under flock; None where the line is not a crontab's own."""
    text = current_text(context, job.place)
    if text is None or shell.is_shell(job.place, text) or job.line > text.count("\n") + 1:
        return None
    lines = text.split("\n")
    line = lines[job.line - 1]
    at = line.rfind(job.command)
    if at < 0:
        return None
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", job.place.rpartition("/")[2]) or "job"
    lock = f"flock -n /run/lock/{name}-{job.line}.lock"
    simple = len(shell.commands(job.command)) == 1 and not re.search(r"[|&;<>]|^\w+=|\bcd\b", job.command)
    quoted = job.command.replace("'", "'\\''")
    lines[job.line - 1] = line[:at] + (f"{lock} {job.command}" if simple else f"{lock} -c '{quoted}'")
    return "\n".join(lines)


def cure(context: Context, finding: Finding) -> Cure | None:
    """The command under ``flock -n``."""
    job = next((j for j in jobs(context) if (j.place, j.line) == (finding.place, finding.line)), None)
    text = _changed(context, job) if job is not None else None
    return edited(finding.place, text, "one run at a time: under flock -n") if text is not None else None


BAD = (
    {"x.deb!/etc/cron.d/a": "*/5 * * * * app rsync -a /srv/in/ backup:/in/\n"},
    {
        "x.deb!/etc/cron.d/a": "* * * * * app cd /srv && /usr/bin/imp >/dev/null 2>&1\n",
        "x.deb!/usr/bin/imp": "#!/bin/sh\nset -e\npsql -d app -c 'select imp()'\n",
    },
)
GOOD = (
    {"x.deb!/etc/cron.d/a": "*/5 * * * * app flock -n /run/l rsync -a /srv/in/ backup:/in/\n"},
    {"x.deb!/etc/cron.d/a": "0 3 * * * app rsync -a /srv/in/ backup:/in/\n"},
    {"x.deb!/etc/cron.d/a": "*/5 * * * * app test -e /run/x && touch /run/y\n"},
    {
        "x.deb!/etc/cron.d/a": "* * * * * app /usr/bin/imp\n",
        "x.deb!/usr/bin/imp": "#!/bin/sh\nexec 9>/run/imp.lock\nflock -n 9 || exit 0\npsql -d app -c 'select imp()'\n",
    },
    {
        "lib/systemd/system/a.timer": "[Timer]\nOnCalendar=*:0/5\n",
        "lib/systemd/system/a.service": "[Service]\nExecStart=/usr/bin/rsync -a /srv/in/ backup:/in/\n",
    },
)
