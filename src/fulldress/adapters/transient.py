"""A step on a host: a script file run once by that host's own init, whatever happens to the connection or to us.

Each job has a directory ``<home>/steps/<job>/`` on the host: ``cmd`` (the script), ``claim/`` (made by one atomic rename
by whoever runs it: exactly one can), ``output``, and ``result`` (written by fsync and rename). It may be asked for any
number of times, by any number of processes: it runs once, and its result can be read later. A claim without a result on
a machine that booted since is *unknown*: this file says so, and never runs it again.

Everything that is sent travels on stdin of ``bash -s``, so no argument is ever expanded by the init on the way.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from fulldress.errors import FulldressError, StepFailed
from fulldress.ports import Host

HOME = "/var/lib/fulldress"
POLL_SECONDS = 15.0
OUTPUT_LIMIT = 32 << 10
ATTEMPTS = 8

State = Literal["done", "running", "unknown", "lost"]


class HostLost(FulldressError):
    """The host does not answer. A step under way goes on there without us: it is run by the host's own init.

    When the host answers again, ``fulldress resume`` goes on where the run ended, ``fulldress rollback`` undoes it.
    """

    slug = "host-lost"


class StepNotStarted(StepFailed):
    """The host answered, but could not start the step (no room, no bash, a read-only disk). Nothing of the step ran."""

    slug = "step-not-started"


class PushFailed(FulldressError):
    """Contents that the plan needs did not reach the host as they are; no step was begun.

    The host's disk is full or failing: look at ``/var/lib/fulldress/blobs`` there, then run the same command again.
    """

    slug = "push-failed"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the host says of a job. ``lost``: it was never claimed. Times in seconds since the epoch, host's clock."""

    state: State
    code: int | None = None
    started: float = 0.0
    ended: float = 0.0
    output: str = ""
    leftovers: int = 0
    """Processes that the step left running when it ended; they end with its unit."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to run: ``name`` is never reused; ``body`` is bash; ``timeout_s`` counts on the host."""

    name: str
    body: str
    timeout_s: float = 300.0
    env: dict[str, str] = {}
    home: str = HOME


WRAPPER = r"""#!/bin/bash
# Runs the job beside it, once: the claim is made by one rename, which only one process can do.
d=$(cd "$(dirname "$0")" && pwd)
mine=$d/claim.$$; mkdir -p "$mine"
cat /proc/sys/kernel/random/boot_id >"$mine/boot"; echo $$ >"$mine/pid"; date +%s.%N >"$mine/started"
mv -nT "$mine" "$d/claim" 2>/dev/null
[ ! -d "$mine" ] || { rm -rf "$mine"; exit 0; }
sync "$d/claim/boot" "$d/claim" "$d"
while IFS='=' read -r name value; do export "$name=$value"; done <"$d/env"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
mkdir -p "$FD_UNDO"; chmod 700 "$FD_UNDO"
if [ -n "${FD_FENCE:-}" ] && ! grep -qF -- "\"$FD_FENCE\"" "${FD_BLOBS%/blobs}/holder" 2>/dev/null; then
  echo 'echo "another run took this host over: nothing was done"; exit 96' >"$d/cmd"
fi
timeout -k 10 "$FD_TIMEOUT" bash "$d/cmd" >"$d/output" 2>&1 </dev/null; code=$?
group=$(sed -n 's/^0:://p;s/^[0-9]*:name=systemd://p' /proc/self/cgroup | head -n 1)
left=0; for f in "/sys/fs/cgroup$group/cgroup.procs" "/sys/fs/cgroup/systemd$group/cgroup.procs"; do
  [ ! -r "$f" ] || { mapfile -t procs <"$f"; left=$((${#procs[@]} > 1 ? ${#procs[@]} - 1 : 0)); break; }; done
printf '%s %s %s %s\n' "$code" "$(cat "$d/claim/started")" "$(date +%s.%N)" "$left" >"$d/result.new"
sync "$d/result.new" "$d/output"; mv "$d/result.new" "$d/result"; sync "$d"
"""

