"""A scheduled job reaches a server that no longer exists.

## What it does
Follows every cron job, systemd timer and CronJob of the package through the scripts, services, make targets, modules and
configuration files that it calls, and reports those that reach a server which `release.toml` declares as retired.

## Why it matters
The job fires at its hour whether or not anyone remembers it: it fails every night, keeps a lock or a half-written
import behind, or, when the name was taken over by someone else, sends credentials there.

## Example
```
0 3 * * * app /usr/lib/app/import     # /usr/lib/app/import: sftp import@sftp.old.example
```

## Fix
Disable the job until the vendor names a successor of the server; `fulldress adapt` comments it out with the reason, or
suspends the CronJob.

## References
- crontab(5), systemd.timer(5)
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.model.estate import Estate
from fulldress.model.finding import Cure, Finding
from fulldress.scan.jobs.callgraph import Step, reaches, short
from fulldress.scan.jobs.job import Job
from fulldress.scan.jobs.schedules import can_be_silenced, command_lines, jobs, silenced
from fulldress.scan.network.endpoints import names_host
from fulldress.scan.reading import edited, without_remark
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="schedule-retired-target",
    family="schedule",
    title="Scheduled job reaches a retired server",
    severity="critical",
    confidence="certain",
    needs=("estate",),
)


_SAYS = late(r"\s*(?:echo|printf|logger|log|warn|die|info)\s[^|>;&]*$")
"""A line of a shell script that tells a person something, and does nothing."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each job and the first retired server that it reaches."""
    for job in jobs(context):
        hit = _retired(context, job)
        if hit is not None:
            host, chain = hit
            yield Finding(
                rule=META.slug,
                severity=META.severity,
                confidence=META.confidence,
                title=f"job at “{job.schedule or job.text}” reaches the retired server {host}: {chain}",
                place=job.place,
                line=job.line,
                excerpt=job.text,
                consequence="It fires on schedule, fails, and hands its credentials to whoever answers that name.",
                fix="Disable the job; ask the vendor what replaces the server.",
                curable=can_be_silenced(job),
            )


def _retired(context: Context, job: Job) -> tuple[str, str] | None:
    """The first retired host that the job reaches, and the way there."""
    assert context.estate is not None
    found = reaches(context, job)
    for host in context.estate.retired:
        pattern = names_host(host)
        for reach in found:
            if reach.target is not None and pattern.search(reach.target.host):
                return host, reach.chain
        texts: list[tuple[str, int, str, tuple[Step, ...]]] = [
            (job.place, job.line, without_remark(job.command), (Step(job.place, job.line),))
        ]
        texts += [(r.entry.place, 0, context.text(r.entry) or "", r.steps) for r in found if r.entry is not None]
        for place, at, text, steps in texts:
            named = (at or number for number, line in command_lines(text) if pattern.search(line) and not _SAYS.match(line))
            line = next(named, 0)
            if line:
                there = "" if at else f" → {short(place)}:{line}"
                return host, " → ".join(f"{short(s.place)}:{s.line}" for s in steps) + f"{there} → {host}"
    return None


def cure(context: Context, finding: Finding) -> Cure | None:
    """Comment the job out, the reason above it."""
    reason = f"disabled by fulldress ({META.slug}): {finding.title}"
    text = silenced(context, finding, reason) if finding.curable else None
    return edited(finding.place, text, "cron job disabled: its server is retired") if text is not None else None


ESTATE = Estate(taken="2026-10-01T00:00:00Z", hosts=(), retired=("sftp.old.example",))

