"""The upgrade sets the host's clock or time zone, or a program of the package lives in another zone than its host.

## What it does
Finds scripts (also of Windows) that set the time (`date -s`, `ntpdate`, `hwclock --set`, `Set-Date`), the time zone
(`timedatectl set-timezone`, `/etc/localtime`, `/etc/timezone`, `Set-TimeZone`, `tzutil`), or stop what keeps the time
(chrony, ntpd, timesyncd, w32time); playbooks with the module `timezone`. With an inventory: programs that are given another
zone than the host's (`TZ=`, `-Duser.timezone=`, `date.timezone`).

## Why it matters
Every job of the host moves by the difference, and runs twice or not at all on that day; databases, brokers and Kerberos do
not forgive a clock that jumps; what a program writes with local time is an hour off beside what others write.

## Example
```
timedatectl set-timezone UTC
```

## Fix
Leave time and zone of the host to its owner. Let the program be told its zone in its own settings, the one its users have.

## References
- systemd-timesyncd(8), chronyd(8), timedatectl(1), tzset(3)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import shell
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.shell import Command
from fulldress.model.estate import Estate, HostFacts
from fulldress.model.finding import Finding, Severity
from fulldress.scan.credentials.secrets import hidden
from fulldress.scan.jobs.embedded_shell import CONTAINERFILE, embedded
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, is_code, scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="clock-changed",
    family="privilege",
    title="Clock or time zone is changed",
    severity="medium",
    confidence="certain",
)
_WINDOWS = Pattern(
    r"(?i)\b(Set-TimeZone|tzutil(\.exe)?\s{1,4}/s|Set-Date\s|net\s{1,4}stop\s{1,4}w32time|w32tm\s{1,4}/unregister)"
)
_MODULE = Pattern(r"^\s{2,40}(-\s)?(community\.general\.)?timezone:(\s{0,4}$|\s{1,4}name=|\s{0,4}\{)")
_ZONE = Pattern(
    r"[\s\"'=]-Duser\.timezone=[A-Z]|^\s{0,40}(-\s{0,4})?([\"']?|export\s{1,4}|Environment=\"?|ENV\s{1,4})TZ[\"']?\s{0,2}[:=]\s{0,2}[\"']?[A-Z]"
    r"|^\s{0,4}date\.timezone\s{0,4}=\s{0,4}[\"']?[A-Z]"
)
LOOKS_FOR = (_WINDOWS, _MODULE)
_WINDOWS_FORM = late(
    r"(?i)\b(?:(Set-TimeZone\s|tzutil(?:\.exe)?\s+/s)|(Set-Date\s+(?!-Adjust)|net\s+stop\s+w32time|w32tm\s+/unregister))"
)
_GIVEN = late(r"""(?:-Duser\.timezone=|\bTZ["']?\s*[:=]\s*["']?|date\.timezone\s*=\s*["']?)([A-Z]\w+(?:/[\w+-]+)*)""")
_FOR_ONE = late(r"^\s*TZ=\S+\s+[^\s#]")
"""``TZ=UTC date``: for one command."""
_MAY = ("timedatectl", "ntp", "date -", "rdate", "hwclock", "/etc/localtime", "/etc/timezone", "chrony", "timesyncd")
"""A script without one of these does nothing to the clock."""
_KEEPS = late(r"^(?:chronyd?|ntpd?|ntpsec|systemd-timesyncd|openntpd)(?:\.service)?$")
_CONSEQUENCE = "Jobs of the whole host run at another hour, twice or not at all; databases and brokers see time jump."
_FIX = "Leave time and zone of the host to its owner; give the program its zone in its own settings."


def looks_for(context: Context) -> tuple[Pattern, ...]:
    """Where a zone is given: only with an inventory is it known whether it is another one."""
    return (_ZONE,) if context.estate is not None else ()


def check(context: Context) -> Iterator[Finding]:
    """One finding for each command, and for each file with a zone that is not the host's."""
    for script in (*scripts(context), *embedded(context)):
        if not any(word in script.text for word in _MAY) or CONTAINERFILE.search(script.entry.place):
            continue
        if role(context, script.entry.place) in ("library", "init"):
            continue
        for command in script.commands:
            what = changed(command)
            if what:
                yield _finding(script.entry.place, command.line, command.text, what, META.severity)
    told: set[str] = set()
    for entry, number, line in acting_lines(context, *LOOKS_FOR, *looks_for(context)):
        if entry.place in told or standing(entry.place) != "acting" or role(context, entry.place) == "library":
            continue
        hit = _line(context, entry.place, line)
        if hit is not None:
            told.add(entry.place)
            yield _finding(entry.place, number, line, hit[1], hit[0])


def _finding(place: str, line: int, text: str, what: str, severity: Severity) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"{place.rpartition('/')[2]} {what}",
        place=place,
        line=line,
        excerpt=hidden(text.strip())[:200],
        consequence=_CONSEQUENCE
        if "lives in" not in what
        else "What it writes and schedules by local time is off by the difference.",
        fix=_FIX,
    )