_LOOK = r"""
alive() {  # the process that holds the claim still runs
  [ "$(cat "$d/claim/boot" 2>/dev/null)" = "$(cat /proc/sys/kernel/random/boot_id)" ] || return 1
  local pid; pid=$(cat "$d/claim/pid" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$d/run"
}
report() {
  if [ -f "$d/result" ]; then echo "done $(cat "$d/result")"
  elif [ ! -d "$d/claim" ] || [ "$(cat "$d/claim/boot")" = revoked ]; then echo lost
  elif alive; then echo "running 0 $(cat "$d/claim/started")"
  elif [ -f "$d/result" ]; then echo "done $(cat "$d/result")"
  else echo "unknown 0 $(cat "$d/claim/started" 2>/dev/null)"; fi
  [ ! -f "$d/output" ] || tail -c "$limit" "$d/output"
}
wait_for() {  # until there is a result, the holder is gone, or the time is over
  local end=$(($(date +%s%N) + wait_ns)) n=0
  while [ ! -f "$d/result" ] && [ "$(date +%s%N)" -lt "$end" ]; do
    sleep 0.02; n=$((n + 1))
    [ $((n % 25)) -ne 0 ] || [ ! -d "$d/claim" ] || alive || break
    [ "$(cat "$d/claim/boot" 2>/dev/null)" != revoked ] || break
    [ $n -lt 250 ] || [ -d "$d/claim" ] || break
  done
}
"""

_START = r"""
if [ ! -d "$d/claim" ]; then
  mkdir -p "$d" "$home/undo" "$home/blobs"; chmod 711 "$home"; chmod 700 "$home/steps" "$home/undo" "$home/blobs"
  put() { base64 -d >"$d/$1.$$" && chmod "$2" "$d/$1.$$" && sync "$d/$1.$$" && mv "$d/$1.$$" "$d/$1"; }
  put cmd 600 <<'FD_EOF'
%(cmd)s
FD_EOF
  put env 600 <<'FD_EOF'
%(env)s
FD_EOF
  put run 700 <<'FD_EOF'
%(run)s
FD_EOF
  sync "$d" "$home/steps"
  if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
    why=$(systemctl is-active -q "$unit" ||
      systemd-run -q --no-block --collect --unit="$unit" /bin/bash "$d/run" 2>&1) ||
      case $why in *already*) ;; *) echo "$why" >&2; exit 70;; esac  # somebody else was faster
  else
    setsid -f /bin/bash "$d/run" >/dev/null 2>&1 </dev/null
  fi
fi
"""


_REVOKE = r"""
mine=$d/claim.r$$; mkdir -p "$mine"; echo revoked >"$mine/boot"; echo 0 >"$mine/pid"; echo 0 >"$mine/started"
sync "$mine/boot" "$mine"; mv -nT "$mine" "$d/claim" 2>/dev/null; rm -rf "$mine"; sync "$d"
"""


def run_job(
    host: Host,
    job: Job,
    on_wait: Callable[[Report], None] | None = None,
    give_up: Callable[[], bool] = lambda: False,
) -> Report:
    """Start the job if nobody did, wait for its end, and return what it came to. ``unknown`` is for the caller to probe.

    Raises HostLost when the host does not answer any more, or when ``give_up`` says that nobody waits; the job goes on.
    """
    failures, end = 0, time.monotonic() + job.timeout_s + 120
    while True:
        report = _ask(host, job, start=True)
        if report is None or report.state == "lost":
            failures += 1
            if failures >= ATTEMPTS or give_up():
                raise _host_lost(host, job)
            time.sleep(min(0.2 * 2**failures, 5.0))
            continue
        if report.state in ("done", "unknown"):
            return report
        if time.monotonic() > end or give_up():
            raise _host_lost(host, job)
        if on_wait:
            on_wait(report)


def look(host: Host, job: Job, wait_s: float = 0.0) -> Report:
    """What the host knows of the job, without starting it; waits up to ``wait_s`` for a running one."""
    for attempt in range(ATTEMPTS):
        report = _ask(host, job, start=False, wait_s=wait_s)
        if report is not None:
            return report
        time.sleep(0.2 * 2**attempt)
    raise _host_lost(host, job)


def revoke(host: Host, job: Job, wait_s: float = 0.0) -> Report:
    """Make sure that a job which nobody claimed never will be; a claimed one is waited for. ``lost``: it never ran.

    Needed before an undo: a request to start that is still on its way would otherwise run after it.
    """
    for attempt in range(ATTEMPTS):
        report = _ask(host, job, start=False, wait_s=wait_s, first=_REVOKE)
        if report is not None:
            return report
        time.sleep(0.2 * 2**attempt)
    raise _host_lost(host, job)


