"""A clone: copy-on-write over a mirror, booted with its own systemd in the sink's network. Seconds at any data size.

What all clones of a mirror have in common is ``TreeClone``: the hold on the mirror, the mask, booting, every way to stop,
the limits. How the tree is laid out is the driver's business; this module has the default one, an overlay: the mirror
(never written), the mask, the clone's own writes. Many clones share one mirror.
"""

from __future__ import annotations

import abc
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

from fulldress.adapters import cgroups
from fulldress.adapters.cgroups import Limits
from fulldress.adapters.scratch import free_bytes
from fulldress.errors import CapabilityMissing, FulldressError
from fulldress.ports import CloneNetwork, CloneSource, Front, Guest, Keeper, Look
from fulldress.rehearse import budget
from fulldress.rehearse import mask as masks
from fulldress.rehearse.mirror import require_still

OVERLAY = "redirect_dir=off,metacopy=off,index=off,nfs_export=off,xino=auto"
"""The upper layer must hold whole files under their own names: the write-set is read from it."""
MEMORY_SHARE = 0.6
"""Of this computer's memory, for one clone: a program that eats all it gets must not take this computer along."""
TASKS = 8192
DISK_SHARE = 0.5
"""Of what is free when the clone is made."""
UNWATCHED = 1 << 62
"""What a clone may write that has a disk of its own."""
VOLATILE = ",volatile"
"""What a clone syncs is not written to the disk under it: for clones whose times nobody measures."""


class CloneFailed(FulldressError):
    """A clone could not be made or booted. Nothing of it is left behind; the mirror is untouched."""

    slug = "clone-failed"


class Boot(Protocol):
    """Boots a tree and returns when its init says ready. ``adapters.nspawn.boot`` is one."""

    def __call__(self, root: Path, name: str, *, netns: str | None = None, limits: Limits | None = None) -> Guest:
        """Boot ``root`` as ``name`` in the network namespace ``netns``, held to ``limits``."""
        ...


