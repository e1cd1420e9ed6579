"""Which file systems of a host belong to its mirror: those on its own disks do, others only when declared.

A file system that is left out is named with its reason. Asks the host; copies nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from fulldress.ports import Host
from fulldress.rehearse.mirror.nouns import NEVER, MirrorFailed

REAL = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "zfs", "bcachefs", "vfat", "exfat")
"""File systems on disks of the host."""
KERNEL = (
    *(
        "proc",
        "sysfs",
        "devtmpfs",
        "devpts",
        "mqueue",
        "hugetlbfs",
        "cgroup",
        "cgroup2",
        "pstore",
        "bpf",
        "tracefs",
        "ramfs",
    ),
    *(
        "debugfs",
        "securityfs",
        "configfs",
        "fusectl",
        "binfmt_misc",
        "autofs",
        "rpc_pipefs",
        "efivarfs",
        "nsfs",
        "selinuxfs",
    ),
)
"""Views of the kernel: nothing that could be copied, not worth a word."""
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "lustre", "9p", "afs", "virtiofs", "fuse.sshfs")
_FOLDERS = 'for place; do [ -d "$place" ] && printf "%s\\0" "$place"; done; exit 0'


class Mount(NamedTuple):
    """One line of ``/proc/self/mountinfo``."""

    place: str
    kind: str
    source: str


class Mounts(NamedTuple):
    """What is done with every file system below the root."""

    copied: tuple[str, ...]
    """Mount points, parents first; the root itself is not among them."""
    left_out: dict[str, str]
    """Mount point -> reason."""


def parse(mountinfo: str) -> list[Mount]:
    """The mounts, in the order in which they were made; a later one at the same place hides the earlier."""
    seen: dict[str, Mount] = {}
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if dash and len(fields) > 4 and kinds:
            place = _plain(fields[4])
            seen.pop(place, None)
            seen[place] = Mount(place, kinds[0], _plain(kinds[1]) if len(kinds) > 1 else "")
    return list(seen.values())


def judged(mounts: Sequence[Mount], *, include: Sequence[str], never: Sequence[str], exclude: Sequence[str]) -> Mounts:
    """Decide for every mount below the root. ``never`` and ``exclude`` are paths whose contents are not copied anyway."""
    copied: list[str] = []
    left: dict[str, str] = {}
    for place, kind, source in sorted(mounts):
        if place == "/" or within(place, never):
            continue
        if within(place, exclude):
            left[place] = "excluded by [mirror] exclude"
        elif kind in REAL or place in include:
            copied.append(place)
        elif kind in NETWORK or kind.startswith("fuse"):
            left[place] = f"{kind} from {source}, not of this host: declare it in [mirror] include to copy it"
        elif kind == "tmpfs":
            left[place] = "tmpfs, in memory: empty after a boot"
        elif kind not in KERNEL:
            left[place] = f"{kind}: declare it in [mirror] include to copy it"
    hidden = [place for place in copied if within(place, list(left))]
    return Mounts(tuple(place for place in copied if place not in hidden), left)


def within(place: str, folders: Sequence[str]) -> bool:
    """True for a path that is one of the folders or lies below one."""
    return any(place == folder or place.startswith(folder.rstrip("/") + "/") for folder in folders)


def find(host: Host, *, include: Sequence[str], exclude: Sequence[str], never: Sequence[str] = NEVER) -> Mounts:
    """The file systems of a host; raises MirrorFailed when it does not say."""
    asked = host.run(["cat", "/proc/self/mountinfo"])
    if not asked.ok:
        raise MirrorFailed(
            f"{host.name} does not say what is mounted on it", why=asked.stderr.decode(errors="replace").strip()[-500:]
        )
    found = judged(parse(asked.stdout.decode(errors="surrogateescape")), include=include, never=never, exclude=exclude)
    if not found.copied:
        return found
    # a file may be mounted too (containers do that): it is copied where it shows, with the file system it lies on
    folders = host.run(["sh", "-c", _FOLDERS, "sh", *found.copied], user="root")
    named = folders.stdout.decode(errors="surrogateescape").split("\0") if folders.ok else list(found.copied)
    return found._replace(copied=tuple(place for place in found.copied if place in named))


def _plain(text: str) -> str:
    """The kernel writes blanks and line ends in octal."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), text)
