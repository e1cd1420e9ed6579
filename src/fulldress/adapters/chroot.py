"""``chroot:/path``: a root tree that is not running (a mounted image, a backup, a container's file system), as a Host.

Commands are the *tree's own* programs, run under its root: they see the tree read-only, in fresh mount, PID, IPC, UTS and
network namespaces, with no network and none of the capabilities that reach beyond them. Files are read and written from
here, where no link in the tree can lead out of it. There is no init in it, so what only a running
system knows is not to be had.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from fulldress.adapters import commands
from fulldress.adapters.local import LocalHost
from fulldress.errors import CapabilityMissing, UsageError
from fulldress.ports import Completed

_KEPT = "+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+setgid,+setuid,+setpcap,+kill,+sys_chroot"
# $1: the tree, $2: capabilities, $3: user or "", the rest: the command. The mounts die with the namespace.
_ENTER = r"""
set -eu
tree=$1 kept=$2 user=$3; shift 3
mount --rbind "$tree" "$tree"
findmnt -Rrno TARGET "$tree" | while read -r place; do mount --options remount,bind,ro "$(printf '%b' "$place")"; done
[ -d "$tree/proc" ] && mount -t proc -o nosuid,nodev,noexec proc "$tree/proc"
[ -d "$tree/dev" ] && mount -t tmpfs -o size=64k,mode=755 tmpfs "$tree/dev" &&
  for node in null zero random urandom; do : > "$tree/dev/$node"; mount --bind "/dev/$node" "$tree/dev/$node"; done &&
  ln -s /proc/self/fd "$tree/dev/fd" && ln -s fd/0 "$tree/dev/stdin" &&
  ln -s fd/1 "$tree/dev/stdout" && ln -s fd/2 "$tree/dev/stderr"
export FULLDRESS_TREE=1 # so that the survey does not take this namespace for the system's
[ -d "$tree/tmp" ] && mount -t tmpfs -o size=64m,mode=1777 tmpfs "$tree/tmp"
# not exec: this shell stays the namespace's init, which a command must not be (it would ignore signals)
setpriv --bounding-set "-all,$kept" --inh-caps -all --no-new-privs \
  chroot "$tree" /bin/sh -c '
cd /
if [ -n "$1" ]; then
  line=$(getent passwd "$1") || { echo "no user $1" >&2; exit 126; }
  user=$1; shift
  IFS=: read -r _ _ uid gid _ home _ <<EOT
$line
EOT
  exec setpriv --reuid "$uid" --regid "$gid" --init-groups env HOME="$home" USER="$user" LOGNAME="$user" "$@"
fi
shift
exec "$@"' sh "$user" "$@" || exit $?
exit 0
"""


class ChrootHost(LocalHost):
    """A root tree that is not running; implements ``ports.Host``."""

    def __init__(self, tree: Path) -> None:
        """``tree`` must hold a system. Raises UsageError, or CapabilityMissing when we are not root."""
        if not (tree / "usr").is_dir() and not (tree / "bin").is_dir():
            raise UsageError(
                f"{tree} is not a root tree",
                why="it has neither /usr nor /bin",
                fix="mount the image first (losetup, mount -o ro) and name the directory: chroot:/mnt/image",
            )
        if os.geteuid() != 0 or shutil.which("unshare") is None:
            raise CapabilityMissing("looking into another root tree needs root and util-linux", fix="run it as root")
        self.tree = tree.absolute()

    @property
    def name(self) -> str:
        """``chroot:/path``."""
        return f"chroot:{self.tree}"

    @property
    def root(self) -> Path | None:
        """The tree. Never follow its links."""
        return self.tree

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0, user: str | None = None) -> Completed:
        """Run a program of the tree to its end; it cannot change the tree. A time-out gives ``code=None``."""
        return commands.run(self._entering(argv, user), commands.identity(None), stdin=stdin, timeout_s=timeout_s)

    def stream(self, argv: Sequence[str], *, user: str | None = None) -> Iterator[bytes]:
        """Run a program of the tree and yield its stdout in chunks; raises StepFailed when it does not exit 0."""
        return commands.stream(self._entering(argv, user), commands.identity(None), called=argv[0])

    def boot_id(self) -> str:
        """Never changes: the tree does not run."""
        return f"not-running:{self.tree}"

    def _entering(self, argv: Sequence[str], user: str | None) -> list[str]:
        apart = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--ipc",
            "--uts",
            "--net",
            "--propagation",
            "private",
        ]
        return [*apart, "--", "/bin/sh", "-c", _ENTER, "enter", str(self.tree), _KEPT, user or "", *argv]
