"""The mask layer: what a clone must not share with production, laid between the mirror and the clone's own writes.

Everything the *rehearsal* changes goes here, so that the layer above holds only what the upgrade changed. The hostname and
the addresses stay production's own, because software depends on them.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

QUIET_UNITS = (
    *("systemd-timesyncd.service", "chrony.service", "ntp.service", "ntpsec.service"),
    *("systemd-networkd.service", "systemd-networkd.socket", "systemd-networkd-wait-online.service", "networking.service"),
    *("NetworkManager.service", "dhcpcd.service", "systemd-resolved.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service", "man-db.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "getty@.service", "serial-getty@.service", "console-getty.service", "container-getty@.service"),
    *("systemd-udevd.service", "systemd-modules-load.service", "systemd-remount-fs.service", "systemd-sysctl.service"),
    *("mdmonitor.service", "lvm2-monitor.service", "multipathd.service", "iscsid.service", "qemu-guest-agent.service"),
    *("cloud-init.service", "amazon-ssm-agent.service", "puppet.service", "salt-minion.service", "filebeat.service"),
    "zabbix-agent.service",
)
"""Would set the host's clock, rewire the network, update packages, wait for hardware, or report the clone as production."""


class Mask:
    """Builds a mask layer in an empty directory, for one mirror's tree."""

    def __init__(self, layer: Path, lower: Path) -> None:
        self.layer, self.lower = layer, lower
        layer.mkdir(parents=True)
        copy_owner(lower, layer)
        self.neutralised: list[str] = []
        """Lines of ``/etc/hosts`` that were left out, so that these names are asked from the sink."""

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """A file of the rehearsal's own; it keeps the owner of what it replaces."""
        target = self.place(path)
        target.write_bytes(data)
        if self.read(path) is not None:
            seen = (self.lower / path.lstrip("/")).stat()
            os.chown(target, seen.st_uid, seen.st_gid)
        target.chmod(mode)

    def link(self, path: str, to: str) -> None:
        """A symbolic link."""
        self.place(path).symlink_to(to)

    def hide(self, path: str) -> None:
        """Production's file is not there for the clone (a whiteout)."""
        if os.path.lexists(self.lower / path.lstrip("/")):
            os.mknod(self.place(path), stat.S_IFCHR, os.makedev(0, 0))

    def read(self, path: str) -> bytes | None:
        """A regular file of the mirror that is reached without any link, else None."""
        here = self.lower
        for part in PurePosixPath(path.lstrip("/")).parts:
            here = here / part
            if here.is_symlink():
                return None
        return here.read_bytes() if here.is_file() else None

    def place(self, path: str) -> Path:
        """Where a path lies in the layer. A directory of a layer hides the lower one's owner and mode: copy them."""
        parts = PurePosixPath(path.lstrip("/")).parts
        here, below = self.layer, self.lower
        for part in parts[:-1]:
            here, below = here / part, below / part
            if not here.is_dir():
                here.mkdir(mode=0o755)
                if below.is_dir() and not below.is_symlink():
                    copy_owner(below, here)
        return here / parts[-1]


def build(
    layer: Path,
    lower: Path,
    *,
    resolver: str,
    own: Sequence[str],
    trust: bytes = b"",
    files: Mapping[str, bytes] | None = None,
) -> Mask:
    """The mask of a clone: identity, mounts, name resolution, host keys, quiet units.

    ``resolver`` is the sink's address; ``own`` are the machine's own addresses; ``trust`` is a PEM certificate added to the
    clone's authorities (the sink's); ``files`` are further files, by path.
    """
    mask = Mask(layer, lower)
    machine_id = secrets.token_hex(16).encode() + b"\n"
    mask.put("/etc/machine-id", machine_id, 0o444)
    if mask.read("/var/lib/dbus/machine-id") is not None:
        mask.put("/var/lib/dbus/machine-id", machine_id)
    mask.put("/etc/fstab", b"# a clone mounts nothing\n")
    mask.put("/etc/resolv.conf", f"nameserver {resolver}\n".encode())
    hosts = mask.read("/etc/hosts")
    if hosts is not None:
        kept, mask.neutralised = local_hosts(hosts.decode(errors="surrogateescape"), own)
        mask.put("/etc/hosts", kept.encode(errors="surrogateescape"))
    for unit in QUIET_UNITS:
        mask.link(f"/etc/systemd/system/{unit}", "/dev/null")
    _renew_host_keys(mask)
    bundle = mask.read("/etc/ssl/certs/ca-certificates.crt")
    if trust and bundle is not None:
        mask.put("/etc/ssl/certs/ca-certificates.crt", bundle.rstrip(b"\n") + b"\n" + trust)
    for path, data in (files or {}).items():
        mask.put(path, data)
    return mask


def local_hosts(text: str, own: Sequence[str]) -> tuple[str, list[str]]:
    """``/etc/hosts`` without the entries of other machines, and those entries: their names go through the sink."""
    mine = {ipaddress.ip_interface(a).ip for a in own}
    kept: list[str] = []
    dropped: list[str] = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        try:
            address = ipaddress.ip_address(words[0].partition("%")[0]) if words else None
        except ValueError:
            address = None
        foreign = address is not None and not (address.is_loopback or address.is_multicast or address in mine)
        if foreign and words[1:] and words[1] in ("ip6-localnet", "ip6-mcastprefix"):
            foreign = False
        (dropped if foreign else kept).append(line)
    return "".join(f"{line}\n" for line in kept), dropped


def _renew_host_keys(mask: Mask) -> None:
    """A clone that is reachable must not be able to pose as production."""
    for kind in ("rsa", "ecdsa", "ed25519"):
        path = f"/etc/ssh/ssh_host_{kind}_key"
        if mask.read(path) is None:
            continue
        place = mask.place(path)
        made = subprocess.run(
            ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "clone", "-f", str(place)], capture_output=True, check=False
        )
        if made.returncode != 0:
            mask.hide(path)


def copy_owner(source: Path, target: Path) -> None:
    """A layer's directory shows in place of the one below: give it the same owner, mode and time."""
    seen = source.stat()
    os.chown(target, seen.st_uid, seen.st_gid)
    target.chmod(stat.S_IMODE(seen.st_mode))
    os.utime(target, ns=(seen.st_atime_ns, seen.st_mtime_ns))
