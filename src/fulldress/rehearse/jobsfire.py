"""Fires scheduled jobs on a clone by the machine's own schedulers, and sees how each ended.

The clone's time zone is shifted, so that its wall clock stands a few seconds before the moment at which jobs fall due; the
epoch stays as it is. Cron and systemd's timers then fire by themselves. What no wall clock fires is started directly.
"""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from fulldress.errors import StepFailed
from fulldress.formats.hosttext import clean
from fulldress.formats.zonefile import fixed_zone
from fulldress.model.rehearsal import FiredJob
from fulldress.ports import Completed, Host
from fulldress.rehearse.cronlog import Started, before_percent, started
from fulldress.rehearse.jobsdue import SURVEY, Due, Schedules, Span, Wave, due, waves

LEAD_S = 5.0
"""The clock is set so long before the moment: cron and the timers must be waiting by then."""
GRACE_S = 8.0
"""A job that was not started so long after its moment was not fired."""
LONGEST_S = 120.0
"""So long a job is waited for."""
OUTPUT = 2000
_ZONE = "/usr/share/zoneinfo/Rehearsal"
_MAIL = "/run/fulldress-mail"
_PAUSE_S = 0.5

_PREPARE = r"""
mkdir -p -m 1777 "$1"; chmod 1777 "$1"
if [ -e /usr/sbin/sendmail ]; then mv /usr/sbin/sendmail /usr/sbin/sendmail.production; fi
cat > /usr/sbin/sendmail && chmod 755 /usr/sbin/sendmail
starts=$(systemctl cat cron.service 2>/dev/null | sed -n 's/^ExecStart=\(.\)/\1/p' | tail -1)
if [ -n "$starts" ]; then
  mkdir -p /run/systemd/system/cron.service.d
  printf '[Service]\nExecStart=\nExecStart=%s -L 15\n' "$starts" > /run/systemd/system/cron.service.d/rehearsal.conf
fi
held=$2; shift 2
printf '[Unit]\nDescription=Remembers how jobs ended\nAfter=%s\n' "$held" > /run/systemd/system/rehearsal-hold.target
for timer in "$@"; do
  mkdir -p "/run/systemd/system/$timer.d"
  printf '[Timer]\nAccuracySec=1us\nRandomizedDelaySec=0\nPersistent=no\n' > "/run/systemd/system/$timer.d/rehearsal.conf"
done
systemctl stop cron.service crond.service 2>/dev/null
systemctl list-units --type=timer --plain --no-legend | while read -r unit rest; do systemctl stop "$unit"; done
systemctl daemon-reload
systemctl start rehearsal-hold.target
"""
"""Standard input: what stands in for sendmail. Cron is told to log how jobs end; timers to fire at once; systemd to keep
in mind how the units ended."""

_SENDMAIL = rf"""#!/bin/sh
# Keeps what cron mails of a job's output; passes everything on when there is a mailer.
case " $* " in
  *" -FCronDaemon "*|*" -FAnacron "*) keep={_MAIL}/$PPID
    case " $* " in *" -FAnacron "*) keep={_MAIL}/anacron;; esac
    cat > "$keep"; set -- "$@"
    [ -x /usr/sbin/sendmail.production ] && exec /usr/sbin/sendmail.production "$@" < "$keep"; exit 0;;
esac
[ -x /usr/sbin/sendmail.production ] && exec /usr/sbin/sendmail.production "$@"
echo "sendmail: not installed" >&2; exit 127
"""

_QUIET = r"""
for one in /proc/[0-9]*; do
  read -r name 2>/dev/null <"$one/comm" && [ "$name" = anacron ] && kill -9 "${one#/proc/}"
done
systemctl reset-failed anacron.service 2>/dev/null
rm -f "$1/anacron"
true
"""
"""An anacron that was started with the machine waits for minutes, and meanwhile keeps every other one from its jobs."""
_ANACRON = "anacron.service"
_LOCKED = "locked by another anacron"

