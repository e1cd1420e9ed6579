"""Making and refreshing a mirror: what is there, is there room, files, databases, masking; the marker is written last.

Reads production, writes only below the mirror's own directory. Each part is safe to repeat after any interruption.
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
from typing import NamedTuple

import msgspec

from fulldress.adapters.scratch import free_bytes
from fulldress.errors import FulldressError, StateDiskFull
from fulldress.model.release import Mirroring
from fulldress.ports import Host, Progress
from fulldress.rehearse.mirror import files, masking, mounts, mysql, postgres, servers
from fulldress.rehearse.mirror.files import LeftOut, Source
from fulldress.rehearse.mirror.nouns import NEVER, AppliedMask, Mirror, MirrorFailed
from fulldress.store.state import state_dir

HEADROOM = 1.05
BLOCK = 4096
"""What a file takes more than its size, at most."""
NO_WISHES = Mirroring()
MARKER = "mirror.json"


class Job(NamedTuple):
    """What one refresh will do, decided before anything is copied."""

    host: Host
    tree: Path
    src: Source
    declared: Mirroring
    found: servers.Servers
    ways: tuple[postgres.Way, ...]
    mounts: mounts.Mounts
    left_out: tuple[LeftOut, ...]
    backups: dict[str, str]
    """MariaDB's data directory -> its backup program."""
    progress: Progress | None

    def note(self, text: str) -> None:
        """A line for people."""
        if self.progress is not None:
            self.progress.note(text)

    @contextlib.contextmanager
    def bar(self, label: str, total: float | None) -> Iterator[None]:
        """A piece of work with a bar of bytes."""
        if self.progress is None:
            yield
            return
        self.progress.start(label, total or None)
        try:
            yield
        finally:
            self.progress.finish()


class Copied(NamedTuple):
    """What was moved."""

    files: int = 0
    databases: int = 0


def refresh(host: Host, mirror_dir: Path, *, declared: Mirroring = NO_WISHES, progress: Progress | None = None) -> Mirror:
    """Bring the mirror of ``host`` in ``mirror_dir`` up to date; incremental, and safe to repeat after any interruption.

    Raises CapabilityMissing when the host's root cannot be read from here, MirrorFailed when a part could not be copied,
    MaskFailed when declared masking did not hold, StateDiskFull when there is no room: then nothing was changed.
    """
    src = files.source(host, declared.bandwidth)
    tree = mirror_dir / "root"
    if host.root is not None:
        _refuse_overlap(host.root, tree)
    tree.mkdir(parents=True, exist_ok=True)
    with _alone(mirror_dir):
        return _refresh(_decided(host, tree, src, declared, progress))


def load(mirror_dir: Path) -> Mirror:
    """The complete mirror in a directory; raises MirrorFailed when there is none."""
    try:
        return msgspec.json.decode((mirror_dir / MARKER).read_bytes(), type=Mirror)
    except FileNotFoundError:
        raise MirrorFailed(f"no complete mirror in {mirror_dir}", fix="refresh the mirror first") from None


def _refresh(job: Job) -> Mirror:
    began = time.time()
    marker = job.tree.parent / MARKER
    total = _require_room(job)
    marker.unlink(missing_ok=True)
    for left in (*job.tree.parent.glob(".masking-*"), *job.tree.parent.glob(".backup-*")):
        shutil.rmtree(left)  # of a refresh that was killed
    moved, doubtful = Copied(), _doubtful(job)
    masked: tuple[AppliedMask, ...] = ()
    try:
        moved = moved._replace(files=_copy_files(job, total))
        moved = moved._replace(databases=_copy_databases(job))
        if job.declared.mask:
            masked = masking.apply(job.tree, job.found.clusters, job.declared.mask, job.progress)
    except FulldressError as error:
        done = (
            f"Before that, {moved.files / 1e6:.0f} MB of files and {moved.databases / 1e6:.0f} MB of databases came whole."
        )
        error.why = f"{error.why} {done}".strip()
        raise
    # before the marker, so that it is true after a power cut; and a clone's first fsync must not wait for our writes
    subprocess.run(["sync", "--file-system", str(job.tree)], check=True)
    count, size, digest = _digest(job.tree, [path.path for path in job.left_out if path.kept])
    mirror = Mirror(
        host=job.host.name,
        tree=str(job.tree),
        refreshed=began,
        seconds=round(time.time() - began, 3),
        clusters=job.found.clusters,
        files=count,
        file_bytes=size,
        database_bytes=moved.databases,
        copied_bytes=moved.files + moved.databases,
        digest=digest,
        databases=tuple(_said(job)),
        doubtful=tuple(doubtful),
        mounts=job.mounts.copied,
        left_out=tuple(f"{place}: {why}" for place, why in job.mounts.left_out.items()),
        excluded=job.declared.exclude,
        masked=masked,
    )
    temporary = marker.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(mirror), indent=1))
    temporary.replace(marker)
    job.note(f"mirror of {job.host.name}: {count} files, {size / 1e6:.0f} MB, databases {moved.databases / 1e6:.0f} MB")
    return mirror


