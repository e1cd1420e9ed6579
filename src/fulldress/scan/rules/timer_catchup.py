"""A timer of the package fires as soon as it is switched on, or catches up on what it missed.

## What it does
Finds timers that do not wait for their hour: `Persistent=true` with a script that starts or enables the timer at once (a
missed firing is made up for immediately), and `OnActiveSec=` and `OnBootSec=` of a few minutes.

## Why it matters
The vendor's job then runs in the middle of the upgrade, or right after a reboot, when the schema is half migrated and
nobody has looked at it yet; after a long outage all such jobs of all hosts start together.

## Example
```
[Timer]
OnCalendar=daily
Persistent=true
```

## Fix
Start the timer after the upgrade is accepted, not inside it; leave `Persistent=` out where a missed run does not matter.
`fulldress adapt` drafts two steps of the plan: one holds the timer before the upgrade, one lets it go after it.

## References
- systemd.timer(5) `Persistent=`
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats import calendar, shell
from fulldress.model.finding import Cure, Finding
from fulldress.scan.jobs.holding import can_be_held, held, is_held
from fulldress.scan.jobs.job import Job
from fulldress.scan.jobs.schedules import jobs
from fulldress.scan.reading import scripts
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="timer-catchup",
    family="schedule",
    title="Timer fires on install or boot",
    severity="medium",
    confidence="likely",
)
SOON_S = 1800.0
"""A timer that counts from its start or from the boot and is due within half an hour fires inside an upgrade."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each timer."""
    timers = [job for job in jobs(context) if job.kind == "timer" and job.timer]
    started = _started(context) if timers else set()
    done: set[str] = set()
    for job in timers:
        why = _why(job, started)
        if why and job.place not in done and not (can_be_held(job) and is_held(context, job)):
            done.add(job.place)
            yield Finding(
                rule=META.slug,
                severity=META.severity,
                confidence=META.confidence,
                title=f"{job.place.rpartition('/')[2]} {why}",
                place=job.place,
                line=_line(context, job, why),
                excerpt=job.text,
                consequence="Its job runs in the middle of the upgrade, or with everything else right after a boot.",
                fix="Start the timer once the upgrade is accepted.",
                curable=can_be_held(job),
            )


def cure(context: Context, finding: Finding) -> Cure | None:
    """Steps that hold the timer while the plan runs."""
    return held(context, finding.place) if finding.curable else None


def _why(job: Job, started: set[str]) -> str:
    name = job.place.rpartition("/")[2]
    directive, _, value = job.schedule.partition("=")
    seconds = calendar.span(value) if value else None
    if name in started and directive in ("OnActiveSec", "OnBootSec") and seconds is not None and seconds <= SOON_S:
        return f"is started by the package and fires {value} after {'that' if directive == 'OnActiveSec' else 'each boot'}"
    if name in started and job.persistent:
        return "is persistent and started by the package: a firing that was missed is made up for at once"
    return ""


def _line(context: Context, job: Job, why: str) -> int:
    """Where it says so: ``Persistent=``, or the directive that counts."""
    entry = context.entry(job.place) if why.startswith("is persistent") else None
    lines = ((context.text(entry) if entry is not None else None) or "").split("\n")
    return next((n for n, line in enumerate(lines, 1) if line.lstrip().startswith("Persistent")), job.line)


def _started(context: Context) -> set[str]:
    """Timers that a script of the package starts (`enable --now`, `start`, `restart`)."""
    names: set[str] = set()
    for script in scripts(context):
        for command in script.commands:
            argv = shell.unwrapped(command)
            words = argv[1:]
            now = "start" in words or "restart" in words or ("enable" in words and "--now" in words)
            if argv and argv[0].rpartition("/")[2] in ("systemctl", "deb-systemd-invoke") and now:
                names.update(w for w in words if w.endswith(".timer"))
    return names


_ON = "#!/bin/sh\nset -e\nsystemctl enable --now a.timer\n"
BAD = (
    {"x.deb!/lib/systemd/system/a.timer": "[Timer]\nOnCalendar=daily\nPersistent=true\n", "x.deb!/postinst": _ON},
    {"x.deb!/lib/systemd/system/a.timer": "[Timer]\nOnActiveSec=5min\nOnUnitActiveSec=1h\n", "x.deb!/postinst": _ON},
)
GOOD = (
    {"x.deb!/lib/systemd/system/a.timer": "[Timer]\nOnCalendar=daily\nPersistent=true\n"},
    {"x.deb!/lib/systemd/system/a.timer": "[Timer]\nOnCalendar=daily\nPersistent=false\n", "x.deb!/postinst": _ON},
)