_SHIFT = r"""
ln -s "$1" /etc/.localtime.new && mv -T /etc/.localtime.new /etc/localtime
shift
for unit in "$@"; do systemctl start "$unit"; done
"""
_ENV = r"""home=$(getent passwd "$(id -un)" | cut -d: -f6); cd "${home:-/}" || cd /
shell=$1; command=$2; shift 2
exec env -i HOME="${home:-/}" LOGNAME="$(id -un)" USER="$(id -un)" PATH=/usr/bin:/bin "$@" "$shell" -c "$command" """
_ASK = r"""
printf 'now=%s\nup=%s\n\n' "$(date +%s.%N)" "$(cut -d' ' -f1 /proc/uptime)"
for unit in "$@"; do
  systemctl show "$unit" --no-pager -p Id -p ActiveState -p Result -p ExecMainCode -p ExecMainStatus -p InvocationID \
    -p ExecMainStartTimestampMonotonic -p ExecMainExitTimestampMonotonic -p InactiveEnterTimestampMonotonic
  echo
done
"""
_CHANGED = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /dev \) -prune -o ! -type d -newerct "@$1" \
  -printf '%C@ %u %p\0' 2>/dev/null
true
"""
_OURS = (
    *("/etc/localtime", _ZONE, "/usr/sbin/sendmail", "/var/log/journal/", "/var/lib/systemd/"),
    *(
        f"/var/log/{name}"
        for name in ("wtmp", "lastlog", "syslog", "messages", "cron", "auth.log", "daemon.log", "user.log")
    ),
)
_DATABASES = ("/var/lib/postgresql/", "/var/lib/mysql/", "/var/lib/pgsql/")


def survey(host: Host, span: Span) -> Schedules:
    """What falls due on this machine in the window. Reads only."""
    mark = f"== {secrets.token_hex(8)}"
    done = host.run(["sh", "-c", SURVEY, "survey", mark], timeout_s=60)
    if not done.ok:
        raise StepFailed("the clone's schedules could not be read", why=clean(done.stderr.decode(errors="replace")))
    return due(done.stdout.decode(errors="surrogateescape"), mark, span)


class _Run(NamedTuple):
    """How a job went: as seen in cron's log, by systemd, or by us."""

    began: float
    ended: float
    code: int | None
    output: str
    over: bool


def fire(host: Host, schedules: Schedules) -> list[FiredJob]:
    """Fire all of them on a clone that is thrown away afterwards; its clock stays shifted. The order is the window's."""
    jobs = schedules.due
    if not jobs:
        return []
    now = datetime.now(UTC).replace(tzinfo=None)
    shifts, unreached = waves(jobs, schedules.zone, now)
    timers = [one.name for one in jobs if one.kind == "timer"]
    held = " ".join(one.starts for one in jobs if one.kind == "timer")
    _must(host.run(["sh", "-c", _PREPARE, "prepare", _MAIL, held, *timers], stdin=_SENDMAIL.encode(), timeout_s=120))
    found: list[FiredJob] = []
    _quiet(host)
    for shift in shifts:
        found += _fire_wave(host, shift)
    for one in unreached:
        why = "no zone shows both its hour and its date from here"
        found.append(_fire_directly(host, msgspec.structs.replace(one, direct=why)))
    found += [_fire_directly(host, one) for one in jobs if one.direct]
    return sorted(found, key=lambda job: (job.due, job.name))


def _quiet(host: Host) -> None:
    """No anacron runs any more."""
    host.run(["sh", "-c", _QUIET, "quiet", _MAIL], timeout_s=60)


def _must(done: Completed) -> None:
    if not done.ok:
        raise StepFailed("the clone's schedulers could not be prepared", why=clean(done.stderr.decode(errors="replace")))


def _fire_wave(host: Host, shift: Wave) -> list[FiredJob]:
    """Set the clock before the moment, let the schedulers wait for it, and watch."""
    cron = [one for one in shift.jobs if one.kind == "cron"]
    timers = [one for one in shift.jobs if one.kind == "timer"]
    since = time.time()
    offset = round(
        (shift.wall - timedelta(seconds=LEAD_S) - datetime.fromtimestamp(since, UTC).replace(tzinfo=None)).total_seconds()
    )
    host.write_file(_ZONE, fixed_zone(offset))
    units = [*(["cron.service"] if cron else []), *(one.name for one in timers)]
    before = _services(host, timers)
    _must(host.run(["sh", "-c", _SHIFT, "shift", _ZONE, *units], timeout_s=60))
    moment = shift.wall.replace(tzinfo=UTC).timestamp() - offset
    runs = _watched(host, shift.jobs, since, moment, {name: run.began for name, run in before.items()})
    if units:
        host.run(["systemctl", "stop", *units], timeout_s=60)
    return [_job(one, shift.moment, runs.get(one.name), _changed(host, since) if runs else []) for one in shift.jobs]


