"""``config-key``: set or remove one key of an ini, properties or ``key = value`` file, keeping comments and order.

Undo restores the file byte for byte when nobody changed it since; else it only puts the old value of the key back.
"""

from __future__ import annotations

from fulldress.model.plan import Step, StepScripts
from fulldress.steps._bash import HEAD, KEEP, word
from fulldress.steps._contract import KindInfo, StepContext, bad

KIND = KindInfo(
    slug="config-key",
    summary="set or remove one key of a configuration file",
    required={"file": "absolute path of the file", "key": "`section.key`, or the bare key in a file without sections"},
    optional={"value": "the new value", "remove": "true: remove the key instead"},
)

EDIT = r"""
fd_edit() {  # edit OP KEY VALUE <in >out; OP is set, remove or get
  OP=$1 KEY=$2 VALUE=$3 awk '
    function trim(s) { sub(/^[ \t]+/, "", s); sub(/[ \t\r]+$/, "", s); return s }
    BEGIN { op = ENVIRON["OP"]; key = ENVIRON["KEY"]; value = ENVIRON["VALUE"] }
    { line[NR] = $0 }
    END {
      dot = index(key, "."); section = ""; name = key
      for (i = 1; i <= NR; i++) if (line[i] ~ /^[ \t]*\[[^]]*\][ \t\r]*$/) any = 1
      if (any && dot) { section = substr(key, 1, dot - 1); name = substr(key, dot + 1) }
      # a section may itself hold dots: take the longest header that fits
      for (i = 1; i <= NR; i++) if (line[i] ~ /^[ \t]*\[[^]]*\][ \t\r]*$/) {
        h = trim(line[i]); h = substr(h, 2, length(h) - 2)
        if (length(h) > length(section) && index(key, h ".") == 1) { section = h; name = substr(key, length(h) + 2) }
      }
      here = ""; last = 0; at = 0; style = " = "; styled = 0
      for (i = 1; i <= NR; i++) {
        s = trim(line[i])
        if (s ~ /^\[[^]]*\]$/) { here = substr(s, 2, length(s) - 2); if (here == section) last = i; continue }
        if (s == "" || s ~ /^[#;!]/) continue
        if (here == section) last = i
        if (match(line[i], /[ \t]*[=:][ \t]*/)) {
          k = trim(substr(line[i], 1, RSTART - 1)); sep = substr(line[i], RSTART, RLENGTH)
          if (!styled) { style = sep; styled = 1 }
          if (here == section && k == name) {
            at = i; head = substr(line[i], 1, RSTART + RLENGTH - 1)
            old = trim(substr(line[i], RSTART + RLENGTH))
            if (head ~ /[ \t][=:]$/ && old == "") head = head " "
          }
        }
      }
      if (op == "get") { if (at) print old; exit !at }
      for (i = 1; i <= NR; i++) {
        if (i == at && op == "remove") continue
        if (i == at) { print head value; continue }
        print line[i]
        if (!at && op == "set" && i == last && last) { print name style value; written = 1 }
      }
      if (!at && op == "set" && !written) {
        if (section != "") { print ""; print "[" section "]" }
        print name style value
      }
    }'
}
fd_rewrite() {  # rewrite FILE OP KEY VALUE: whole or not at all, owner, mode and attributes kept
  local f; f=$(readlink -f -- "$1")
  cp -a -- "$f" "$f.fd-new"
  fd_edit "$2" "$3" "$4" <"$f" >"$f.fd-new"
  sync "$f.fd-new"; mv -T -- "$f.fd-new" "$f"
}
"""


def compile(step: Step, ctx: StepContext) -> StepScripts:
    """Edit on the host, where the file is; the value is never interpreted."""
    file, key = str(step.params["file"]), str(step.params["key"])
    remove = bool(step.params.get("remove"))
    if remove == ("value" in step.params):
        raise bad(step, "give either `value` or `remove = true`")
    value = _text(step.params.get("value", ""))
    if not file.startswith("/") or "\n" in key + value or "\r" in key + value:
        raise bad(step, "`file` must be absolute, and neither key nor value may hold a line break")
    f, k, v = word(file), word(key), word(value)
    op = "remove" if remove else "set"
    do = (
        f"{HEAD}{KEEP}{EDIT}readlink -fz -- {f} | fd_keep config\n"
        f'[ -e "$FD_UNDO/before" ] || fd_digest {f} >"$FD_UNDO/before"\n'
        f""
        f'[ -e "$FD_UNDO/old" ] || {{ fd_edit get {k} "" <{f} >"$FD_UNDO/old.new" || rm -f "$FD_UNDO/old.new"; '
        f'[ ! -e "$FD_UNDO/old.new" ] || mv "$FD_UNDO/old.new" "$FD_UNDO/old"; }}\n'
        f'fd_rewrite {f} {op} {k} {v}\nfd_digest {f} >"$FD_UNDO/after"\n'
    )
    undo = (
        f'{HEAD}{KEEP}{EDIT}[ -e "$FD_UNDO/config.kept" ] || exit 0\n'
        # an undo that was killed while it restored finds neither what was before nor what was after
        f'if [ ! -e "$FD_UNDO/after" ] || [ -e "$FD_UNDO/restoring" ] ||\n'
        f'  fd_digest {f} | grep -qxFf - "$FD_UNDO/before" "$FD_UNDO/after"; then\n'
        f'  : >"$FD_UNDO/restoring"; sync "$FD_UNDO"; fd_restore config; rm "$FD_UNDO/restoring"\n'
        f'elif [ -e "$FD_UNDO/old" ]; then fd_rewrite {f} set {k} "$(cat "$FD_UNDO/old")"\n'
        f'else fd_rewrite {f} remove {k} ""\nfi\n'
    )
    after = f'! fd_edit get {k} "" <{f} >/dev/null' if remove else f'[ "$(fd_edit get {k} "" <{f})" = {v} ]'
    return StepScripts(
        id=step.id, do=do, undo=undo, verify_before=f"{HEAD}[ -f {f} ]\n", verify_after=f"{HEAD}{EDIT}{after}\n"
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