def changed(command: Command) -> str:
    """What the command does to the clock, or ``""``."""
    argv = shell.unwrapped(command)
    for text in shell.nested(command):
        for inner in shell.commands(text):
            if what := changed(inner):
                return what
    name, words = (argv[0].rpartition("/")[2], argv[1:]) if argv else ("", ())
    if name == "timedatectl" and words[:1] in (("set-timezone",), ("set-time",), ("set-local-rtc",)):
        return "sets the host's time zone" if words[0] == "set-timezone" else "sets the host's clock"
    if name == "timedatectl" and words[:2] in (("set-ntp", "false"), ("set-ntp", "0"), ("set-ntp", "no")):
        return "stops what keeps the host's time"
    if name in ("ntpdate", "sntp", "rdate", "hwclock") and not {"-q", "-r", "--show", "-d"} & set(words):
        sets = name in ("ntpdate", "rdate") or bool({"-S", "-s", "--set", "--hctosys"} & set(words))
        return "sets the host's clock" if sets else ""
    if name == "date" and any(re.match(r"-[uR]*s$|--set", w) for w in words):
        return "sets the host's clock"
    written = [words[-1]] if words and name in ("ln", "cp", "mv", "install", "tee") else []
    written += [r for r in command.redirects if r.lstrip("0123456789&").startswith(">")]
    written += list(command.pipes_args) if command.pipes_to == "tee" else []
    if any(re.search(r"/etc/(localtime|timezone)$", target) for target in written):
        return "sets the host's time zone"
    if name in ("systemctl", "service") and {"stop", "disable", "mask"} & set(words) and any(_KEEPS.match(w) for w in words):
        return "stops what keeps the host's time"
    return ""


def _line(context: Context, place: str, line: str) -> tuple[Severity, str] | None:
    if place.endswith((".ps1", ".psm1", ".bat", ".cmd")):
        found = _WINDOWS_FORM.search(line)
        return (META.severity, f"sets the host's {'time zone' if found[1] else 'clock'}") if found is not None else None
    if place.endswith((".yml", ".yaml")) and "timezone:" in line and "TZ" not in line:
        return META.severity, "sets the host's time zone"
    zone = _GIVEN.search(line) if not is_code(place) and not _FOR_ONE.match(line) else None
    if zone is None or context.estate is None:
        return None
    here = {host.timezone for host in context.estate.hosts} - {""}
    if not here or zone[1] in here or (_universal(zone[1]) and all(_universal(h) for h in here)):
        return None
    return ("low" if _universal(zone[1]) else "medium"), f"lives in {zone[1]}, its host in {min(here)}"


def _universal(zone: str) -> bool:
    return zone in ("UTC", "GMT", "Etc/UTC", "Etc/GMT", "Zulu", "UCT", "Universal")


def _estate(zone: str) -> Estate:
    return Estate(
        taken="2026-10-01T00:00:00Z", hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", timezone=zone),)
    )


BAD = (
    {"up.sh": "#!/bin/sh\nset -e\ntimedatectl set-timezone UTC\n"},
    {"up.sh": "#!/bin/sh\nntpdate -u pool.ntp.org\n"},
    {"up.sh": "#!/bin/sh\ndate -s '2026-01-01'\n"},
    {"up.sh": "#!/bin/sh\nln -sf /usr/share/zoneinfo/UTC /etc/localtime\n"},
    {"up.sh": "#!/bin/sh\nsystemctl disable --now chronyd\n"},
    {"x.spec": "Name: x\n%post\necho UTC > /etc/timezone\n%files\n/opt/x\n"},
    {"w/a.ps1": "Set-TimeZone -Id 'UTC'\n"},
    {"w/a.cmd": 'tzutil /s "UTC"\n'},
    {"site.yml": "- hosts: a\n  tasks:\n  - community.general.timezone:\n      name: UTC\n"},
    Sample(
        files={
            "x.deb!/lib/systemd/system/x.service": "[Service]\nExecStart=/usr/bin/java -Duser.timezone=America/Lima -jar x\n"
        },
        estate=_estate("Europe/Madrid"),
    ),
    Sample(files={"env.sh": "#!/bin/sh\nexport TZ=UTC\n"}, estate=_estate("Europe/Madrid")),
)
GOOD = (
    {"up.sh": "#!/bin/sh\nset -e\ntimedatectl show\nTZ=UTC date -Iseconds\nhwclock -r\nsystemctl restart chronyd\n"},
    {"Dockerfile": "FROM x:1\nRUN ln -sf /usr/share/zoneinfo/UTC /etc/localtime\n"},
    {"w/a.ps1": "Get-TimeZone\n# Set-TimeZone -Id UTC\n", "conf/a.yml": "  timezone: Europe/Berlin\n"},
    {"env.sh": "#!/bin/sh\nexport TZ=UTC\n"},
    Sample(files={"env.sh": "#!/bin/sh\nTZ=UTC date\n"}, estate=_estate("Europe/Madrid")),
    Sample(files={"env.sh": "#!/bin/sh\nexport TZ=Europe/Madrid\n"}, estate=_estate("Europe/Madrid")),
    Sample(files={"a.env": "TZ=Etc/UTC\n"}, estate=_estate("UTC")),
)