BAD = (
    Sample(
        files={
            "app.deb!/etc/cron.d/app-import": "SHELL=/bin/sh\n0 3 * * * app /usr/lib/app/import\n",
            "app.deb!/usr/lib/app/import": "#!/bin/sh\n. /etc/app/import.conf\nsftp -b - import@$HOST\n",
            "app.deb!/etc/app/import.conf": "HOST=SFTP.old.example.\n",
        },
        estate=ESTATE,
    ),
    Sample(
        files={
            "x.deb!/etc/cron.d/sync": "R=sftp.old.example\n*/5 * * * * app flock -n /run/l nice -n 5 sync.sh $R\n",
            "x.deb!/usr/bin/sync.sh": '#!/bin/sh\nD=$(dirname "$0")\nexec "$D"/../lib/x/run\n',
            "x.deb!/usr/lib/x/run": '#!/bin/sh\nH=${H:-sftp.old}\nscp f "in@$H.example:/in/"\n',
        },
        estate=ESTATE,
    ),
    Sample(files={"a.sh": "#!/bin/sh\necho '@daily root curl https://sftp.old.example/' >> /etc/cron.d/x\n"}, estate=ESTATE),
    Sample(files={"etc/cron.d/direct": "@daily root curl -fsS https://sftp.old.example/x\n"}, estate=ESTATE),
    Sample(
        files={
            "lib/systemd/system/pull.timer": "[Timer]\nOnCalendar=*-*-* 03:00:00\n",
            "lib/systemd/system/pull.service": "[Service]\nExecStart=/usr/bin/curl sftp://sftp.old.example/in\n",
        },
        estate=ESTATE,
    ),
    Sample(
        files={
            "k8s/pull.yaml": "kind: Service\n---\nkind: CronJob\nspec:\n  schedule: '0 3 * * *'\n  jobTemplate:\n    spec:\n"
            "      template:\n        spec:\n          containers:\n          - command:\n            - sh\n"
            "            - -c\n"
            "            - |\n              cd /tmp\n              curl -fsS https://sftp.old.example/in\n"
        },
        estate=ESTATE,
    ),
    Sample(
        files={
            "rootfs/etc/cron.d/push": '0 3 * * * root bash -lc "/opt/x/bin/push nightly"\n',
            "rootfs/opt/x/bin/push": '#!/bin/sh\nH=$(dirname "$0")\n. "$H/../lib/env"\ncd "$H/.." && make -s push\n',
            "rootfs/opt/x/lib/env": "OLD=sftp.old.example\n",
            "rootfs/opt/x/Makefile": "push: pack\n\tscp out/* lab@$$OLD:/in/\npack:\n\tmkdir -p out\n",
        },
        estate=ESTATE,
    ),
    Sample(
        files={
            "a.deb!/etc/cron.d/push": "0 3 * * * root /usr/bin/python3 -m labtools.push\n",
            "a.deb!/usr/share/lab/labtools/push.py": "import ftplib\nfrom labtools import conf\nftplib.FTP(conf.HOST)\n",
            "a.deb!/usr/share/lab/labtools/conf.py": "HOST = 'sftp.old.example'\n",
        },
        estate=ESTATE,
    ),
)
GOOD = (
    Sample(
        files={
            "etc/cron.d/a": "0 3 * * * root /opt/x/run\n",
            "opt/x/run": '#!/bin/sh\necho "moved away from sftp.old.example"\nsftp lab@sftp.new.example\n',
        },
        estate=ESTATE,
    ),
    Sample(files={"etc/cron.d/app": "# was: sftp.old.example\n0 3 * * * app /usr/lib/app/import\n"}, estate=ESTATE),
    Sample(
        files={
            "etc/cron.d/app": "0 3 * * * app /usr/lib/app/import\n",
            "usr/lib/app/import": "#!/bin/sh\n# moved from sftp.old.example\nsftp import@sftp.new.example\n",
        },
        estate=ESTATE,
    ),
    Sample(files={"etc/cron.d/a": "0 3 * * * root /bin/true # was: curl https://sftp.old.example/in\n"}, estate=ESTATE),
    Sample(
        files={
            "k8s/pull.yaml": "kind: CronJob\nspec:\n  schedule: '0 3 * * *'\n  suspend: true\n  jobTemplate: {}\n"
            "  command: [curl, 'https://sftp.old.example/']\n"
        },
        estate=ESTATE,
    ),
    Sample(files={"etc/cron.d/other": "0 3 * * * app curl https://my-sftp.old.example.net/\n"}, estate=ESTATE),
)
