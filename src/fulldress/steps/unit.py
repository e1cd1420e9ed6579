"""``unit``: stop, start, restart, enable, disable, mask or hold a systemd unit, or reload systemd's own files.

The state before is recorded on the host; undo is derived from it.
"""

from __future__ import annotations

import re

from fulldress.model.plan import Step, StepScripts
from fulldress.steps._bash import HEAD, KEEP, word
from fulldress.steps._contract import KindInfo, StepContext, bad

KIND = KindInfo(
    slug="unit",
    summary="change the state of a systemd unit",
    required={
        "action": "stop, start, restart, reload, enable, disable, mask, unmask, hold, release or daemon-reload; hold stops "
        "the unit and lets no start of it take effect, release ends that and starts what ran before or is enabled by then"
    },
    optional={"unit": "name of the unit, for example `app.service`", "settle-s": "seconds to wait for a started unit"},
)
_RUNNING = {"stop", "start", "restart", "reload"}
_LINKS = {"enable", "disable", "mask", "unmask"}
_HOLDS = {"hold", "release"}

RECORD = r"""
fd_record_unit() {
  [ ! -e "$FD_UNDO/state" ] || return 0
  systemctl show -p InvocationID --value -- "$1" >"$FD_UNDO/invocation"
  systemctl show -p ActiveState --value -- "$1" >"$FD_UNDO/state.new"
  sync "$FD_UNDO/state.new" "$FD_UNDO/invocation"; mv "$FD_UNDO/state.new" "$FD_UNDO/state"
}
fd_stopped() { printf '%s' "$FD_UNDO/../.stopped-$1"; }  # there while this run has stopped the unit and not started it
fd_hold() { printf '/etc/systemd/system/%s.d/99-held-by-fulldress.conf' "$1"; }  # there while starts take no effect
fd_wanted() { printf '%s' "$FD_UNDO/../.held-$1"; }  # there when a held unit ran before, or was to be started since
fd_start() {  # start; a unit that this run had stopped and that runs all the same was started by a boot: with old files
  systemctl reset-failed -- "$1" 2>/dev/null || true  # how often it was started lately is no reason not to start it now
  [ ! -e "$(fd_hold "$1")" ] || : >"$(fd_wanted "$1")"
  if [ -e "$(fd_stopped "$1")" ] && systemctl is-active -q -- "$1"; then systemctl restart -- "$1"
  else systemctl start -- "$1"; fi
  rm -f -- "$(fd_stopped "$1")"
}
fd_start_as_before() {  # start, unless it is the very one that ran before: one that a boot started may run the new files
  if systemctl is-active -q -- "$1" &&
    [ "$(systemctl show -p InvocationID --value -- "$1")" = "$(cat "$FD_UNDO/invocation")" ]; then return 0; fi
  systemctl reset-failed -- "$1" 2>/dev/null || true
  systemctl restart -- "$1"
  rm -f -- "$(fd_stopped "$1")"
}
"""
HOLD = r"""
fd_keep_hold() { printf '%s\0' "$(dirname "$(fd_hold "$1")")" "$(fd_hold "$1")" | fd_keep hold; }
fd_end_hold() {
  rm -f -- "$(fd_hold "$1")"
  rmdir --ignore-fail-on-non-empty -- "$(dirname "$(fd_hold "$1")")" 2>/dev/null || true
  systemctl daemon-reload
}
"""
"""A condition that never holds: starting and enabling the unit succeed without effect. A mask would make both fail, and a
script that copies the unit's file to /etc/systemd/system would write it through the mask's link, into /dev/null."""
_HELD = (
    "# fulldress holds this unit while a plan runs; a later step of the plan takes this file away.\n"
    "[Unit]\nConditionPathExists=!/\n"
)
_EXISTS = (
    '[ "$(systemctl show -p LoadState --value -- {u})" != not-found ] '
    '|| {{ echo "there is no unit "{u}" on this host"; exit 1; }}\n'
)


def compile(step: Step, ctx: StepContext) -> StepScripts:
    """The action, and its opposite according to the state that was."""
    action = str(step.params["action"])
    if action == "daemon-reload":
        reload = f"{HEAD}systemctl daemon-reload\n"
        return StepScripts(id=step.id, do=reload, undo=reload)
    name = str(step.params.get("unit", ""))
    if action not in _RUNNING | _LINKS | _HOLDS:
        raise bad(step, f"unknown action {action!r}; known are {KIND.required['action']}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:_.@\\-]*", name):
        raise bad(step, f"`unit` is not the name of a unit: {name!r}")
    u = word(name if "." in name else f"{name}.service")
    head = f"{HEAD}{KEEP}{RECORD}"
    if action in _HOLDS:
        return _hold(step.id, u, f"{head}{HOLD}") if action == "hold" else _release(step.id, u, f"{head}{HOLD}")
    before = HEAD + _EXISTS.format(u=u)
    if action in _LINKS:
        return _links(step.id, action, u, head, before)
    undo = f'{head}[ -e "$FD_UNDO/state" ] || exit 0\n' + _opposite(action, u)
    run = {"start": f"fd_start {u}", "stop": f': >"$(fd_stopped {u})"\nsystemctl stop -- {u}'}
    settle = float(step.params.get("settle-s", 1.0))
    return StepScripts(
        id=step.id,
        do=f"{head}fd_record_unit {u}\n{run.get(action, f'systemctl {action} -- {u}')}\n",
        verify_before=before,
        verify_after=HEAD + _after(action, u, settle),
        undo=undo,
    )


