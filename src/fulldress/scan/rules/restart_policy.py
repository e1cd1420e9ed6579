"""A service does not come back, comes back too often, or is not stopped cleanly.

## What it does
Reads the restart and stop settings of the package's services: `Restart=always` with a type that systemd refuses, restarts
without end, a service that is given up after five failures within ten seconds, `Type=notify` for a program that never
notifies, `KillMode=none` or `process`, a stop time shorter than the program's own drain or than five seconds, a start that
waits longer than it may, a reload that kills, a service that is spared when memory runs out.

## Why it matters
A service of type notify that does not notify is killed after 90 seconds, again and again. One that restarts ten times a
second fills the log; one that gives up while the database is restarted stays down for the night.

## Example
```
Restart=always
StartLimitIntervalSec=0        # for ever, ten times a second
```

## Fix
Wait a few seconds between two tries, and let it give up only when trying is hopeless. `fulldress adapt` adds
`RestartSec=5s` where restarts have no pause and no limit.

## References
- systemd.service(5) Restart=, Type=; systemd.unit(5) StartLimitIntervalSec=; systemd.kill(5)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import calendar, unit
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Confidence, Cure, Finding, Severity
from fulldress.scan.jobs.units import UnitFile, units
from fulldress.scan.reading import current_text, edited
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="restart-policy",
    family="systemd",
    title="Service restarts or stops badly",
    severity="medium",
    confidence="likely",
)
NOTIFIES = Pattern(r"(?:NOTIFY_SOCKET|sd_notify|systemd-notify)", once=True)
LOOKS_FOR = (NOTIFIES,)
_DRAIN = late(r"--(?:graceful|shutdown|drain|stop)[-_]?(?:timeout|wait|grace)?[-_a-z]*[= ](\d+)")


class _Bad(NamedTuple):
    directive: str
    why: str
    consequence: str
    severity: Severity
    confidence: Confidence
    curable: bool = False


def check(context: Context) -> Iterator[Finding]:
    """One finding for each trouble of a service."""
    services = [u for u in units(context) if u.name.endswith(".service") and not u.dropin and "Service" in u.sections]
    for found in services:
        for bad in (*_restarts(found), *_notify(context, found), *_stops(found), *_odd(found)):
            line = found.line_of("Service", bad.directive) or found.line_of("Unit", bad.directive)
            yield Finding(
                rule=META.slug,
                severity=bad.severity,
                confidence=bad.confidence,
                title=f"{found.name} {bad.why}",
                place=found.entry.place,
                line=line,
                excerpt=found.text.split("\n")[line - 1].strip() if line else bad.directive,
                consequence=bad.consequence,
                fix="Correct the unit, in a drop-in if the vendor's file must stay.",
                curable=bad.curable,
            )


def _restarts(found: UnitFile) -> Iterator[_Bad]:
    restart = found.last("Service", "Restart").lower()
    if found.last("Service", "Type") == "oneshot" and restart in ("always", "on-success"):
        yield _Bad(
            "Restart",
            f"is of type oneshot with Restart={restart}: systemd refuses it",
            "The unit cannot be loaded, and so not started.",
            "high",
            "certain",
        )
    pause = calendar.span(found.last("Service", "RestartSec") or "100ms") or 0.0
    limits = [found.last("Unit", "StartLimitIntervalSec"), found.last("Unit", "StartLimitInterval")]
    limits.append(found.last("Service", "StartLimitInterval"))
    given = next((limit for limit in limits if limit), "")
    if restart in ("always", "on-failure", "on-abnormal") and given and calendar.span(given) == 0.0 and pause < 1:
        yield _Bad(
            "StartLimitIntervalSec" if found.line_of("Unit", "StartLimitIntervalSec") else "StartLimitInterval",
            "restarts for ever and at once when it fails: no pause, no limit",
            "It fills the log and takes a processor, ten times a second, and hides why it fails.",
            "medium",
            "certain",
            curable=True,
        )
    elif restart == "always" and not given and pause < 1:
        yield _Bad(
            "RestartSec" if found.last("Service", "RestartSec") else "Restart",
            "is given up after five failures within ten seconds (Restart=always without RestartSec=)",
            "While its database restarts for a minute, it fails five times in half a second and stays down.",
            "low",
            "likely",
        )


def _notify(context: Context, found: UnitFile) -> Iterator[_Bad]:
    """Type=notify for a script of the package that never notifies; programs with libraries are not judged."""
    if found.last("Service", "Type") not in ("notify", "notify-reload") or found.last("Service", "NotifyAccess") == "all":
        return
    start = next((command for name, _, command, _ in unit.execs(found.text) if name == "ExecStart"), "")
    path = start.split(None, 1)[0] if start.strip() else ""
    entry = next((e for e in context.files if path and e.place.endswith(f"!{path}")), None)
    if entry is None or entry in context.matching(NOTIFIES):
        return
    if not context.read(entry)[:64].startswith((b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash", b"#! /bin/sh")):
        return
    text = context.text(entry) or ""
    if re.search(r"(?m)^[^\S\n]*exec\b", text) is None:
        yield _Bad(
            "Type",
            f"is of type notify, but {path} is a script that never notifies",
            "systemd waits 90 seconds for the message, kills the service and starts it again.",
            "high",
            "likely",
        )


def _stops(found: UnitFile) -> Iterator[_Bad]:
    mode = found.last("Service", "KillMode").lower()
    if mode == "none":
        yield _Bad(
            "KillMode",
            "leaves its processes running when it is stopped (KillMode=none)",
            "The old version goes on serving, writing and holding locks while the new one starts.",
            "medium",
            "certain",
        )
    elif mode == "process":
        yield _Bad(
            "KillMode",
            "stops its main process only (KillMode=process)",
            "Its children go on with the old code after a restart.",
            "low",
            "likely",
        )
    limit = calendar.span(found.last("Service", "TimeoutStopSec") or found.last("Service", "TimeoutSec") or "90")
    drains = [int(m[1]) for _, _, command, _ in unit.execs(found.text) for m in _DRAIN.finditer(command)]
    if limit and drains and max(drains) > limit:
        yield _Bad(
            "TimeoutStopSec" if found.last("Service", "TimeoutStopSec") else "ExecStart",
            f"is killed after {limit:g} s, but takes up to {max(drains)} s to finish its requests",
            "Requests in flight are cut off at every restart.",
            "medium",
            "certain",
        )


_SLEEPS = late(r"(?:^|/)sleep\s+(\d+)\s*$")


def _odd(found: UnitFile) -> Iterator[_Bad]:
    """Times that cannot be kept, and signals that are no way to stop or reload."""
    stop = calendar.span(found.last("Service", "TimeoutStopSec") or "90")
    if stop is not None and 0 < stop < SHORT and found.last("Service", "Type") != "oneshot":
        yield _Bad(
            "TimeoutStopSec",
            f"is killed {stop:g} s after it is asked to stop",
            "What it is writing or answering then is cut off; journals and queues are repaired at the next start, or not.",
            "low",
            "likely",
        )
    start = calendar.span(found.last("Service", "TimeoutStartSec") or found.last("Service", "TimeoutSec") or "90")
    for name, _, command, _ in unit.execs(found.text):
        sleeps = _SLEEPS.search(command.strip()) if name in ("ExecStartPre", "ExecStart") else None
        if sleeps is not None and start and int(sleeps[1]) >= start:
            yield _Bad(
                "TimeoutStartSec" if found.last("Service", "TimeoutStartSec") else name,
                f"waits {sleeps[1]} s before it starts and is given up after {start:g} s",
                "It never starts.",
                "high",
                "certain",
            )
        if name == "ExecStop" and re.search(r"\bkill\s+-(?:9|KILL|SIGKILL)\b", command):
            yield _Bad(
                name,
                "is killed when it is asked to stop",
                "What it is writing or answering then is cut off; jobs are done twice, or half.",
                "medium",
                "certain",
            )
        if name == "ExecReload" and re.search(r"\bkill\s+-(?:9|KILL|SIGKILL)\b", command):
            yield _Bad(
                name,
                "is killed when it is asked to reload",
                "Requests in flight are cut off by what everybody takes for harmless (logrotate, certificate renewal).",
                "medium",
                "certain",
            )
    score = found.last("Service", "OOMScoreAdjust")
    if score == "-1000":
        yield _Bad(
            "OOMScoreAdjust",
            f"is never ended when memory runs out (OOMScoreAdjust={score}): everything else is",
            "If it leaks, the database and SSH go first.",
            "low",
            "certain",
        )


SHORT = 5
"""Seconds in which hardly a server finishes what it is doing."""


def cure(context: Context, finding: Finding) -> Cure | None:
    """A pause of five seconds between two restarts."""
    text = current_text(context, finding.place)
    found = next((u for u in units(context) if u.entry.place == finding.place), None)
    at = found.line_of("Service", "Restart") if found is not None else 0
    if text is None or not at:
        return None
    lines = [line for line in text.split("\n") if not re.match(r"\s*RestartSec\s*=", line)]
    at = next(i for i, line in enumerate(lines, 1) if re.match(r"\s*Restart\s*=", line))
    lines.insert(at, "RestartSec=5s")
    return edited(finding.place, "\n".join(lines), "five seconds between two restarts")


_A = "x.deb!/lib/systemd/system/a.service"
BAD = (
    {_A: "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/a\nRestart=always\n"},
    {_A: "[Service]\nType=oneshot\nExecStart=/bin/a\nRestart=always\n"},
    {_A: "[Service]\nExecStart=/bin/a\nRestart=always\n"},
    {_A: "[Service]\nType=notify\nExecStart=/usr/bin/a\n", "x.deb!/usr/bin/a": "#!/bin/sh\nwhile :; do sleep 1; done\n"},
    {_A: "[Service]\nExecStart=/bin/a\nKillMode=none\n"},
    {_A: "[Service]\nExecStart=/usr/bin/gunicorn --graceful-timeout 120 app\nTimeoutStopSec=30\n"},
    {_A: "[Service]\nExecStart=/bin/a\nTimeoutStopSec=1\n"},
    {_A: "[Service]\nExecStartPre=/bin/sleep 90\nExecStart=/bin/a\nTimeoutStartSec=60\n"},
    {_A: "[Service]\nExecStart=/bin/a\nExecReload=/bin/kill -9 $MAINPID\n"},
    {_A: "[Service]\nExecStart=/bin/a\nOOMScoreAdjust=-1000\n"},
    {_A: "[Service]\nExecStart=/bin/a\nExecStop=/bin/kill -9 $MAINPID\n"},
    {_A: "[Service]\nExecStart=/bin/a\nRestart=always\nStartLimitInterval=0\n"},
)
GOOD = (
    {
        _A: "[Service]\nExecStartPre=/bin/sleep 5\nExecStart=/bin/a\nExecReload=/bin/kill -HUP $MAINPID\n"
        "TimeoutStopSec=30\nOOMScoreAdjust=-500\n"
    },
    {_A: "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/a\nRestart=always\nRestartSec=5s\n"},
    {_A: "[Service]\nType=oneshot\nExecStart=/bin/a\nRestart=on-failure\n"},
    {
        _A: "[Service]\nType=notify\nExecStart=/usr/bin/a\n",
        "x.deb!/usr/bin/a": "#!/bin/sh\nsystemd-notify --ready\nsleep 1\n",
    },
    {_A: "[Service]\nType=notify\nExecStart=/usr/bin/a\n", "x.deb!/usr/bin/a": "#!/bin/sh\nexec /usr/sbin/ad\n"},
    {_A: "[Service]\nExecStart=/usr/bin/gunicorn --graceful-timeout 20 app\nTimeoutStopSec=30\n"},
)
