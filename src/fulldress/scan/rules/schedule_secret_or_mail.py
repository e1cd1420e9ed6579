"""A crontab holds a secret, or sends the output of its jobs away.

## What it does
Reads the settings of crontabs: passwords and tokens as environment lines, `MAILTO=` of an address outside, and an empty
`MAILTO=` above jobs that do not keep their output anywhere.

## Why it matters
Everyone who may read `/etc/cron.d` (0644, all users) reads the secret, and every child process inherits it. Output that is
mailed outside carries host names, paths and data away; output that goes nowhere hides that the job has been failing
for weeks.

## Example
```
API_TOKEN=7f3a...
MAILTO=monitoring@vendor.example
```

## Fix
Keep the secret in a file that only the job's user may read, and let the command read it. Point MAILTO at your own people.

## References
- crontab(5) MAILTO; CWE-526 Exposure of Sensitive Information Through Environmental Variables
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats import cronlint
from fulldress.formats.cronlint import Setting
from fulldress.formats.late import late
from fulldress.model.finding import Finding
from fulldress.scan.jobs.callgraph import short
from fulldress.scan.jobs.schedules import tables
from fulldress.scan.network.endpoints import outside
from fulldress.scan.reading import Crontab
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="schedule-secret-or-mail",
    family="schedule",
    title="Crontab holds a secret or loses output",
    severity="high",
    confidence="likely",
)
_SECRET = late(r"(?i)(pass(word|wd|phrase)?|secret|token|api_?key|credential|access_?key)$|^(pgpassword|mysql_pwd)$")
_HARMLESS = late(r"^(\$|/|$|<|\{\{|@[A-Z_]+@|changeme$|x+$|\*+$)")
_KEPT = late(r">|\|\s*(logger|systemd-cat|tee|mail|chronic)|\b(chronic|logger|systemd-cat)\b")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each such line."""
    for table in tables(context):
        for setting in cronlint.settings(table.text):
            if _SECRET.search(setting.name) and not _HARMLESS.search(setting.value):
                yield _secret(table, setting)
            elif setting.name == "MAILTO":
                yield from _mail(table, setting)


def _secret(table: Crontab, setting: Setting) -> Finding:
    return Finding(
        rule=META.slug,
        severity="high",
        confidence="likely",
        title=f"{short(table.entry.place)} sets {setting.name} where every user of the host can read it",
        place=table.entry.place,
        line=setting.line,
        excerpt=f"{setting.name}=<secret>",
        consequence="Whoever has an account on the host has the secret; so has every process that the jobs start.",
        fix="Keep it in a file that only the job's user may read; change the secret.",
    )


def _mail(table: Crontab, setting: Setting) -> Iterator[Finding]:
    addresses = [a.strip() for a in setting.value.split(",") if "@" in a and outside(a.strip().rpartition("@")[2])]
    silent = [j for j in table.jobs if j.line > setting.line and not _KEPT.search(j.command)]
    if addresses:
        title = f"the output of {short(table.entry.place)} is mailed outside: {', '.join(addresses)}"
        why, fix = "Host names, paths and data leave the house with every run.", "Point MAILTO at your own people."
    elif not setting.value and silent:
        title = f"the output of {len(silent)} job{'s' if len(silent) > 1 else ''} of {short(table.entry.place)} goes nowhere"
        why, fix = "A job that fails every night is noticed by nobody.", "Send the output to the journal or to a mailbox."
    else:
        return
    yield Finding(
        rule=META.slug,
        severity="medium" if addresses else "low",
        confidence="certain",
        title=title,
        place=table.entry.place,
        line=setting.line,
        excerpt=f"MAILTO={setting.value}",
        consequence=why,
        fix=fix,
    )


BAD = (
    {"x.deb!/etc/cron.d/a": "API_TOKEN=7Qm2xV9kRt4LpZs8\n0 3 * * * app /usr/bin/imp\n"},
    {"x.deb!/etc/cron.d/a": "MAILTO=ops@vendor-cloud.net\n0 3 * * * app /usr/bin/imp\n"},
    {"x.deb!/etc/cron.d/a": 'MAILTO=""\n0 3 * * * app /usr/bin/imp\n'},
)
GOOD = (
    {"x.deb!/etc/cron.d/a": "MAILTO=root\nTOKEN_FILE=/etc/app/token\n0 3 * * * app /usr/bin/imp\n"},
    {"x.deb!/etc/cron.d/a": 'MAILTO=""\n0 3 * * * app /usr/bin/imp >>/var/log/imp.log 2>&1\n'},
    {"x.deb!/etc/cron.d/a": "# API_TOKEN=7Qm2xV9kRt4LpZs8\nAPI_TOKEN=$VAULT\n0 3 * * * app /usr/bin/imp\n"},
)