def _opposite(action: str, u: str) -> str:
    if action == "stop":
        return f'case "$(cat "$FD_UNDO/state")" in active|activating|reloading) fd_start_as_before {u};; esac\n'
    if action == "start":
        return f'case "$(cat "$FD_UNDO/state")" in inactive|failed) systemctl stop -- {u};; esac\n'
    return (
        f'case "$(cat "$FD_UNDO/state")" in inactive|failed) systemctl stop -- {u};; *) systemctl {action} -- {u};; esac\n'
    )


def _after(action: str, u: str, settle: float) -> str:
    if action == "stop":
        return f'case "$(systemctl show -p ActiveState --value -- {u})" in inactive|failed) ;; *) exit 1;; esac\n'
    return (
        f"[ ! -e /etc/systemd/system/{u}.d/99-held-by-fulldress.conf ] || exit 0\n"
        f"type=$(systemctl show -p Type --value -- {u})\n"
        f'[ "$type" = oneshot ] || sleep {settle:.2f}\n'
        f"state=$(systemctl show -p ActiveState --value -- {u})\n"
        f'[ "$state" = active ] || {{ [ "$type" = oneshot ] && [ "$state" = inactive ]; }} || '
        f'{{ echo "unit is $state after {action}"; systemctl status --no-pager -n 15 -- {u} || true; exit 1; }}\n'
    )


def _hold(ident: str, u: str, head: str) -> StepScripts:
    """A drop-in that lets no start take effect, for a unit that need not be there yet; then it is stopped."""
    do = (
        f"{head}fd_record_unit {u}\nfd_keep_hold {u}\n"
        f'case "$(cat "$FD_UNDO/state")" in active|activating|reloading) : >"$(fd_wanted {u})";; esac\n'
        f'file=$(fd_hold {u}); mkdir -p -- "$(dirname "$file")"\n'
        f'printf %s {word(_HELD)} >"$file.fd-new"; sync "$file.fd-new"; mv -T -- "$file.fd-new" "$file"\n'
        f'systemctl daemon-reload\n[ "$(cat "$FD_UNDO/state")" = inactive ] || systemctl stop -- {u}\n'
    )
    undo = (
        f'{head}[ -e "$FD_UNDO/hold.kept" ] || exit 0\nfd_restore hold\nsystemctl daemon-reload\n'
        f'rm -f -- "$(fd_wanted {u})"\n{_opposite("stop", u)}'
    )
    after = f"{HEAD}[ -e /etc/systemd/system/{u}.d/99-held-by-fulldress.conf ]\n{_after('stop', u, 0)}"
    return StepScripts(id=ident, do=do, verify_after=after, undo=undo)


def _release(ident: str, u: str, head: str) -> StepScripts:
    """Without the drop-in; started when it ran before the hold, was to be started since, or is enabled by now."""
    do = (
        f"{head}fd_record_unit {u}\nfd_keep_hold {u}\nfd_end_hold {u}\n"
        f'if [ -e "$(fd_wanted {u})" ] || systemctl is-enabled -q -- {u} 2>/dev/null; then fd_start {u}; fi\n'
    )
    undo = f'{head}[ -e "$FD_UNDO/hold.kept" ] || exit 0\nfd_restore hold\nsystemctl daemon-reload\n{_opposite("start", u)}'
    after = (
        f"{HEAD}[ ! -e /etc/systemd/system/{u}.d/99-held-by-fulldress.conf ]\n"
        f'[ "$(systemctl show -p ActiveState --value -- {u})" != failed ]\n'
    )
    return StepScripts(id=ident, do=do, verify_after=after, undo=undo)


def _links(ident: str, action: str, u: str, head: str, before: str) -> StepScripts:
    """Enable, disable, mask: the links under /etc/systemd/system are kept and restored as they were."""
    do = (
        f"{head}fd_units {u} | sort -zu | fd_keep links\nsystemctl {action} -- {u}\n"
        f"fd_units {u} | fd_new links | fd_also_gone links\n"
    )
    undo = f'{head}[ -e "$FD_UNDO/links.kept" ] || exit 0\nfd_units {u} | fd_new links | fd_also_gone links\n'
    undo += "fd_restore links\nsystemctl daemon-reload\n"
    states = {"enable": "enabled*|static|alias|indirect", "disable": "disabled|static|indirect", "mask": "masked*"}
    wanted = states.get(action, "enabled*|disabled|static|indirect|alias|linked*")
    after = f'case "$(systemctl is-enabled -- {u} 2>/dev/null || true)" in {wanted}) ;; *) exit 1;; esac\n'
    return StepScripts(id=ident, do=do, verify_before=before, verify_after=HEAD + after, undo=undo)