def _decided(host: Host, tree: Path, src: Source, declared: Mirroring, progress: Progress | None) -> Job:
    """Ask the host for everything that the copy depends on."""
    found = _servers(host, declared)
    ways = tuple(postgres.choose(host, c, declared.databases) for c in found.clusters if c.online)
    outside = [LeftOut(path, declared=True) for path in declared.exclude]
    never = [*files.never(), *([LeftOut(str(state_dir()))] if str(host.root) == "/" else [])]
    mounted = mounts.find(
        host,
        include=declared.include,
        exclude=[path for path in declared.exclude if path.startswith("/")],
        never=[path.path for path in never],
    )
    data = [LeftOut(place, kept=True) for way in ways for place in way.places.folders]
    data += [LeftOut(server.data, kept=True) for server in found.mysql]
    backups = {server.data: mysql.program(host, server) for server in found.mysql}
    apart = [LeftOut(place, kept=True) for place in mounted.copied]
    apart += [LeftOut(place) for place in mounted.left_out]
    job = Job(host, tree, src, declared, found, ways, mounted, (*never, *outside, *data, *apart), backups, progress)
    for line in (*_said(job), *_doubtful(job)):
        job.note(line)
    for place, why in mounted.left_out.items():
        job.note(f"left out: {place}, {why}")
    return job


def _servers(host: Host, declared: Mirroring) -> servers.Servers:
    """Those whose data a person did not leave out."""
    found = servers.find(host)
    out = [path for path in declared.exclude if path.startswith("/")]
    return found._replace(
        clusters=tuple(cluster for cluster in found.clusters if not mounts.within(cluster.data, out)),
        mysql=tuple(server for server in found.mysql if not mounts.within(server.data, out)),
    )


def _said(job: Job) -> Iterator[str]:
    """Each database server and its way, in words."""
    for way in job.ways:
        yield f"PostgreSQL {way.cluster.title}: {way.why}"
    for cluster in job.found.clusters:
        if not cluster.online:
            yield f"PostgreSQL {cluster.title}: does not run, copied as files"
    for server in job.found.mysql:
        if backup := job.backups[server.data]:
            yield f"MariaDB in {server.data}: {Path(backup).name}"


def _doubtful(job: Job) -> list[str]:
    """What of the host's databases the mirror does not hold as it should."""
    lines = [mysql.missing(server) for server in job.found.mysql if not job.backups[server.data]]
    lines += [
        f"{'PostgreSQL' if server.postgres else 'MySQL'} in a container (pid {server.pid}) was not copied as a database: "
        "what of it lies on the host's disk was copied while it was written to"
        for server in job.found.elsewhere
    ]
    return lines


def _passes(job: Job) -> list[str]:
    """The tops of all file systems, the root first: each pass stays on its own."""
    return ["/", *job.mounts.copied]


def _pass(job: Job, base: str) -> tuple[list[str], str, Path]:
    """rsync's arguments, what it reads, what it writes."""
    argv = files.tree_argv(base, [path for path in job.left_out if path.path != base])
    path = "/" if base == "/" else f"{base}/"
    target = job.tree / base.lstrip("/")
    return argv, path, target


def _require_room(job: Job) -> int:
    """Bytes that the files will move; raises StateDiskFull when they and the databases do not fit."""
    expected = count = 0
    for base in _passes(job):
        argv, path, target = _pass(job, base)
        # a file system that is new to the mirror has no place there yet: rsync may be asked all the same
        would = files.would_move(argv, job.src, path, target if target.is_dir() else job.tree.parent / "empty")
        expected, count = expected + would.size, count + would.files
    databases = sum(way.answer.size for way in job.ways)
    databases += sum(mysql.size(job.host, server) for server in job.found.mysql if job.backups[server.data])
    need = (expected + count * BLOCK + databases) * HEADROOM
    free = min(shutil.disk_usage(job.tree).free, free_bytes(job.tree.parent.parent.parent))
    if need > free and expected > free - databases:  # files with holes are smaller than their size
        need = (_allocated(job) + databases) * HEADROOM - _tree_bytes(job.tree)
    if need > free:
        raise StateDiskFull(
            f"the mirror of {job.host.name} needs {need / 1e9:.1f} GB more ({databases / 1e9:.1f} GB of it for databases), "
            f"{job.tree} has {free / 1e9:.1f} GB",
            fix="free room there, exclude what the rehearsal does not need ([mirror] exclude), or set FULLDRESS_STATE",
        )
    return expected


