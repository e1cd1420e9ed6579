"""Units and crontabs of real systems: all are read whole, nothing is called unknown that is not, and every calendar agrees.

Reads ``../shared/corpora/units`` beside the repository and, where systemd is installed, everything under /usr/lib/systemd
and /etc; calendars are held against ``systemd-analyze calendar``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from exactness import NotHere, Row
from fulldress.formats import calendar, cronlint, crontab, unit
from fulldress.formats.unit import Directive
from fulldress.scan.jobs.units import SUFFIXES
from fulldress.scan.rules import boot_order, directive_unknown, restart_policy
from fulldress.scan.samples import context_of

CORPUS = Path(__file__).parents[3] / "shared/corpora/units"
MACHINE = [Path("/usr/lib/systemd/system"), Path("/usr/lib/systemd/user"), Path("/etc/systemd")]
CRONS = [Path("/etc/cron.d"), Path("/etc/crontab")]
BASE = "2026-03-28 12:00:00"
"""The day before Vienna's clocks go forward."""
MORE = """Sat,Thu,Mon..Wed,Sat..Sun|Mon,Sun 12-*-* 2,1:23|Wed *-1|Wed, 17:48|Wed..Sat,Tue 12-10-15 1:2:3|*-*-7 0:0:0|10-15
monday *-12-* 17:00|Mon,Fri *-*-3,1,2 *:30:45|12,14,13,12:20,10,30|12..14:10,20,30|mon,fri *-1/2-1,3 *:30:45|03-05 08:05:40
08:05:40|05:40|Sat,Sun 12-05 08:05:40|2003-03-05 05:40|2003-02..04-05|2003-03-05 05:40 UTC|03-05|hourly|daily|daily UTC
monthly|weekly|weekly Europe/Berlin|yearly|annually|*:2/3|*-*~1|*-02~03|Mon *-05~07/1|*:0/5|*-*-* 03:00:00|Mon..Fri 22:30
*-*-01 00:00|quarterly|minutely|*-*-1..7 02:30|02:30|*-*-* *:*:0/20|00/6:00|Sun *-*-* 02:30:00|*-1,7-1|25:00|foo
Mon *-*-32|Fri..Mon 05:00|*-*-* 02:15|Sun *-*-* 03:00"""
"""The examples of systemd.time(7), the skipped hour, and what systemd refuses."""


def measure() -> list[Row]:
    """The rows of the table."""
    if not CORPUS.is_dir():
        raise NotHere(f"{CORPUS} is not there")
    rows = [
        _units("units of the corpus read whole", sorted((CORPUS / "systemd").iterdir())),
        _crons("crontabs of the corpus read whole", sorted((CORPUS / "cron/cron.d").iterdir())),
        _alarms("units of the corpus without a false alarm", sorted((CORPUS / "systemd").iterdir())),
    ]
    machine = [p for root in MACHINE for p in sorted(root.rglob("*")) if p.is_file() and p.name.endswith(SUFFIXES)]
    if machine:
        rows.append(_units("units of this machine read whole", machine))
        rows.append(_alarms("units of this machine without a false alarm", machine))
        crons = [p for root in CRONS for p in ([root] if root.is_file() else sorted(root.glob("[!.]*")))]
        rows.append(_crons("crontabs of this machine read whole", crons))
    if shutil.which("systemd-analyze"):
        rows.append(_calendars([*(CORPUS / "systemd").glob("*.timer"), *(p for p in machine if p.suffix == ".timer")]))
    return rows


def _units(what: str, files: list[Path]) -> Row:
    """A unit is read whole when every line that says something is in the result, under its section."""
    bad = [path.name for path in files if _lost(path.read_text(errors="surrogateescape"))]
    return Row(what, len(files) - len(bad), len(files), not bad, "all", ", ".join(bad))


def _lost(text: str) -> bool:
    """True when the reader lost a line, or saw a unit where there is none."""
    found: dict[str, list[Directive]] = unit.parse(text)
    if text.startswith("<?xml"):
        return bool(set(found) - {""})  # a .service of Avahi: no unit at all
    joined = re.sub(r"\\\n(?:[ \t]*[#;].*\n)*", " ", text)
    lines = [line.strip() for line in joined.split("\n")]
    said = [line for line in lines if line and line[0] not in "#;" and not line.startswith("[") and "=" in line]
    return sum(map(len, found.values())) != len(said) or "" in found or not found


def _crons(what: str, files: list[Path]) -> Row:
    """A crontab is read whole when every line is a job, a setting or a comment, and nothing in it is refused."""
    bad = []
    for path in files:
        text = path.read_text(errors="surrogateescape")
        said = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
        jobs = crontab.jobs(text, file=path.name)
        settings = [line for line in said if crontab.is_setting(line)]
        if len(jobs) + len(settings) != len(said) or list(cronlint.flaws(text, system=True)):
            bad.append(path.name)
    return Row(what, len(files) - len(bad), len(files), not bad, "all", ", ".join(bad))


def _alarms(what: str, files: list[Path]) -> Row:
    """These units work: a finding of medium or more about a directive, the boot order or the restarts is a false alarm."""
    context = context_of({f"x.deb!{path}": path.read_bytes() for path in files})
    rules = (directive_unknown, boot_order, restart_policy)
    found = [f for rule in rules for f in rule.check(context) if f.severity in ("critical", "high", "medium")]
    places = {f.place for f in found}
    return Row(what, len(files) - len(places), len(files), not places, "all", "; ".join(f.title for f in found[:4]))


def _calendars(timers: list[Path]) -> Row:
    """Normal form and next elapse of every calendar, against systemd's own."""
    texts = [text for line in MORE.split("\n") for text in line.split("|")]
    for path in timers:
        directives = unit.parse(path.read_text()).get("Timer", [])
        texts += [value for name, value, _ in directives if name == "OnCalendar" and value]
    texts = list(dict.fromkeys(texts))
    wrong = [text for text, truth in _truth(texts) if _ours(text) != truth]
    return Row("calendars as systemd reads them", len(texts) - len(wrong), len(texts), not wrong, "all", ", ".join(wrong))


def _truth(texts: list[str]) -> Iterator[tuple[str, tuple[str, str] | None]]:
    env = {**os.environ, "TZ": "Europe/Vienna", "LC_ALL": "C"}
    for text in texts:
        argv = ["systemd-analyze", "calendar", f"--base-time={BASE}", "--", text]
        done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
        said = dict(line.strip().split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
        if done.returncode:
            yield text, None
        else:
            yield text, (said.get("Normalized form", text), said.get("Next elapse", "never"))


def _ours(text: str) -> tuple[str, str] | None:
    event = calendar.parse(text)
    if event is None:
        return None
    moment = calendar.next_elapse(event, datetime.fromisoformat(BASE).replace(tzinfo=ZoneInfo("Europe/Vienna")))
    return event.normalised(), moment.strftime("%a %Y-%m-%d %H:%M:%S %Z") if moment is not None else "never"
