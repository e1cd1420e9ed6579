"""``cron-job``: switch lines of a cron file off (by a comment) or on again.

Undo restores the file exactly when nobody changed it since; else it only reverts the lines.
"""

from __future__ import annotations

from fulldress.model.plan import Step, StepScripts
from fulldress.steps._bash import HEAD, KEEP, word
from fulldress.steps._contract import KindInfo, StepContext, bad

KIND = KindInfo(
    slug="cron-job",
    summary="switch scheduled commands off or on",
    required={"file": "absolute path of the cron file", "match": "text that the lines hold"},
    optional={"action": "disable (default) or enable"},
)
MARK = "# off by fulldress: "
EDIT = r"""
fd_cron() {  # cron OP FILE TEXT: whole or not at all
  local f; f=$(readlink -f -- "$2"); cp -a -- "$f" "$f.fd-new"
  OP=$1 TEXT=$3 MARK="# off by fulldress: " awk '
    BEGIN { op = ENVIRON["OP"]; text = ENVIRON["TEXT"]; mark = ENVIRON["MARK"] }
    op == "disable" && index($0, text) && $0 !~ /^[ \t]*#/ && $0 !~ /^[ \t]*[A-Za-z_][A-Za-z0-9_]*[ \t]*=/ { $0 = mark $0 }
    op == "enable" && index($0, text) && index($0, mark) == 1 { $0 = substr($0, length(mark) + 1) }
    { print }' <"$f" >"$f.fd-new"
  sync "$f.fd-new"; mv -T -- "$f.fd-new" "$f"
}
"""


def compile(step: Step, ctx: StepContext) -> StepScripts:
    """cron reads a changed file by itself within a minute."""
    file, match, action = str(step.params["file"]), str(step.params["match"]), str(step.params.get("action", "disable"))
    if action not in ("disable", "enable") or not file.startswith("/") or not match.strip() or "\n" in match:
        raise bad(step, "`file` must be absolute, `match` one line, `action` disable or enable")
    f, m = word(file), word(match)
    other = "enable" if action == "disable" else "disable"
    active = f"grep -F -- {m} {f} | grep -qvE '^[[:space:]]*(#|[A-Za-z_]+[[:space:]]*=)'"
    undo = (
        f'{HEAD}{KEEP}{EDIT}[ -e "$FD_UNDO/cron.kept" ] || exit 0\n'
        f'if [ ! -e "$FD_UNDO/after" ] || fd_digest {f} | grep -qxFf - "$FD_UNDO/before" "$FD_UNDO/after"; then\n'
        f"  fd_restore cron\n"
        f"else fd_cron {other} {f} {m}\nfi\n"
    )
    return StepScripts(
        id=step.id,
        do=(
            f"{HEAD}{KEEP}{EDIT}readlink -fz -- {f} | fd_keep cron\n"
            f'[ -e "$FD_UNDO/before" ] || fd_digest {f} >"$FD_UNDO/before"\n'
            f""
            f'fd_cron {action} {f} {m}\nfd_digest {f} >"$FD_UNDO/after"\n'
        ),
        verify_before=f"{HEAD}grep -qF -- {m} {f}\n",
        verify_after=f"{HEAD}{'! ' if action == 'disable' else ''}{{ {active}; }}\n",
        undo=undo,
    )
