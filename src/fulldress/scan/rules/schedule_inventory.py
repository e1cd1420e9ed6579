"""What the package schedules on the hosts.

## What it does
Lists every job that the package brings: crontabs, lines that its scripts write into one, files copied to `/etc/cron.d`,
run-parts folders, systemd timers, `at`, pg_cron, Quartz and Spring, celery beat, Kubernetes CronJobs, Windows tasks, calls
of node-cron, Laravel, APScheduler and their like, Oracle's and MySQL's schedulers; crontabs by name and content; and
for each the hosts that it reaches through the scripts it calls.

## Why it matters
Scheduled work starts when nobody watches, with rights that nobody gave it that day. A job that is new with this package
belongs into the runbook, and its targets into the firewall and the rehearsal's sink.

## Example
```
0 3 * * * app /usr/lib/app/import      # → usr/lib/app/import:14 → sftp://partner.example
```

## Fix
Nothing by itself: read the list, and ask the vendor about jobs that you did not expect.

## References
- crontab(5), systemd.timer(5)
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.cronlint import PARTS_NAME
from fulldress.formats.late import late
from fulldress.model.finding import Finding
from fulldress.scan.jobs import scheduled_code
from fulldress.scan.jobs.callgraph import hosts, short
from fulldress.scan.jobs.schedules import jobs
from fulldress.scan.network.endpoints import outside
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="schedule-inventory",
    family="schedule",
    title="The package schedules work",
    severity="info",
    confidence="certain",
)
LOOKS_FOR = scheduled_code.LOOKS_FOR
_PARTS = late(r"(^|/)etc/cron\.(hourly|daily|weekly|monthly)/([^/]+)$")


def check(context: Context) -> Iterator[Finding]:
    """One finding for the package: how many jobs there are, the first of them, where they lead."""
    found = jobs(context)
    lines = [f"{short(j.place)}:{j.line} “{j.schedule or j.kind}”" for j in found]
    places = [(j.place, j.line) for j in found]
    for entry in context.holding("etc/cron."):
        part = _PARTS.search(entry.place)
        if part is not None and PARTS_NAME.fullmatch(part[3]):
            lines.append(f"{short(entry.place)} ({part[2]})")
            places.append((entry.place, 0))
    if not lines:
        return
    reached = [reach for job in found for reach in hosts(context, job)]
    chains = [reach.chain for reach in reached if reach.target is not None and outside(reach.target.host)]
    beyond = f" They reach: {'; '.join(chains[:5])}{' …' if len(chains) > 5 else ''}." if chains else ""
    yield Finding(
        rule=META.slug,
        severity="low" if chains else META.severity,
        confidence=META.confidence,
        title=f"the package schedules {len(lines)} job{'s' if len(lines) > 1 else ''}"
        + (f"; {len(chains)} reach a host outside" if chains else ""),
        place=places[0][0],
        line=places[0][1],
        excerpt="; ".join(lines[:6]) + (" …" if len(lines) > 6 else ""),
        consequence=f"They run when nobody watches.{beyond}",
        fix="Put them into the runbook; ask the vendor about those that you did not expect.",
    )


BAD = (
    {"app.deb!/etc/cron.d/app": "0 3 * * * app /usr/lib/app/import\n"},
    {"lib/sync.js": "cron.schedule('50 23 * * *', () => sync(), { timezone: 'America/New_York' });\n"},
    {"db/jobs.sql": "dbms_scheduler.create_job(job_name => 'N',\n repeat_interval => 'FREQ=DAILY;BYHOUR=2;BYMINUTE=10');\n"},
    {"db/mysql.sql": "CREATE EVENT p ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 23:40:00' DO DELETE FROM log;\n"},
    {"win/a.ps1": "$t = New-ScheduledTaskTrigger -Daily -At 2:20am\n"},
    {"app/Console/Kernel.php": "<?php\n$schedule->command('sync')->dailyAt('02:30');\n"},
    {"app/jobs.py": 'scheduler.add_job(night, "cron", hour=2, minute=30)\n'},
    {"tools/up.pl": 'open(my $c, "|-", "crontab -");\nprint $c "5 0 * * * /usr/lib/x/nightly\\n";\n'},
    {"Makefile": "install:\n\techo '0 0 * * * root /opt/x' > /etc/cron.d/x\n"},
    {"x.spec": "Name: x\n%post\ncat >> /var/spool/cron/root <<E\n30 2 * * 0 /opt/x\nE\n%files\n"},
    {"up.sh": "#!/bin/sh\nset -e\nat 23:45 <<E\n/usr/lib/x/reindex\nE\n"},
    {"cron/app": "SHELL=/bin/sh\n0 3 * * * app /usr/lib/app/import\n"},
    {"app/celeryconf.py": 'app.conf.beat_schedule = {"t": {"task": "a.b", "schedule": 300.0}}\n'},
    {"app.deb!/etc/cron.daily/app": "#!/bin/sh\nexec /usr/lib/app/import\n"},
    {"app.deb!/lib/systemd/system/a.timer": "[Timer]\nOnUnitActiveSec=5min\n"},
    {"db/010.sql": "SELECT cron.schedule('nightly', '30 2 * * *',\n  $$DELETE FROM log WHERE t < now()$$);\n"},
    {"src/Jobs.java": 'class J {\n  @Scheduled(cron = "0 0 3 * * *", zone = "Europe/Vienna")\n  void run() {}\n}\n'},
    {"conf/quartz.properties": "import.cronExpression=0 15 10 ? * 6L\n"},
    {"app/celeryconf.py": 'BEAT = {\n  "n": {"task": "app.night",\n    "schedule": crontab(hour=3, minute=0)},\n}\n'},
    {"k8s/job.yaml": 'apiVersion: batch/v1\nkind: CronJob\nspec:\n  schedule: "0 3 * * *"\n'},
    {"install.bat": '@echo off\r\nschtasks /create /tn app /tr "C:\\app\\imp.exe" /sc daily /st 03:00\r\n'},
    {
        "x/install.sh": "#!/bin/sh\ninstall -m 644 cron/app /etc/cron.d/app\n",
        "x/cron/app": "0 3 * * * app /usr/lib/app/import\n",
    },
)
GOOD = (
    {"docs/crontab.md": "0 3 * * * app /usr/lib/app/import\n"},
    {"win/a.bat": "@echo off\r\nrem schtasks /create /tn a /tr c:\\a.exe /sc daily /st 02:00\r\n"},
    {"lib/x.js": "// cron.schedule('50 23 * * *', f)\nconst s = '0 3 * * *';\nschedule('a', '* * * * * x');\n"},
    {"x.spec": "Name: x\n%build\necho '0 0 * * * root x' > /etc/cron.d/x\n%files\n"},
    {"cron/README": "0 3 * * * app /usr/lib/app/import\n", "cron/run": "#!/bin/sh\nexec x\n"},
    {"etc/cron.d/app": "# 0 3 * * * app /usr/lib/app/import\n"},
    {"etc/cron.daily/.placeholder": "# keep\n"},
    {"app/beat.py": '"""Example:\n  "schedule": crontab(hour=3)\n"""\n# "schedule": crontab(hour=3)\n'},
    {"src/Jobs.java": 'class J {\n  // @Scheduled(cron = "0 0 3 * * *")\n}\n'},
)