def _watched(host: Host, jobs: Sequence[Due], since: float, moment: float, before: dict[str, float]) -> dict[str, _Run]:
    """Look until all have ended, or were not begun in time, or take too long."""
    while True:
        time.sleep(max(_PAUSE_S, moment - time.time()))
        runs = _seen(host, jobs, since, before)
        waiting = [one for one in jobs if one.name not in runs] if time.time() < moment + GRACE_S else []
        going = [run for run in runs.values() if not run.over]
        if not waiting and (not going or time.time() > moment + LONGEST_S):
            return runs


def _seen(host: Host, jobs: Sequence[Due], since: float, before: dict[str, float]) -> dict[str, _Run]:
    runs: dict[str, _Run] = {}
    cron = [one for one in jobs if one.kind == "cron"]
    if cron:
        log = host.run(
            ["journalctl", "-o", "json", "--no-pager", "--since", f"@{int(since)}", "SYSLOG_IDENTIFIER=CRON"], timeout_s=60
        )
        begun = [one for one in started(log.stdout) if one.began >= since]
        for job in cron:
            mine = next((one for one in begun if one.is_of(job.user, job.command)), None)
            if mine is not None:
                begun.remove(mine)
                runs[job.name] = _of_cron(host, mine)
    timers = [one for one in jobs if one.kind == "timer"]
    for name, run in _services(host, timers).items():
        if run.began > before.get(name, 0.0):
            runs[next(one.name for one in timers if one.starts == name)] = run
    return runs


def _of_cron(host: Host, mine: Started) -> _Run:
    """A job of cron's; its output is what cron mailed."""
    output = ""
    if mine.ended:
        output = _mailed(host, mine.parent)
    code = None if not mine.ended else mine.code
    return _Run(mine.began, mine.ended, code, output, over=bool(mine.ended))


def _mailed(host: Host, name: str) -> str:
    """What a scheduler mailed of a job's output."""
    mailed = host.run(["cat", f"{_MAIL}/{name}"])
    return mailed.stdout.decode(errors="replace").partition("\n\n")[2] if mailed.ok else ""


def _services(host: Host, timers: Sequence[Due]) -> dict[str, _Run]:
    """How the units that timers start last ran: unit -> run; begun 0 when they never did."""
    if not timers:
        return {}
    done = host.run(["sh", "-c", _ASK, "ask", *(one.starts for one in timers)], timeout_s=60)
    texts = done.stdout.decode(errors="replace").split("\n\n")
    blocks = [dict(line.split("=", 1) for line in text.splitlines() if "=" in line) for text in texts]
    booted = float(blocks[0].get("now", 0)) - float(blocks[0].get("up", 0))
    return {block["Id"]: _of_unit(host, block, booted) for block in blocks if block.get("Id")}


def _of_unit(host: Host, block: dict[str, str], booted: float) -> _Run:
    """A unit's last run, from its properties."""
    began, ended = (int(block.get(f"ExecMain{what}TimestampMonotonic") or 0) / 1e6 for what in ("Start", "Exit"))
    over = block.get("ActiveState") in ("inactive", "failed") or (block.get("ActiveState") == "active" and ended > 0)
    output = ""
    if over and began and (invocation := block.get("InvocationID")):
        shown = host.run(["journalctl", "-o", "cat", "--no-pager", "-n", "40", f"_SYSTEMD_INVOCATION_ID={invocation}"])
        output = shown.stdout.decode(errors="replace")
    if began and block.get("Id") == _ANACRON:
        return _Run(booted + began, booted + began, 0, "It was started; its jobs are listed by themselves.\n", over=True)
    status = int(block.get("ExecMainStatus") or 0)
    code = 128 + status if block.get("ExecMainCode") in ("2", "3") else status
    if not code and block.get("Result") not in ("success", "", None):
        code = 1  # a condition, a limit of time, a failure before or after its main program
    return _Run(booted + began if began else 0.0, booted + ended if ended else 0.0, code if over else None, output, over)


