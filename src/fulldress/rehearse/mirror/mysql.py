"""A running MySQL or MariaDB server into the mirror, by the backup program that belongs to it, or not at all.

``mariadb-backup`` (``mariabackup``) streams while the server writes; the mirror's own copy of the program prepares it.
Without it the data directory stays empty in the mirror, and the report says so: a torn copy would look whole.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from fulldress.errors import StepFailed
from fulldress.ports import Host, Progress
from fulldress.rehearse.mirror.files import folder_in
from fulldress.rehearse.mirror.inside import Inside
from fulldress.rehearse.mirror.nouns import MirrorFailed
from fulldress.rehearse.mirror.servers import Process

FIX = 'let root log in over its socket, stop it while it is copied, or leave it out: exclude = ["{}"]'
_FIND = "command -v mariadb-backup || command -v mariabackup"


def program(host: Host, server: Process) -> str:
    """The backup program that fits the server; empty when there is none."""
    found = host.run(["sh", "-c", _FIND], user="root")
    return found.stdout.decode().strip() if found.ok and server.program.endswith("mariadbd") else ""


def missing(server: Process) -> str:
    """Why a server's data is not in the mirror, for the report."""
    kind = "MariaDB" if server.program.endswith("mariadbd") else "MySQL"
    need = (
        "mariadb-backup is not installed on the host" if kind == "MariaDB" else "only MariaDB's can be copied while it runs"
    )
    return (
        f"{kind} in {server.data} runs and was not copied ({need}): the clone's is empty. Stop it while mirroring to copy it"
    )


def size(host: Host, server: Process) -> int:
    """Bytes of its data directory."""
    counted = host.run(["du", "-sk", server.data], user="root", timeout_s=600)
    return int(counted.stdout.split()[0]) * 1024 if counted.ok else 0


def copy(host: Host, server: Process, backup: str, tree: Path, progress: Progress | None) -> int:
    """Stream a backup into the tree and prepare it there. Returns bytes moved; raises MirrorFailed."""
    target = folder_in(tree, server.data)
    owner = target.stat()
    shutil.rmtree(target)
    target.mkdir(mode=0o750)
    shared = Path(tempfile.mkdtemp(prefix=".backup-", dir=tree.parent))
    inside = Inside(tree, shared)
    try:
        moved = _streamed(host, server, backup, inside, progress)
        done = inside.run([backup, "--prepare", f"--target-dir={server.data}"], 0, 0, timeout_s=6 * 3600)
    finally:
        shutil.rmtree(shared, ignore_errors=True)
    if not done.ok:
        raise MirrorFailed(
            f"the backup of {server.data} could not be prepared", why=done.stderr.decode(errors="replace")[-800:]
        )
    for folder, names, files in os.walk(target):
        for name in (*names, *files):
            os.chown(Path(folder, name), owner.st_uid, owner.st_gid, follow_symlinks=False)
    os.chown(target, owner.st_uid, owner.st_gid)
    return moved


def _streamed(host: Host, server: Process, backup: str, inside: Inside, progress: Progress | None) -> int:
    argv = [backup, "--backup", "--stream=xbstream", "--user=root", f"--datadir={server.data}"]
    moved = 0
    unpack = inside.argv(["mbstream", "-x", "-C", server.data], 0, 0)
    with subprocess.Popen(unpack, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stderr is not None, "asked for pipes"
        try:
            for chunk in host.stream(argv, user="root"):
                child.stdin.write(chunk)
                moved += len(chunk)
                if progress is not None:
                    progress.advance(len(chunk))
            child.stdin.close()
        except BrokenPipeError:
            pass  # the program says why
        except StepFailed as error:
            raise MirrorFailed(
                f"no backup of {server.data} of {host.name}", why=f"{error.what}: {error.why}", fix=FIX.format(server.data)
            ) from error
        finally:
            child.stdin.close()
        said = child.stderr.read().decode(errors="replace")
    if child.returncode != 0:
        raise MirrorFailed(f"the backup of {server.data} could not be unpacked", why=said.strip()[-800:])
    return moved
