"""Bash that kinds are made of: safe words, and the functions that keep and restore what a step changes.

Text of others only ever enters a script through :func:`word` or :func:`template`; nothing here runs anything.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

HEAD = "set -euo pipefail\n"

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def word(value: object) -> str:
    """One bash word that means exactly this text; ValueError for a NUL, which no argument can hold."""
    text = str(value)
    if "\0" in text:
        raise ValueError("a NUL byte cannot be part of a command")
    return shlex.quote(text)


def words(values: Iterable[object]) -> str:
    """Several words, separated by blanks."""
    return " ".join(word(v) for v in values)


def template(value: str) -> str:
    """One bash word in which ``${NAME}`` stands for a secret of the environment file; everything else is literal."""
    parts, at = [], 0
    for match in _REFERENCE.finditer(value):
        parts += [word(value[at : match.start()])] if match.start() > at else []
        parts.append(f'"${{{match[1]}}}"')
        at = match.end()
    parts += [word(value[at:])] if at < len(value) or not parts else []
    return "".join(parts)


def references(*values: str) -> list[str]:
    """Names of the secrets that the templates refer to, in order, once each."""
    return list(dict.fromkeys(m[1] for v in values for m in _REFERENCE.finditer(v)))


KEEP = r"""
fd_parents() {  # existing real directories above the paths on stdin (NUL separated), for their times and modes
  local p d; declare -A real
  while IFS= read -r -d '' p; do
    d=${p%/*}; d=${d:-/}
    while [ ! -d "$d" ]; do d=${d%/*}; d=${d:-/}; done
    [ -n "${real[$d]:-}" ] || { real[$d]=$(readlink -f -- "$d"); printf '%s\0' "${real[$d]}"; }
  done
}
fd_state() {  # of the paths in a file (NUL separated): kind, inode and time of the last change of each that is there
  xargs -0 -r -a "$1" sh -c 'find "$@" -maxdepth 0 -printf "%y %i %C@ %p\\001%l\\0" 2>/dev/null || true' sh | sort -z
}
fd_keep() {  # keep NAME: what is at the paths on stdin (NUL separated, directories without content), once
  local n="$FD_UNDO/$1" p
  [ ! -e "$n.kept" ] || { cat >/dev/null; return 0; }
  rm -f -- "$n".*
  cat >"$n.paths"; : >"$n.present"; : >"$n.absent"; fd_parents <"$n.paths" >"$n.dirs"
  while IFS= read -r -d '' p; do
    if [ -d "$p" ] && [ ! -L "$p" ]; then printf '%s\0' "$p" >>"$n.dirs"
    elif [ -e "$p" ] || [ -L "$p" ]; then printf '%s\0' "$p" >>"$n.present"
    else printf '%s\0' "$p" >>"$n.absent"; fi
  done <"$n.paths"
  sort -zu "$n.present" "$n.dirs" >"$n.list"
  tar --create --file "$n.tar" --format=posix --xattrs --acls --numeric-owner --no-recursion -P \
    --null --verbatim-files-from --files-from "$n.list"
  fd_state "$n.present" >"$n.state"
  sync "$n.state" "$n.tar" "$n.absent" "$n.present" "$n.dirs" "$n.list"
  : >"$n.kept"; sync "$n.kept" "$FD_UNDO"
}
fd_restore() {  # restore NAME: what was there is there again, what was not is gone
  local n="$FD_UNDO/$1" p
  [ -e "$n.kept" ] || return 0
  sort -zr "$n.absent" >"$n.gone"
  while IFS= read -r -d '' p; do rm -rf --one-file-system -- "$p"; done <"$n.gone"
  # only what changed is touched: replacing /lib or a library in use, even by itself, would stop the host
  fd_state "$n.present" | comm -z -23 "$n.state" - | sed -z 's/^[^ ]* [^ ]* [^ ]* //; s/\x01.*//' >"$n.changed"
  while IFS= read -r -d '' p; do rm -rf --one-file-system -- "$p"; done <"$n.changed"
  while IFS= read -r -d '' p; do { [ -d "$p" ] && [ ! -L "$p" ]; } || rm -f -- "$p"; done <"$n.dirs"
  tar --extract --file "$n.tar" --xattrs --xattrs-include='*' --acls --numeric-owner --same-owner -p -P \
    --delay-directory-restore --no-recursion --null --verbatim-files-from --files-from <(sort -zu "$n.changed" "$n.dirs")
}
fd_also_gone() {  # also gone NAME: paths on stdin (NUL separated) that came into being by the step
  cat >>"$FD_UNDO/$1.absent"; sync "$FD_UNDO/$1.absent"
}
fd_tree() {  # the paths given and everything below them, NUL separated
  local p
  for p in "$@"; do
    if [ -e "$p" ] || [ -L "$p" ]; then find "$p" -xdev -print0; else printf '%s\0' "$p"; fi
  done
}
fd_new() {  # new NAME: of the paths on stdin those that were not there when NAME was kept
  sort -zu | comm -z -23 - "$FD_UNDO/$1.list"
}
fd_digest() {  # of a file, or "absent"
  if [ -f "$1" ]; then sha256sum <"$1"; else echo absent; fi
}
fd_units() {  # unit files and links named like the units given, and the directories that hold such links
  local u
  find /etc/systemd/system /etc/rc?.d -maxdepth 1 -type d -print0 2>/dev/null || true
  for u in "$@"; do
    find /etc/rc?.d -name "[SK][0-9][0-9]${u%.service}" -print0 2>/dev/null || true
    printf '%s\0' "/etc/systemd/system/$u"
    find /etc/systemd/system /var/lib/systemd/deb-systemd-helper-enabled \
      \( -name "$u" -o -name "$u.dsh-also" -o -lname "*/$u" \) -print0 2>/dev/null || true
  done
}
"""
"""Functions that keep paths with owner, mode, times, ACLs and attributes, and restore them."""


def nul_list(paths: Iterable[str]) -> str:
    """A command that prints the paths NUL separated."""
    return f"printf '%s\\0' {words(paths)}"