def _fire_directly(host: Host, job: Due) -> FiredJob:
    """Start what no shifted clock starts, as its scheduler would."""
    since = time.time()
    trouble = f"started directly: {job.direct}"
    if job.kind == "timer":
        before = {name: run.began for name, run in _services(host, [job]).items()}
        host.run(["systemctl", "start", "--no-block", job.starts], timeout_s=60)
        run = _watched(host, [job], since, since, before).get(job.name)
    else:
        if job.kind == "anacron":
            _quiet(host)
        done = host.run(
            _command(job), stdin=_input(job), timeout_s=LONGEST_S, user=None if job.kind == "anacron" else job.user
        )
        ended = time.time()
        output = (_mailed(host, "anacron") if job.kind == "anacron" else "") + (done.stdout + done.stderr).decode(
            errors="replace"
        )
        run = _Run(since, ended, _code(job, done, output), output, over=done.code is not None)
        if job.kind == "anacron" and _LOCKED in output:
            trouble += "; another anacron kept it from running"
    fired = _job(job, job.moments[0], run, _changed(host, since))
    return msgspec.structs.replace(fired, trouble="; ".join(filter(None, (trouble, fired.trouble))))


def _command(job: Due) -> list[str]:
    if job.kind == "anacron":
        return ["anacron", "-d", "-n", "-f", "-s", job.starts]
    if job.kind == "at":
        return ["sh", "-c", f"cd /; exec sh < {shlex.quote(job.starts)}"]
    command = before_percent(job.command)
    settings = [f"{name}={value}" for name, value in job.settings.items()]
    return ["sh", "-c", _ENV, "cron", job.settings.get("SHELL", "/bin/sh"), command, *settings]


def _input(job: Due) -> bytes:
    """What stands after the first bare ``%`` is the job's standard input, its further ones line breaks."""
    _, found, rest = job.command.replace("\\%", "\0").partition("%")
    return (rest.replace("%", "\n").replace("\0", "%") + "\n").encode() if found and job.kind == "cron" else b""


def _code(job: Due, done: Completed, output: str) -> int | None:
    if job.kind != "anacron" or not done.ok:
        return done.code
    if _LOCKED in output:
        return None
    told = output.rpartition("(exit status: ")[2].partition(")")[0]
    return int(told) if told.isdecimal() else 0


class _Changed(NamedTuple):
    at: float
    owner: str
    path: str


def _changed(host: Host, since: float) -> list[_Changed]:
    """Paths that changed after a moment, with the moment of their last change; neither logs nor what we did."""
    done = host.run(["sh", "-c", _CHANGED, "changed", f"{since:.3f}"], timeout_s=120)
    found: dict[str, _Changed] = {}
    for line in done.stdout.decode(errors="surrogateescape").split("\0"):
        at, _, rest = line.partition(" ")
        owner, _, path = rest.partition(" ")
        if not path or path.startswith(_OURS):
            continue
        database = next((one for one in _DATABASES if path.startswith(one)), "")
        path = f"{database} (the database)" if database else path
        if path not in found or found[path].at < float(at):
            found[path] = _Changed(float(at), owner, path)
    return sorted(found.values())


def _written(job: Due, run: _Run, changed: Sequence[_Changed]) -> tuple[str, ...]:
    """The paths that changed while it ran; of a job that is not root's, those that are its user's."""
    until = (run.ended or time.time()) + 0.5
    near = [one for one in changed if run.began - 0.1 <= one.at <= until]
    return tuple(clean(one.path) for one in near if job.kind == "timer" or job.user in ("root", one.owner))


def _job(job: Due, moment: float, run: _Run | None, changed: Sequence[_Changed]) -> FiredJob:
    """The row of the report."""
    times = len(job.moments)
    often = f"due {times} times in the window, fired once" if times > 1 else ""
    row = FiredJob(name=job.name, kind=job.kind, command=clean(job.command), due=moment, trouble=often)
    if run is None:
        silent = "its scheduler did not start it when the clock showed its time"
        return msgspec.structs.replace(row, trouble="; ".join(filter(None, (silent, often))))
    ended = run.ended or time.time()
    late = "" if run.over else f"still running after {LONGEST_S:.0f} s"
    return msgspec.structs.replace(
        row,
        fired=run.began,
        seconds=round(max(0.0, ended - run.began), 3),
        code=run.code,
        output=clean(run.output, OUTPUT),
        writes=_written(job, run, changed),
        trouble="; ".join(filter(None, (late, often))),
    )
