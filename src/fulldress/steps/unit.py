"""``unit``: stop, start, restart, enable, disable or mask a systemd unit, or reload systemd's own files.

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
    required={"action": "stop, start, restart, reload, enable, disable, mask, unmask or daemon-reload"},
    optional={"unit": "name of the unit, for example `app.service`", "settle-s": "seconds to wait for a started unit"},
)
_RUNNING = {"stop", "start", "restart", "reload"}
_LINKS = {"enable", "disable", "mask", "unmask"}

RECORD = r"""
fd_record_unit() {
  [ ! -e "$FD_UNDO/state" ] || return 0
  systemctl show -p InvocationID --value -- "$1" >"$FD_UNDO/invocation"
  systemctl show -p ActiveState --value -- "$1" >"$FD_UNDO/state.new"
  sync "$FD_UNDO/state.new" "$FD_UNDO/invocation"; mv "$FD_UNDO/state.new" "$FD_UNDO/state"
}
fd_stopped() { printf '%s' "$FD_UNDO/../.stopped-$1"; }  # there while this run has stopped the unit and not started it
fd_start() {  # start; a unit that this run had stopped and that runs all the same was started by a boot: with old files
  systemctl reset-failed -- "$1" 2>/dev/null || true  # how often it was started lately is no reason not to start it now
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
    if action not in _RUNNING | _LINKS:
        raise bad(step, f"unknown action {action!r}; known are {KIND.required['action']}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:_.@\\-]*", name):
        raise bad(step, f"`unit` is not the name of a unit: {name!r}")
    u = word(name if "." in name else f"{name}.service")
    head = f"{HEAD}{KEEP}{RECORD}"
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
        f"type=$(systemctl show -p Type --value -- {u})\n"
        f'[ "$type" = oneshot ] || sleep {settle:.2f}\n'
        f"state=$(systemctl show -p ActiveState --value -- {u})\n"
        f'[ "$state" = active ] || {{ [ "$type" = oneshot ] && [ "$state" = inactive ]; }} || '
        f'{{ echo "unit is $state after {action}"; systemctl status --no-pager -n 15 -- {u} || true; exit 1; }}\n'
    )


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
