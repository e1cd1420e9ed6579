"""The mirror: a consistent copy of a live production machine, kept up to date, never booted itself.

Files by rsync through the root tree; every PostgreSQL cluster by ``pg_basebackup`` while it serves, because a file copy of
a live data directory is no database. Reads production, writes only below the mirror's own directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from fulldress.errors import CapabilityMissing, FulldressError, StateDiskFull, StepFailed
from fulldress.ports import Host, Progress

NEVER = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/lib/fulldress", "/lost+found")
"""Not copied; the empty directories themselves are."""
HEADROOM = 1.15
ATTEMPTS = 3


class MirrorFailed(FulldressError):
    """The mirror of a host could not be brought up to date; the previous complete mirror, if any, is marked incomplete.

    Run the command again: it copies only what is missing.
    """

    slug = "mirror-failed"


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL cluster found on the host."""

    version: str
    name: str
    port: int
    online: bool
    owner: str
    data: str


class Mirror(msgspec.Struct, frozen=True, kw_only=True):
    """``mirror.json``, written last: its presence means complete."""

    schema_version: int = 1
    host: str
    tree: str
    """Path of the root tree."""
    refreshed: float
    """Seconds since the epoch, when the copy began: later changes of production are not in it."""
    seconds: float
    clusters: tuple[Cluster, ...]
    files: int
    file_bytes: int
    database_bytes: int
    copied_bytes: int
    """What this refresh really moved."""
    digest: str
    """Over names, types, modes, owners, sizes and times of the tree."""


def refresh(host: Host, mirror_dir: Path, *, exclude: Sequence[str] = (), progress: Progress | None = None) -> Mirror:
    """Bring the mirror of ``host`` in ``mirror_dir`` up to date; incremental, and safe to repeat after any interruption.

    ``exclude`` are further paths that are left out. Raises CapabilityMissing when the host's root cannot be seen from here,
    MirrorFailed when a part could not be copied, StateDiskFull when there is no room.
    """
    root = host.root
    if root is None:
        raise CapabilityMissing(
            f"the root tree of {host.name} cannot be seen from here", fix="mirror it on a machine that can"
        )
    tree = mirror_dir / "root"
    tree.mkdir(parents=True, exist_ok=True)
    _refuse_overlap(root, tree)
    with _alone(mirror_dir):
        return _refresh(host, root, tree, exclude, progress)


def _refresh(host: Host, root: Path, tree: Path, exclude: Sequence[str], progress: Progress | None) -> Mirror:
    began = time.time()
    marker = tree.parent / "mirror.json"
    marker.unlink(missing_ok=True)
    found = clusters(host)
    left_out = [*NEVER, *exclude, *(c.data for c in found if c.online)]
    _require_room(host, root, tree)
    _note(progress, f"files of {host.name}")
    copied = _copy_files(root, tree, left_out)
    database = 0
    for cluster in found:
        if cluster.online:
            database += _copy_cluster(host, cluster, tree, progress)
    # before the marker, so that it is true after a power cut; and a clone's first fsync must not wait for our writes
    subprocess.run(["sync", "--file-system", str(tree)], check=True)
    files, size, digest = _digest(tree, [c.data for c in found])
    mirror = Mirror(
        host=host.name,
        tree=str(tree),
        refreshed=began,
        seconds=round(time.time() - began, 3),
        clusters=tuple(found),
        files=files,
        file_bytes=size,
        database_bytes=database,
        copied_bytes=copied + database,
        digest=digest,
    )
    temporary = marker.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(mirror), indent=1))
    temporary.replace(marker)
    _note(progress, f"mirror of {host.name}: {files} files, {size / 1e6:.0f} MB, databases {database / 1e6:.0f} MB")
    return mirror


