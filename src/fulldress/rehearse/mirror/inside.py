"""Programs of a mirror, run on its own tree without booting it: no network, no other process in sight, no privileges.

For work on the copy itself (masking, a backup's preparation). Never for a tree that runs: the caller has made sure of that.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from fulldress.adapters import procs
from fulldress.adapters.commands import PATH
from fulldress.ports import Completed

SHARED = "/run/fulldress"
"""Where a folder of ours is seen inside: sockets, nothing else."""
# $1: the tree, $2: our folder, $3: uid, $4: gid, the rest: the command. SIGTERM to us is SIGINT to it: an orderly end.
_CHROOT = r"""
set -eu
tree=$1 shared=$2 uid=$3 gid=$4; shift 4
mount -t proc -o nosuid,nodev,noexec proc "$tree/proc"
mount -t tmpfs -o size=512m,mode=755,nosuid tmpfs "$tree/dev"
for node in null zero random urandom; do : > "$tree/dev/$node"; mount --bind "/dev/$node" "$tree/dev/$node"; done
mkdir -m 1777 "$tree/dev/shm"
mount -t tmpfs -o size=1g,mode=1777,nosuid,nodev tmpfs "$tree/tmp"
mount -t tmpfs -o size=64m,mode=755,nosuid,nodev tmpfs "$tree/run"
mkdir "$tree/run/fulldress"; mount --bind "$shared" "$tree/run/fulldress"
exec 3<&0
# chroot drops to the user; what it leaves of capabilities ends with that, for no-new-privs is set
# what a shell puts in the background ignores SIGINT unless told otherwise
env --default-signal=INT setpriv --no-new-privs --inh-caps -all \
  chroot --userspec="$uid:$gid" --groups= "$tree" "$@" <&3 & child=$!
exec 3<&-
trap 'kill -INT "$child" 2>/dev/null' TERM
code=0; wait "$child" || code=$?
while kill -0 "$child" 2>/dev/null; do code=0; wait "$child" || code=$?; done
exit "$code"
"""


class Inside:
    """A mirror's tree, and one folder of ours that its programs see at ``SHARED``."""

    def __init__(self, tree: Path, shared: Path) -> None:
        self.tree, self.shared = tree, shared

    @contextlib.contextmanager
    def running(self, argv: Sequence[str], uid: int, gid: int, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        """A server for as long as the block lasts; ended in order (SIGINT), or by force when it does not obey."""
        child = subprocess.Popen(
            self.argv(argv, uid, gid), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_ENV
        )
        try:
            yield child
            self.stop(child)
        finally:
            _kill(child)

    def stop(self, child: subprocess.Popen[bytes], *, patience_s: float = 600.0) -> int:
        """Ask the server to end and wait; returns its exit code. Raises subprocess.TimeoutExpired."""
        if child.poll() is None:
            for init in procs.children(child.pid):
                init.signal(signal.SIGTERM)
        return child.wait(timeout=patience_s)

    def run(self, argv: Sequence[str], uid: int, gid: int, *, stdin: bytes = b"", timeout_s: float = 3600.0) -> Completed:
        """Run a program to its end. On a time-out it is killed, and the code is None."""
        child = subprocess.Popen(
            self.argv(argv, uid, gid),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=_ENV,
        )
        try:
            out, err = child.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _kill(child)
            return Completed(code=None, stderr=b"took too long")
        finally:
            _kill(child)
        return Completed(code=child.returncode, stdout=out, stderr=err)

    def argv(self, argv: Sequence[str], uid: int, gid: int) -> list[str]:
        """The command line for a caller who feeds its input as it comes."""
        apart = ("--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "--net", "--propagation", "private")
        # with us goes unshare, with unshare everything in its namespace
        enter = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", *apart, "--", "/bin/sh", "-c", _CHROOT, "inside"]
        return [*enter, str(self.tree), str(self.shared), str(uid), str(gid), *argv]


_ENV = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/"}


def _kill(child: subprocess.Popen[bytes]) -> None:
    """With unshare goes its child, and with the namespace's first process every other one in it."""
    if child.returncode is None:
        child.kill()
        child.wait()
