"""``deb``: install a Debian package of the vendor's.

Before: every path that the package holds, dpkg's own records of it, its unit links, and declared guards are kept. Undo
restores exactly that, without running the package's own removal scripts.
"""

from __future__ import annotations

from fulldress.model.plan import Step, StepScripts
from fulldress.steps._bash import HEAD, KEEP, words
from fulldress.steps._contract import KindInfo, StepContext, paths_param

KIND = KindInfo(
    slug="deb",
    summary="install a Debian package",
    required={"place": "the .deb in the adapted package"},
    optional={
        "guards": "list of paths that its scripts change (a symlink they switch, a file they write), with all below",
        "touched": "list of paths of which its scripts change owner, mode or existence only",
    },
)

FUNCTIONS = r"""
fd_deb_paths() { dpkg-deb --fsys-tarfile "$1" | tar -t --quoting-style=literal | sed -n 's,^\.\?/*,/,; s,/$,,; /./p'; }
fd_deb_units() { fd_deb_paths "$1" | sed -n 's,^\(/usr\)\?/lib/systemd/system/\([^/]*\)$,\2,p'; }
fd_deb_list() {  # everything that installing this package changes
  local pkg p; pkg=$(dpkg-deb -f "$1" Package)
  fd_deb_paths "$1" | while IFS= read -r p; do
    printf '%s\0' "$p"
    case $p in /etc/*) [ -d "$p" ] || printf '%s\0' "$p.dpkg-new" "$p.dpkg-dist" "$p.dpkg-old" "$p.dpkg-tmp";; esac
  done
  printf '%s\0' /var/lib/dpkg/status /var/lib/dpkg/status-old /var/lib/dpkg/available /var/lib/dpkg/lock
  printf '%s\0' /var/lib/dpkg/lock-frontend /var/lib/dpkg/diversions-old /var/lib/dpkg/statoverride-old
  printf '%s\0' /var/lib/dpkg/triggers/Lock /var/lib/dpkg/triggers/Unincorp /var/lib/dpkg/updates /var/lib/dpkg/info/format
  find /var/lib/dpkg/info /var/lib/dpkg/triggers -maxdepth 1 -type d -print0
  find /var/lib/dpkg/info \( -name "$pkg.*" -o -name "$pkg:*" \) -print0
  mapfile -t units < <(fd_deb_units "$1")
  [ ${#units[@]} -eq 0 ] || fd_units "${units[@]}"
  fd_tree "${@:3:$2}"
  [ $# -le $(($2 + 2)) ] || printf '%s\0' "${@:$(($2 + 3))}"
}
fd_stanza() {  # stanza PKG KEEP FILE: the record of a package (1), or all others (0)
  awk -v RS= -v ORS='\n\n' -v pkg="Package: $1" -v keep="$2" '
    { mine = 0; split($0, l, "\n"); for (i in l) if (l[i] == pkg) mine = 1 } mine == keep' "$3"
}
fd_status_back() {  # other packages came since: put back the record of this package only
  local pkg=$1 now=/var/lib/dpkg/status old="$FD_UNDO/status.before"
  { fd_stanza "$pkg" 0 "$now"; fd_stanza "$pkg" 1 "$old"; } >"$now.fd-new"
  chmod --reference="$now" "$now.fd-new"; sync "$now.fd-new"; mv -T "$now.fd-new" "$now"
}
"""


def compile(step: Step, ctx: StepContext) -> StepScripts:
    """``dpkg -i`` without questions; configuration files that the host changed are kept."""
    sha = ctx.content(step, step.params)
    guards, touched = paths_param(step, "guards"), paths_param(step, "touched")
    deb, held = f'"$FD_BLOBS"/{sha}', words([len(guards), *guards, *touched])
    head = f"{HEAD}{KEEP}{FUNCTIONS}"
    do = (
        f"{head}pkg=$(dpkg-deb -f {deb} Package)\n"
        f"fd_deb_list {deb} {held} | sort -zu | fd_keep deb\n"
        f'[ -e "$FD_UNDO/status.before" ] || {{ cp /var/lib/dpkg/status "$FD_UNDO/status.new"; '
        f'mv "$FD_UNDO/status.new" "$FD_UNDO/status.before"; }}\n'
        "dpkg --configure -a\n"
        f"DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold -i {deb}\n"
        f"fd_deb_list {deb} {held} | fd_new deb | fd_also_gone deb\n"
        'fd_digest /var/lib/dpkg/status >"$FD_UNDO/status.after"\n'
    )
    undo = (
        f'{head}[ -e "$FD_UNDO/deb.kept" ] || exit 0\npkg=$(dpkg-deb -f {deb} Package)\n'
        f"fd_deb_list {deb} {held} | fd_new deb | fd_also_gone deb\n"
        # once it has begun to restore, dpkg's record says nothing about others any more: an undo may be killed and repeated
        'if [ ! -e "$FD_UNDO/restoring" ] && [ -e "$FD_UNDO/status.after" ] && ! fd_digest /var/lib/dpkg/status |\n'
        '  grep -qxFf - "$FD_UNDO/status.after" <(fd_digest "$FD_UNDO/status.before"); then\n'
        '  cp -a /var/lib/dpkg/status "$FD_UNDO/status.new"; sync "$FD_UNDO/status.new"\n'
        '  mv "$FD_UNDO/status.new" "$FD_UNDO/status.now"; fi\n'
        ': >"$FD_UNDO/restoring"; sync "$FD_UNDO"\n'
        "fd_restore deb\n"
        'if [ -e "$FD_UNDO/status.now" ]; then cp -a "$FD_UNDO/status.now" /var/lib/dpkg/status; fd_status_back "$pkg"; fi\n'
        'rm -f "$FD_UNDO/status.now" "$FD_UNDO/restoring"\n'
        f'[ -z "$(fd_deb_units {deb})" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload\n'
    )
    after = (
        f"{HEAD}pkg=$(dpkg-deb -f {deb} Package) version=$(dpkg-deb -f {deb} Version)\n"
        '[ "$(dpkg-query -W -f \'${db:Status-Status} ${Version}\' "$pkg" 2>/dev/null)" = "installed $version" ]\n'
    )
    before = f"{HEAD}dpkg-deb --info {deb} >/dev/null\n"
    return StepScripts(id=step.id, do=do, verify_before=before, verify_after=after, undo=undo, blobs=(sha,))