def unit_name(job_name: str) -> str:
    """The name of the transient unit; long names are cut and kept apart by a digest."""
    name = f"fulldress-step-{job_name}"
    if len(name) <= 200:
        return name
    return f"{name[:180]}-{hashlib.sha256(job_name.encode()).hexdigest()[:12]}"


def _ask(host: Host, job: Job, *, start: bool, wait_s: float = POLL_SECONDS, first: str = "") -> Report | None:
    done = host.run(["bash", "-s"], stdin=_script(job, start, wait_s, first).encode(), timeout_s=wait_s + 30)
    if done.code is None:
        return None
    if not done.ok:
        why = done.stderr.decode(errors="replace").strip()[-500:]
        raise StepNotStarted(f"{host.name} could not start {job.name}: {why}")
    return _parse(done.stdout)


def _script(job: Job, start: bool, wait_s: float, first: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", job.name) or "'" in job.home:
        raise ValueError(f"not a name for a job: {job.name!r}")
    env = {**job.env, "FD_TIMEOUT": f"{max(job.timeout_s, 1):.0f}"}
    if any("\n" in v or "\n" in k for k, v in env.items()):
        raise ValueError("the environment of a job cannot hold line breaks")
    head = f"umask 022; home='{job.home}'; d=$home/steps/{job.name}; unit={unit_name(job.name)}.service\n"
    head += f"limit={OUTPUT_LIMIT}; wait_ns={int(wait_s * 1e9)}\n"
    lines = "".join(f"{k}={v}\n" for k, v in env.items())
    begin = _START % {"cmd": _b64(job.body), "env": _b64(lines), "run": _b64(WRAPPER)} if start else ""
    return f"{head}{_LOOK}{first}{begin}wait_for\nreport\n"


def _b64(text: str) -> str:
    return base64.encodebytes(text.encode("utf-8", "surrogateescape")).decode().rstrip()


def _parse(answer: bytes) -> Report:
    first, _, output = answer.partition(b"\n")
    fields = first.decode(errors="replace").split()
    if not fields or fields[0] not in ("done", "running", "unknown", "lost"):
        raise StepNotStarted(f"the host gave no report of the step: {first[:200]!r}")
    state: State = fields[0]  # type: ignore[assignment]
    number = [float(f) for f in fields[1:]] + [0.0] * 4
    return Report(
        state=state,
        code=int(number[0]) if state == "done" else None,
        started=number[1],
        ended=number[2],
        leftovers=int(number[3]),
        output=output.decode(errors="replace"),
    )


def _host_lost(host: Host, job: Job) -> HostLost:
    return HostLost(
        f"{host.name} does not answer; the step {job.name} goes on there without us",
        why="a step is run by the host's own init, so losing the connection does not stop it",
        fix="when the host answers again: `fulldress resume` goes on, `fulldress rollback` undoes",
    )


def push_blobs(host: Host, wanted: Sequence[str], read: Callable[[str], bytes], home: str = HOME) -> int:
    """Bring contents to ``<home>/blobs/<sha256>``; returns how many were sent. What lies there is verified there."""
    wanted = list(dict.fromkeys(wanted))
    missing = _unverified(host, wanted, home) if wanted else []
    for sha in missing:
        host.write_file(f"{home}/blobs/{sha}", read(sha), mode=0o600)
    wrong = _unverified(host, missing, home) if missing else []
    if wrong:
        raise PushFailed(
            f"content {wrong[0][:12]}… did not arrive at {host.name} as it was sent",
            why="the host's disk is full or damaged",
            fix=f"look at {home}/blobs on the host, then run the same command again",
        )
    return len(missing)


def _unverified(host: Host, wanted: Sequence[str], home: str) -> list[str]:
    script = f"umask 022; mkdir -p '{home}/blobs' && chmod 711 '{home}' && cd '{home}/blobs' || exit 1\n"
    script += (
        'while read -r s; do echo "$s  $s" | sha256sum --check --status - 2>/dev/null || echo "$s"; done <<\'FD_EOF\'\n'
    )
    done = host.run(["bash", "-s"], stdin=f"{script}{chr(10).join(wanted)}\nFD_EOF\n".encode(), timeout_s=600)
    if not done.ok:
        raise PushFailed(
            f"{host.name} cannot keep the contents for the plan: {done.stderr.decode(errors='replace').strip()[-300:]}",
        )
    return done.stdout.decode().split()