def usual_limits() -> Limits:
    """What a clone may use of this computer unless somebody says otherwise."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    return Limits(memory=int(memory * MEMORY_SHARE), tasks=min(TASKS, most // 4), devices=True)


def recovery_settings(mirror: CloneSource) -> dict[str, bytes]:
    """One setting for each cluster (PostgreSQL 14 and later, Debian's layout): how it syncs before its first recovery.

    By default it opens every data file for writing, which copies all of them up into the clone's layer.
    """
    found = {}
    for cluster in mirror.clusters:
        folder = f"/etc/postgresql/{cluster.version}/{cluster.name}/conf.d"
        if cluster.version.isdigit() and int(cluster.version) >= 14 and Path(mirror.tree + folder).is_dir():
            found[f"{folder}/zz-clone.conf"] = b"recovery_init_sync_method = syncfs\n"
    return found


class TreeClone(abc.ABC):
    """A clone whose tree lies here; a context manager that always cleans up. Implements ``ports.Clone``.

    ``boot`` again after ``kill`` or ``poweroff`` keeps what it wrote.
    """

    volatile = False
    """Set before it is entered: see ``VOLATILE``."""

    def __init__(
        self,
        mirror: CloneSource,
        scratch: Path,
        network: CloneNetwork,
        *,
        keeper: Keeper,
        boot: Boot,
        label: str = "clone",
        trust: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        limits: Limits | None = None,
        disk: int = 0,
    ) -> None:
        self.name = f"{label[:40]}-{secrets.token_hex(3)}"
        self.mirror, self.network = mirror, network
        self.folder = scratch / "clones" / self.name
        self.scratch = scratch
        self.limits = limits or usual_limits()
        self.disk = disk
        """Bytes that it may write; 0: half of what is free when it is made."""
        self.neutralised: tuple[str, ...] = ()
        """Lines of ``/etc/hosts`` whose names are answered by the sink instead."""
        self.seconds: dict[str, float] = {}
        """How long each part took: layers, boot."""
        self.trouble = ""
        """Why the clone was stopped by its keeper; empty when it was not."""
        self._keeper, self._boot = keeper, boot
        self._trust, self._files = trust, dict(files or {})
        self._guest: Guest | None = None
        self._lock = -1

    @property
    @abc.abstractmethod
    def root(self) -> Path:
        """The tree that is booted."""

    @property
    @abc.abstractmethod
    def writes(self) -> Path | None:
        """The directory that holds exactly what the clone wrote; None where there is none."""

    @abc.abstractmethod
    def _lay(self) -> None:
        """Lay out the tree in ``folder``, which is there and on record."""

    @abc.abstractmethod
    def _clear(self) -> None:
        """Take the tree away again."""

    @abc.abstractmethod
    def _guard(self) -> None:
        """Begin to hold the clone to what it may write, or begin anew."""

    @property
    def host(self) -> Guest:
        """The booted clone."""
        if self._guest is None:
            raise CloneFailed(f"clone {self.name} is not booted")
        return self._guest

    @property
    def running(self) -> bool:
        """True while its init lives."""
        return self._guest is not None and self._guest.running

    @property
    def front(self) -> Front:
        """Where users come in: the clone's own address, seen from the sink's side."""
        return Front(url=f"http://{self.network.addresses[0].partition('/')[0]}:80", netns=self.network.sink)

    def __enter__(self) -> TreeClone:
        with contextlib.ExitStack() as undo:
            undo.callback(self.destroy)
            self._hold_mirror()
            began = time.monotonic()
            self._keeper.keep("tree", str(self.folder))
            self.folder.mkdir(parents=True, mode=0o700)
            require_still(self.mirror)
            self._lay()
            self.disk = self.disk or int(free_bytes(self.scratch) * DISK_SHARE)
            self.seconds["layers"] = round(time.monotonic() - began, 3)
            self.boot()
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.destroy()

    def boot(self) -> Guest:
        """Boot, or boot again what was stopped."""
        began = time.monotonic()
        self._keeper.keep("machine", self.name)
        self._guest = self._boot(self.root, self.name, netns=self.network.inside, limits=self.limits)
        self.seconds["boot"] = round(time.monotonic() - began, 3)
        self._guard()
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
        self._clear()
        self._keeper.release("tree", str(self.folder))
        self._guest = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def look(self) -> Look | None:
        """What runs in it now, as seen from here; None while it is down or on its way down."""
        try:
            boot = self.host.boot_id()
            running, outside = cgroups.units(self.name)
            transient = frozenset(
                unit for unit in running if not unit.startswith("fulldress-") and self._made_by_command(unit)
            )
        except (FulldressError, OSError):
            return None
        return Look(boot=boot, outside=outside, transient=transient)

    def _made_by_command(self, unit: str) -> bool:
        try:
            return bool(self.host.read_file(f"/run/systemd/transient/{unit}"))
        except FileNotFoundError:
            return False

    def strain(self) -> Mapping[str, int]:
        """The limits that the clone has run into since it was booted, in words, and how often."""
        used = cgroups.usage(self.name)
        counts = {
            f"killed for memory, {self.limits.memory / 1e9:.1f} GB were all there was": used.killed,
            f"refused to fork, {self.limits.tasks} processes were all there could be": used.refused,
            self.trouble: int(bool(self.trouble)),
        }
        return {text: count for text, count in counts.items() if count}

    def stop(self, why: str) -> None:
        """Freeze, then cut off; ``trouble`` says why. For a clone that endangers others."""
        self.trouble = why
        with contextlib.suppress(FulldressError, OSError):  # it may be going down by itself at this moment
            self.host.freeze()
        self.host.kill()

    def _mask(self, layer: Path) -> masks.Mask:
        """Build the mask in an empty directory."""
        built = masks.build(
            layer,
            Path(self.mirror.tree),
            resolver=self.network.resolver,
            own=self.network.addresses,
            trust=self._trust,
            files={**recovery_settings(self.mirror), **self._files},
        )
        self.neutralised = tuple(built.neutralised)
        return built

    def _hold_mirror(self) -> None:
        """A mirror must not be refreshed under its clones: what an overlay then shows is undefined."""
        self._lock = os.open(Path(self.mirror.tree).parent / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloneFailed(
                f"the mirror of {self.mirror.host} is being refreshed", fix="wait until that is done"
            ) from None


class Clone(TreeClone):
    """A clone by overlay: mirror, mask, its own writes. A watcher holds it to what it may write."""

    _watch: budget.Watch | None = None

    @property
    def upper(self) -> Path:
        """What the clone wrote."""
        return self.folder / "upper"

    @property
    def merged(self) -> Path:
        """The mounted whole."""
        return self.folder / "merged"

    @property
    def root(self) -> Path:
        """The mounted whole."""
        return self.merged

    @property
    def writes(self) -> Path | None:
        """The upper layer: whole files under their own names, whiteouts for what was deleted."""
        return self.upper

    def _guard(self) -> None:
        self._end_watch()
        if self.disk >= UNWATCHED:
            return
        self._watch = budget.Watch(
            (self.upper, self.folder / "work"), self.disk, self.stop, free=lambda: free_bytes(self.scratch)
        )

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.end()

    def _clear(self) -> None:
        self._end_watch()
        self._keeper.release("mount", str(self.merged))

    def _lay(self) -> None:
        lower, layer, work = Path(self.mirror.tree), self.folder / "mask", self.folder / "work"
        self._mask(layer)
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
