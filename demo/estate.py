"""The production machine ``dten-prod``: installs dten-lims 4.2 into a root tree, and fills its database once it runs.

``python -m demo.estate BASE TARGET`` builds the tree. Nothing here boots a machine: that is the product's adapter.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from demo import pki
from demo.lims_tree import LIMS, release_files
from demo.net import PRODUCTION, WORLD

NAME = "dten-prod"
THIRD_PARTIES = ("api.instrument-cloud.example", "hooks.lab-partner.example", "flags.dten-cloud.example")
TIMEZONE = "Europe/Vienna"
HOST_FILES = {
    "dten.conf": ("etc/dten-lims/dten.conf", 0o644),
    "secrets.env": ("etc/dten-lims/secrets.env", 0o640),
    "dten-lims.service": ("etc/systemd/system/dten-lims.service", 0o644),
    "dten-worker.service": ("etc/systemd/system/dten-worker.service", 0o644),
    "dten-lims.cron": ("etc/cron.d/dten-lims", 0o644),
    "nginx-log.conf": ("etc/nginx/conf.d/log-format.conf", 0o644),
    "nginx-site.conf": ("etc/nginx/sites-available/dten-lims", 0o644),
}


class _Done(Protocol):
    @property
    def code(self) -> int | None: ...
    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...


class Machine(Protocol):
    """As much of a host as filling the database needs."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0, user: str | None = None) -> _Done:
        """Run a command to its end."""
        ...


def build_root(base_root: Path, target: Path) -> Path:
    """Make the production machine's root tree at ``target`` from an unpacked base image; returns ``target``.

    Needs root (chroot, owners). A target that exists is refused with FileExistsError.
    """
    if target.exists():
        raise FileExistsError(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", str(base_root), str(target)], check=True)
    _system(target)
    _application(target)
    return target


def _chroot(root: Path, *argv: str) -> None:
    env = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "SUDO_FORCE_REMOVE": "yes",
    }
    subprocess.run(["chroot", str(root), *argv], check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _system(root: Path) -> None:
    """Name, time zone, hosts, no sudo."""
    if (root / "usr/bin/sudo").exists():
        _chroot(root, "dpkg", "--purge", "sudo")
    (root / "etc/hostname").write_text(f"{NAME}\n")
    third = "".join(f"{WORLD} {name}\n" for name in THIRD_PARTIES)
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{PRODUCTION} {NAME}\n{third}")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text("# this network has no name server\n")
    (root / "etc/timezone").write_text(f"{TIMEZONE}\n")
    (root / "etc/localtime").unlink(missing_ok=True)
    (root / "etc/localtime").symlink_to(f"/usr/share/zoneinfo/{TIMEZONE}")
    # Timers of the distribution would disturb measurements and reach for the network.
    for timer in ("apt-daily", "apt-daily-upgrade", "e2scrub_all", "fstrim"):
        (root / f"etc/systemd/system/timers.target.wants/{timer}.timer").unlink(missing_ok=True)


def _application(root: Path) -> None:
    """dten-lims 4.2 as its vendor's installer left it: unpacked by hand, not a Debian package."""
    _chroot(
        root, "useradd", "--system", "--home-dir", "/opt/dten-lims", "--shell", "/usr/sbin/nologin", "--user-group", "dten"
    )
    home = root / "opt/dten-lims"
    for path, (data, mode) in release_files("4.2").items():
        _put(home / "releases/4.2" / path, data, mode)
    (home / "current").symlink_to("/opt/dten-lims/releases/4.2")
    for name, (path, mode) in HOST_FILES.items():
        _put(root / path, (LIMS / "host" / name).read_bytes(), mode)
    certs = pki.certificates()
    _put(root / "etc/dten-lims/tls/partner.pem", pki.pem(certs.tls_leaf_before, certs.tls_ca), 0o644)
    _put(
        root / "var/cache/dten-lims/report-2026-11-20.txt",
        b"method      state      results\nph          approved       241\n",
        0o644,
    )
    _chroot(root, "chown", "root:dten", "/etc/dten-lims/secrets.env")
    _chroot(root, "chown", "-R", "dten:dten", "/var/cache/dten-lims")
    (root / "etc/nginx/sites-enabled/default").unlink(missing_ok=True)
    (root / "etc/nginx/sites-enabled/dten-lims").symlink_to("/etc/nginx/sites-available/dten-lims")
    _chroot(root, "systemctl", "enable", "dten-lims.service", "dten-worker.service")


def _put(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def fill(host: Machine, results: int = 200_000, *, size_gb: float = 0.0) -> None:
    """Create role, database, schema 0050 and deterministic data in the booted machine, then start the service afresh.

    ``size_gb`` adds instrument files of 1 MiB until the database is about that big. Raises RuntimeError with psql's words.
    """
    password = _secret("PGPASSWORD")
    psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    role = f"CREATE ROLE dten LOGIN PASSWORD '{password}';\n"
    _checked(host, psql, role.encode(), "postgres")
    _checked(
        host,
        [
            *psql,
            "-c",
            "CREATE DATABASE dten OWNER dten ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' TEMPLATE template0",
        ],
        b"",
        "postgres",
    )
    data = (LIMS / "host/schema.sql").read_bytes() + (LIMS / "host/fill.sql").read_bytes()
    files = max(0, round(size_gb * 1024 - results * 0.0006))
    _checked(
        host, [*psql, "-d", "dten", "-o", "/dev/null", "-v", f"results={results}", "-v", f"files={files}"], data, "dten"
    )
    _checked(host, ["psql", "-X", "-q", "-c", "CHECKPOINT"], b"", "postgres")
    _checked(host, ["systemctl", "restart", "dten-lims", "dten-worker"], b"", None)


def _secret(name: str) -> str:
    lines = (LIMS / "host/secrets.env").read_text().splitlines()
    return next(line.split("=", 1)[1] for line in lines if line.startswith(f"{name}="))


def _checked(host: Machine, argv: list[str], stdin: bytes, user: str | None) -> None:
    done = host.run(argv, stdin=stdin, timeout_s=1800.0, user=user)
    if done.code != 0:
        raise RuntimeError(f"{' '.join(argv[:6])} ended with {done.code}: {done.stderr.decode(errors='replace')[-2000:]}")


def main() -> int:
    """Build the tree named on the command line."""
    if len(sys.argv) != 3:
        print("usage: python -m demo.estate BASE TARGET", file=sys.stderr)
        return 2
    target = Path(sys.argv[2])
    try:
        print(build_root(Path(sys.argv[1]), target))
    except FileExistsError:
        print(f"{target} exists; remove it first", file=sys.stderr)
        return 1
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
