"""A clone: copy-on-write over a mirror, booted with its own systemd in the sink's network. Seconds at any data size.

Layers, from below: the mirror (never written), the mask, the clone's own writes. Many clones share one mirror. How a tree
is booted is the driver's business (``Boot``); this module knows only the layers and the order.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol

from fulldress.errors import CapabilityMissing, FulldressError
from fulldress.ports import Host, Keeper
from fulldress.rehearse import mask as masks
from fulldress.rehearse.mirror import Mirror
from fulldress.rehearse.network import Network

OVERLAY = "redirect_dir=off,metacopy=off,index=off,nfs_export=off,xino=auto"
"""The upper layer must hold whole files under their own names: the write-set is read from it."""
VOLATILE = ",volatile"
"""What a clone syncs is not written to the disk under it: for clones whose times nobody measures."""


class CloneFailed(FulldressError):
    """A clone could not be made or booted. Nothing of it is left behind; the mirror is untouched."""

    slug = "clone-failed"


class Guest(Host, Protocol):
    """A booted clone: a host that can also be stopped in every way a machine can stop."""

    def freeze(self) -> None:
        """Stop every process at once."""
        ...

    def thaw(self) -> None:
        """Go on."""
        ...

    def poweroff(self, *, timeout_s: float = 60.0) -> None:
        """Orderly shutdown."""
        ...

    def kill(self) -> None:
        """Power cut."""
        ...


class Boot(Protocol):
    """A driver: boots the tree and returns when its init says ready. ``adapters.nspawn.boot`` is one."""

    def __call__(self, root: Path, name: str, *, netns: str | None = None) -> Guest:
        """Boot ``root`` as ``name`` in the network namespace ``netns``."""
        ...


def recovery_settings(mirror: Mirror) -> dict[str, bytes]:
    """One setting for each cluster (PostgreSQL 14 and later, Debian's layout): how it syncs before its first recovery.

    By default it opens every data file for writing, which copies all of them up into the clone's layer.
    """
    found = {}
    for cluster in mirror.clusters:
        folder = f"/etc/postgresql/{cluster.version}/{cluster.name}/conf.d"
        if cluster.version.isdigit() and int(cluster.version) >= 14 and Path(mirror.tree + folder).is_dir():
            found[f"{folder}/zz-clone.conf"] = b"recovery_init_sync_method = syncfs\n"
    return found


class Clone:
    """One clone; a context manager that always cleans up. ``boot`` again after ``kill`` or ``poweroff`` keeps its writes."""

    volatile = False
    """Set before it is entered: see ``VOLATILE``."""

    def __init__(
        self,
        mirror: Mirror,
        scratch: Path,
        network: Network,
        *,
        keeper: Keeper,
        boot: Boot,
        label: str = "clone",
        trust: bytes = b"",
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self.name = f"{label[:40]}-{secrets.token_hex(3)}"
        self.mirror, self.network = mirror, network
        self.folder = scratch / "clones" / self.name
        self.upper, self.merged = self.folder / "upper", self.folder / "merged"
        self.neutralised: tuple[str, ...] = ()
        """Lines of ``/etc/hosts`` whose names are answered by the sink instead."""
        self.seconds: dict[str, float] = {}
        """How long each part took: layers, boot."""
        self._keeper, self._boot = keeper, boot
        self._trust, self._files = trust, dict(files or {})
        self._guest: Guest | None = None
        self._lock = -1

    @property
    def host(self) -> Guest:
        """The booted clone."""
        if self._guest is None:
            raise CloneFailed(f"clone {self.name} is not booted")
        return self._guest

    def __enter__(self) -> Clone:
        with contextlib.ExitStack() as undo:
            undo.callback(self.destroy)
            self._hold_mirror()
            self._lay()
            self.boot()
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.destroy()

    def boot(self) -> Guest:
        """Boot, or boot again what was stopped."""
        began = time.monotonic()
        self._keeper.keep("machine", self.name)
        self._guest = self._boot(self.merged, self.name, netns=self.network.inside)
        self.seconds["boot"] = round(time.monotonic() - began, 3)
        return self._guest

    def freeze(self) -> None:
        """Stop every process of the clone at once."""
        self.host.freeze()

    def thaw(self) -> None:
        """Let the clone go on."""
        self.host.thaw()

    def kill(self) -> None:
        """Power cut; its writes stay for another ``boot``."""
        self.host.kill()

    def poweroff(self) -> None:
        """Orderly shutdown; its writes stay for another ``boot``."""
        self.host.poweroff()

    def destroy(self) -> None:
        """Take away machine, mount and layers. Safe to call twice."""
        self._keeper.release("machine", self.name)
        self._keeper.release("mount", str(self.merged))
        self._keeper.release("tree", str(self.folder))
        self._guest = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _hold_mirror(self) -> None:
        """A mirror must not be refreshed under its clones: what an overlay then shows is undefined."""
        self._lock = os.open(Path(self.mirror.tree).parent / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloneFailed(
                f"the mirror of {self.mirror.host} is being refreshed", fix="wait until that is done"
            ) from None

    def _lay(self) -> None:
        began = time.monotonic()
        lower, layer, work = Path(self.mirror.tree), self.folder / "mask", self.folder / "work"
        self._keeper.keep("tree", str(self.folder))
        self.folder.mkdir(parents=True, mode=0o700)
        wiring = self.network.wiring
        built = masks.build(
            layer,
            lower,
            resolver=self.network.resolver,
            own=wiring.addresses,
            trust=self._trust,
            files={**recovery_settings(self.mirror), **self._files},
        )
        self.neutralised = tuple(built.neutralised)
        for folder in (self.upper, work, self.merged):
            folder.mkdir()
        masks.copy_owner(lower, self.upper)
        self._keeper.keep("mount", str(self.merged))
        options = (
            f"lowerdir={layer}:{lower},upperdir={self.upper},workdir={work},{OVERLAY}{VOLATILE if self.volatile else ''}"
        )
        mounted = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, str(self.merged)],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode != 0:
            raise CapabilityMissing(
                "the clone's layers could not be mounted", why=mounted.stderr.strip(), fix="see `fulldress doctor`"
            )
        self.seconds["layers"] = round(time.monotonic() - began, 3)