@contextlib.contextmanager
def _alone(mirror_dir: Path) -> Iterator[None]:
    """Clones hold the mirror shared; a refresh needs it alone."""
    with (mirror_dir / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MirrorFailed(
                f"the mirror in {mirror_dir} is in use",
                why="a clone of it is running, or another refresh",
                fix="end that first",
            ) from None
        yield


def load(mirror_dir: Path) -> Mirror:
    """The complete mirror in a directory; raises MirrorFailed when there is none."""
    try:
        return msgspec.json.decode((mirror_dir / "mirror.json").read_bytes(), type=Mirror)
    except FileNotFoundError:
        raise MirrorFailed(f"no complete mirror in {mirror_dir}", fix="refresh the mirror first") from None


def clusters(host: Host) -> list[Cluster]:
    """The PostgreSQL clusters of a host, by Debian's ``pg_lsclusters``; none where that is not installed."""
    listed = host.run(["pg_lsclusters", "--no-header"])
    if listed.code == 127:
        return []
    if not listed.ok:
        raise MirrorFailed(
            f"the PostgreSQL clusters of {host.name} could not be listed", why=listed.stderr.decode(errors="replace")
        )
    rows = [line.split() for line in listed.stdout.decode().splitlines() if line.strip()]
    return [
        Cluster(version=r[0], name=r[1], port=int(r[2]), online=r[3].startswith("online"), owner=r[4], data=r[5])
        for r in rows
    ]


def _refuse_overlap(root: Path, tree: Path) -> None:
    """A mirror inside the machine that it copies, or the other way round, would copy itself."""
    source, target = root.resolve(), tree.resolve()
    if source == target or (source in target.parents and not _left_out(source, target)) or target in source.parents:
        raise MirrorFailed(
            f"{tree} and {root} lie in one another", fix="keep the state directory outside the machine's root"
        )


def _left_out(source: Path, target: Path) -> bool:
    below = "/" + str(target.relative_to(source))
    return any(below.startswith(f"{path}/") for path in NEVER)


def _require_room(host: Host, root: Path, tree: Path) -> None:
    """Enough room for what is not there yet; the data directories are asked for inside, their size changes all the time."""
    have = _tree_bytes(tree)
    outside = ",".join(f"--exclude=.{path}" for path in NEVER).split(",")
    counted = subprocess.run(["du", "-sxk", *outside, "."], cwd=root, capture_output=True, text=True, check=False)
    need = int((counted.stdout or "0").split()[0]) * 1024 * HEADROOM - have
    free = shutil.disk_usage(tree).free
    if need > free:
        raise StateDiskFull(f"the mirror of {host.name} needs {need / 1e9:.1f} GB more, {tree} has {free / 1e9:.1f} GB")


def _tree_bytes(tree: Path) -> int:
    counted = subprocess.run(["du", "-sxk", str(tree)], capture_output=True, text=True, check=False)
    return int((counted.stdout or "0").split()[0]) * 1024


def _copy_files(root: Path, tree: Path, left_out: Sequence[str]) -> int:
    """rsync; returns the bytes it moved. Files that vanish under it (exit 24) are normal on a live machine."""
    rules = [f"--exclude={_literal(path)}/**" for path in left_out]
    rules += ["--exclude=/**/.*.lck"]
    argv = ["rsync", "-aHAXS", "--numeric-ids", "--delete", "--delete-excluded", "--stats", "--no-human-readable", "-x"]
    # excluded data directories are filled by pg_basebackup and must survive --delete-excluded
    kept = [f"--filter=protect {_literal(path)}/**" for path in left_out[len(NEVER) :]]
    try:
        ended = subprocess.run([*argv, *kept, *rules, f"{root}/", f"{tree}/"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CapabilityMissing("rsync is not installed", fix="apt-get install rsync") from None
    if ended.returncode not in (0, 24):
        raise MirrorFailed("files could not be copied", why=ended.stderr.strip()[-1500:])
    moved = [line for line in ended.stdout.splitlines() if line.startswith("Literal data:")]
    return int(moved[0].split()[2]) if moved else 0


def _literal(path: str) -> str:
    """A path as an rsync pattern that matches only itself."""
    return "".join("\\" + c if c in "*?[\\" else c for c in path)


def _copy_cluster(host: Host, cluster: Cluster, tree: Path, progress: Progress | None) -> int:
    """A base backup streamed into place while the cluster serves; it recovers from its own WAL. Returns bytes.

    The WAL comes with the backup and no replication slot is made: one that was left behind would fill production's disk.
    On a busy server the WAL may be recycled before it was fetched; then the backup fails and is taken once more.
    """
    target = tree / cluster.data.lstrip("/")
    _safe_parent(tree, target)
    fresh = target.with_name(f".{target.name}.fulldress-new")
    for attempt in range(ATTEMPTS):
        _note(progress, f"PostgreSQL {cluster.version}/{cluster.name}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        try:
            size = _base_backup(host, cluster, fresh, progress)
            break
        except StepFailed as error:
            if attempt == ATTEMPTS - 1:
                raise MirrorFailed(
                    f"no base backup of {cluster.version}/{cluster.name}", why=f"{error.what}: {error.why}"
                ) from error
    os.chown(fresh, *_owner(host, cluster))
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return size


def _base_backup(host: Host, cluster: Cluster, fresh: Path, progress: Progress | None) -> int:
    """Unpack a base backup as it comes; owners are kept by number. Returns its size in bytes."""
    argv = ["pg_basebackup", "-D", "-", "-F", "tar", "-X", "fetch", "-c", "fast", "-p", str(cluster.port), "--no-password"]
    unpack = ["tar", "--extract", "--preserve-permissions", "--numeric-owner", "--file=-", f"--directory={fresh}"]
    size = 0
    with subprocess.Popen(unpack, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as tar:
        assert tar.stdin is not None and tar.stderr is not None, "asked for pipes"
        try:
            for chunk in host.stream(argv, user=cluster.owner):
                tar.stdin.write(chunk)
                size += len(chunk)
                if progress is not None:
                    progress.advance(len(chunk))
            tar.stdin.close()
        except BrokenPipeError:
            pass  # tar says why
        said = tar.stderr.read().decode(errors="replace")
    if tar.returncode != 0 or not (fresh / "backup_label").is_file():
        raise MirrorFailed(f"the base backup of {cluster.version}/{cluster.name} is incomplete", why=said.strip()[-1000:])
    return size


def _safe_parent(tree: Path, target: Path) -> None:
    """Make the parent, refusing to walk through a link of the copied tree."""
    for part in reversed(target.relative_to(tree).parents):
        folder = tree / part
        if folder.is_symlink():
            raise MirrorFailed(f"the data directory /{target.relative_to(tree)} lies behind a link, at /{part}")
        folder.mkdir(exist_ok=True)


def _owner(host: Host, cluster: Cluster) -> tuple[int, int]:
    """Numeric owner and group of the data directory on the host."""
    asked = host.run(["stat", "-c", "%u %g", cluster.data])
    if not asked.ok:
        raise MirrorFailed(f"{cluster.data} of {host.name} cannot be read", why=asked.stderr.decode(errors="replace"))
    uid, gid = asked.stdout.split()
    return int(uid), int(gid)


def _digest(tree: Path, data: Sequence[str]) -> tuple[int, int, str]:
    """Number of files, bytes and a digest over the metadata of the tree, data directories apart."""
    skipped = {tree / path.lstrip("/") for path in data}
    count = size = 0
    state = hashlib.sha256()
    for folder, names, files in os.walk(tree):
        here = Path(folder)
        names[:] = sorted(n for n in names if here / n not in skipped)
        for name in sorted(files):
            seen = os.lstat(here / name)
            count += 1
            size += seen.st_size if stat.S_ISREG(seen.st_mode) else 0
            path = str(here / name)[len(str(tree)) :]
            row = (path, seen.st_mode, seen.st_uid, seen.st_gid, seen.st_size, seen.st_mtime_ns)
            state.update(repr(row).encode())
    return count, size, f"sha256:{state.hexdigest()}"


def _note(progress: Progress | None, text: str) -> None:
    if progress is not None:
        progress.note(text)
