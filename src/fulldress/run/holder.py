"""One writer per target: who holds a host, written on that host, with a fencing token that its steps must match.

``/var/lib/fulldress/holder`` is made by one atomic link. It stays until its run has ended: a killed runner leaves it, and
says through it which command goes on.
"""

from __future__ import annotations

import shlex

import msgspec

from fulldress.adapters.transient import HostLost
from fulldress.errors import FulldressError, TargetHeld
from fulldress.formats.hosttext import printable
from fulldress.ports import Host

PATH = "/var/lib/fulldress/holder"


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a host. ``token`` is never given twice on a host."""

    run: str
    operator: str
    since: str
    folder: str
    token: str = ""


_TAKE = """
umask 077; mkdir -p /var/lib/fulldress; chmod 711 /var/lib/fulldress; cd /var/lib/fulldress || exit 1
exec 9>holder.lock; flock 9
if [ -s holder ]; then cat holder; exit 0; fi
n=$(cat fence 2>/dev/null || echo 0); n=$((n + 1)); echo "$n" >fence.new; sync fence.new; mv fence.new fence
printf '%s' {text} | sed "s/@TOKEN@/$n-{run}/" >holder.new; sync holder.new; mv -T holder.new holder; sync .
cat holder
"""
_GIVE_BACK = """
cd /var/lib/fulldress || exit 0
exec 9>holder.lock; flock 9
if grep -qF -- {run} holder 2>/dev/null; then rm -f holder; sync .; fi
"""


def take(host: Host, wanted: Holder) -> Holder:
    """Hold the host for a run, or find that this run holds it already. TargetHeld names another holder."""
    text = msgspec.json.encode(msgspec.structs.replace(wanted, token="@TOKEN@")).decode()
    done = host.run(["bash", "-s"], stdin=_TAKE.format(text=shlex.quote(text), run=wanted.run).encode(), timeout_s=30)
    if not done.ok:
        raise FulldressError(f"{host.name} cannot be held: {done.stderr.decode(errors='replace').strip()[-300:]}")
    held = _read(host, done.stdout)
    if held.run != wanted.run:
        raise TargetHeld(
            f"{host.name} is held by run {printable(held.run)} of {printable(held.operator)} since {printable(held.since)}",
            why=f"one writer at a time; that run belongs to {printable(held.folder)}",
            fix="there: `fulldress resume` finishes it, `fulldress rollback` undoes it",
        )
    return held


def give_back(host: Host, run: str) -> None:
    """Let the host go, when this run holds it."""
    done = host.run(["bash", "-s"], stdin=_GIVE_BACK.format(run=shlex.quote(f'"{run}"')).encode(), timeout_s=30)
    if not done.ok:
        raise HostLost(f"{host.name} could not be let go", fix="fulldress resume")


def _read(host: Host, data: bytes) -> Holder:
    try:
        return msgspec.json.decode(data, type=Holder)
    except msgspec.MsgspecError as error:
        raise TargetHeld(
            f"{PATH} on {host.name} cannot be read: {error}",
            why="it says who works on this host, and nobody else may then",
            fix="look at it there; remove it only when you are sure that no run is under way",
        ) from error
