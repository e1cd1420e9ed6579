"""The base image: a Debian root tree made once by mmdebstrap, then copied by reflink for every new machine.

Cached by the digest of its recipe (``image.toml``). Made under a temporary name and renamed when it is whole, so a tree
that is there is complete; an interrupted build leaves nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fulldress.adapters.scope import Scope
from fulldress.adapters.scratch import ensure_free, scratch_dir
from fulldress.errors import CapabilityMissing, FulldressError
from fulldress.ports import Progress

RECIPE = Path(__file__).with_name("image.toml")
ROOM = 2 << 30


class ImageFailed(FulldressError):
    """The base image could not be built, usually because the Debian mirror could not be reached.

    Nothing half-made is left. ``mirror`` in ``image.toml`` says where the packages come from.
    """

    slug = "image-failed"


class Recipe(msgspec.Struct, frozen=True):
    """What the image is made of."""

    suite: str
    mirror: str
    variant: str
    packages: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Short name of the recipe's content."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]


def recipe() -> Recipe:
    """The recipe from ``image.toml``."""
    return msgspec.convert(tomllib.loads(RECIPE.read_text()), Recipe)


def image_path(scratch: Path) -> Path:
    """Where the image of today's recipe is, or will be."""
    return scratch / "images" / recipe().digest / "root"


def base_image(*, progress: Progress | None = None) -> Path:
    """The base image's root tree, built when it is not there yet (about a minute). Never write to it: copy it."""
    scratch = scratch_dir()
    root = image_path(scratch)
    if root.is_dir():
        return root
    for program in ("mmdebstrap", "unshare"):
        if shutil.which(program) is None:
            raise CapabilityMissing(f"{program} is not installed", fix="apt-get install mmdebstrap util-linux")
    (scratch / "images").mkdir(exist_ok=True)
    with _lock(scratch / "images" / ".lock"):
        if not root.is_dir():
            ensure_free(scratch, ROOM, "the base image")
            _build(root, progress)
    return root


def copy_tree(source: Path, target: Path) -> None:
    """A copy of a root tree for a new machine; blocks are shared where the file system can."""
    target.parent.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run(
        ["cp", "-a", "--reflink=auto", "--no-target-directory", str(source), str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise ImageFailed(f"{source} could not be copied", why=ended.stderr.strip()[-500:])


def _build(root: Path, progress: Progress | None) -> None:
    made_of = recipe()
    temporary = root.parent.with_name(f".new-{made_of.digest}-{secrets.token_hex(4)}")
    with Scope("image") as scope:
        scope.keep("tree", str(temporary))
        temporary.mkdir(mode=0o755)
        if progress is not None:
            progress.start(f"base image: Debian {made_of.suite}, {len(made_of.packages)} packages", None)
        _mmdebstrap(made_of, temporary / "root", progress)
        _tidy(temporary / "root")
        os.sync()
        temporary.rename(root.parent)
        if progress is not None:
            progress.finish()


def _mmdebstrap(made_of: Recipe, target: Path, progress: Progress | None) -> None:
    """Run in a mount namespace of its own, so that nothing it mounts outlives it; its lines become notes."""
    argv = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--",
        "mmdebstrap",
        "--mode=root",
        f"--variant={made_of.variant}",
    ]
    argv += ["--components=main", f"--include={','.join(made_of.packages)}", "--dpkgopt=force-unsafe-io"]
    argv += [
        '--aptopt=APT::Install-Recommends "false"',
        "--skip=cleanup/apt/lists/partial",
        made_of.suite,
        str(target),
        made_of.mirror,
    ]
    said: list[str] = []
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert child.stdout is not None, "asked for a pipe"
    with contextlib.ExitStack() as undo:
        undo.callback(child.wait)
        undo.callback(_kill_session, child.pid)
        for raw in child.stdout:
            line = raw.decode(errors="replace").rstrip()
            said.append(line)
            if progress is not None and line.startswith("I: "):
                progress.note(line[3:])
        code = child.wait()
        undo.pop_all()
    if code != 0:
        why = "\n".join(line for line in said[-40:] if line.startswith(("E:", "W:", "Err"))) or "\n".join(said[-5:])
        raise ImageFailed(
            "mmdebstrap could not build the base image", why=why, fix="check the network, then run the command again"
        )


def _kill_session(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _tidy(root: Path) -> None:
    """No identity and no name resolution of the machine that built it; no package lists."""
    for path, text in {"etc/machine-id": "", "etc/hostname": "machine\n", "etc/resolv.conf": "", "etc/hosts": HOSTS}.items():
        (root / path).unlink(missing_ok=True)
        (root / path).write_text(text)
    (root / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    (root / "var/lib/apt/lists").mkdir()


HOSTS = "127.0.0.1 localhost\n127.0.1.1 machine\n::1 localhost ip6-localhost ip6-loopback\n"


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