def _allocated(job: Job) -> int:
    """Bytes that the host's files take on its disks, what is left out apart."""
    out = [
        f"--exclude={left.path}" for left in job.left_out if left.path.startswith("/") and left.path not in job.mounts.copied
    ]
    counted = job.host.run(["du", "-kxsc", *out, *_passes(job)], user="root", timeout_s=1800)
    return int((counted.stdout.split() or [b"0"])[-2]) * 1024 if counted.stdout.split() else 0


def _tree_bytes(tree: Path) -> int:
    counted = subprocess.run(["du", "-sxk", str(tree)], capture_output=True, text=True, check=False)
    return int((counted.stdout or "0").split()[0]) * 1024


def _copy_files(job: Job, total: int) -> int:
    """All file systems; files that vanish meanwhile are normal on a live machine. Returns bytes moved."""
    moved = 0
    with job.bar(f"files of {job.host.name}", total):
        for base in _passes(job):
            argv, path, target = _pass(job, base)
            files.folder_in(job.tree, base)
            done = files.run(argv, job.src, path, target, job.progress)
            if done.code == files.PARTLY:
                raise MirrorFailed(f"some files below {base} could not be copied", why=done.said)
            moved += done.literal
    return moved


def _copy_databases(job: Job) -> int:
    """Every server that runs, by its way; one that was started meanwhile is refused, for its files were being written."""
    moved = 0
    for way in job.ways:
        with job.bar(f"PostgreSQL {way.cluster.title}, {postgres.WORDS[way.kind]}", way.answer.size):
            moved += postgres.copy(job.host, way, job.src, job.tree, job.progress, job.declared)
    for server in job.found.mysql:
        if backup := job.backups[server.data]:
            with job.bar(f"MariaDB in {server.data}", mysql.size(job.host, server)):
                moved += mysql.copy(job.host, server, backup, job.tree, job.progress)
        else:
            _emptied(job.tree, server.data)
    known = {cluster.data for cluster in job.found.clusters if cluster.online} | {s.data for s in job.found.mysql}
    now = _servers(job.host, job.declared)
    started = [c.data for c in now.clusters if c.online and c.data not in known]
    started += [server.data for server in now.mysql if server.data not in known]
    if started:
        raise MirrorFailed(
            f"a database server was started on {job.host.name} while its files were copied: {', '.join(started)}",
            fix="run the command again: now it is copied as one that runs",
        )
    return moved


def _emptied(tree: Path, data: str) -> None:
    """Nothing of an earlier mirror stays either: it would be another moment's data."""
    folder = files.folder_in(tree, data)
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


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


def _refuse_overlap(root: Path, tree: Path) -> None:
    """A mirror inside the machine that it copies, or the other way round, would copy itself."""
    source, target = root.resolve(), tree.resolve()
    out = (*NEVER, str(state_dir().resolve())) if source == Path("/") else NEVER
    left = source in target.parents and mounts.within("/" + str(target.relative_to(source)), out)
    if source == target or (source in target.parents and not left) or target in source.parents:
        raise MirrorFailed(
            f"{tree} and {root} lie in one another", fix="keep the state directory outside the machine's root"
        )


def _digest(tree: Path, apart: Sequence[str]) -> tuple[int, int, str]:
    """Number of files, bytes and a digest over the metadata of the tree, data directories apart."""
    skipped = {tree / path.lstrip("/") for path in apart if (tree / path.lstrip("/") / "PG_VERSION").exists()}
    count = size = 0
    state = hashlib.sha256()
    for folder, names, found in os.walk(tree):
        here = Path(folder)
        if files.PARTIAL in names:
            shutil.rmtree(here / files.PARTIAL)
        names[:] = sorted(n for n in names if n != files.PARTIAL and here / n not in skipped)
        for name in sorted(found):
            seen = os.lstat(here / name)
            count += 1
            size += seen.st_size if stat.S_ISREG(seen.st_mode) else 0
            path = str(here / name)[len(str(tree)) :]
            row = (path, seen.st_mode, seen.st_uid, seen.st_gid, seen.st_size, seen.st_mtime_ns)
            state.update(repr(row).encode())
    return count, size, f"sha256:{state.hexdigest()}"
