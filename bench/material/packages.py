"""Vendor-like packages of any size out of what lies on a Debian machine; the same seed and machine give the same package.

What is inside, drawn at random from the machine's own software: programs and shared objects, Python and Perl code with
its bytecode, headers, settings, static web files, images, translations, XML, SQL, documentation with the compressed man
pages and changelogs that Debian ships. A third of the files lies in the ZIP itself; the others come 180 together in a
tar.gz, a jar, a .deb (gzip as fpm and nfpm pack, xz as dpkg-deb does, in turn) or a tar. One twentieth is an
application's log; there is one migration. Nothing is chosen by what a scanner does with it: what kingfisher passes over
(the .debs) and what costs it most (small compressed files) are both in, as they are in real packages.

Used by ``bench/inspection.py``.  Run: .venv/bin/python bench/material/packages.py 200 /tmp/p200.zip [--seed 7]
"""

from __future__ import annotations

import argparse
import io
import os
import random
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOTS = ("/usr/share", "/usr/lib/python3", "/usr/include", "/usr/bin", "/usr/lib/x86_64-linux-gnu", "/etc")
LARGEST = 4 << 20
WHEN = (2026, 1, 2, 3, 4, 6)
NESTED = 180
"""Files in a nested archive."""
LEVEL = 1
PACKED = (b"\x1f\x8b", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd", b"PK", b"!<arch>")
"""Beginnings of what is left out of later rounds: with a line more they would be damaged archives."""


def sources() -> list[Path]:
    """Every ordinary file of the roots, in one order."""
    found: list[Path] = []
    for root in ROOTS:
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink() and 0 < path.stat().st_size < LARGEST:
                    found.append(path)
    return found


def contents(seed: int, size: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents until ``size`` bytes; a second round through the machine gives other bytes than the first."""
    chosen = random.Random(seed)
    paths = sources()
    done, turn = 0, 0
    while done < size:
        chosen.shuffle(paths)
        for path in paths:
            try:
                data = path.read_bytes()
            except OSError:
                continue
            if turn and data.startswith(PACKED):
                continue
            data = data if not turn else data + f"\n# round {turn} of {path.name}\n".encode()
            yield f"{turn}{path}", data
            done += len(data)
            if done >= size:
                return
        turn += 1


def log(seed: int, size: int) -> bytes:
    """An application's log, with a secret in it that must be found."""
    chosen = random.Random(seed)
    lines = [
        f"2026-01-02T03:04:{n % 60:02} app[{n % 97}]: request {chosen.randrange(1 << 40):x} took {n % 997} ms"
        for n in range(4000)
    ]
    block = ("\n".join(lines) + "\n").encode()
    return block * (size // len(block)) + b"db_password = hunter2-kept-in-a-log\n"


def sql(seed: int, tables: int) -> bytes:
    """A migration."""
    chosen = random.Random(seed)
    return "".join(
        f"ALTER TABLE t{n} ADD COLUMN c{chosen.randrange(99)} integer NOT NULL DEFAULT {n};\n"
        f"INSERT INTO t{n} VALUES ({n}, 'x{chosen.random()}');\n"
        for n in range(tables)
    ).encode()


def _tar(files: list[tuple[str, bytes]], mode: str) -> bytes:
    out = io.BytesIO()
    level = {"compresslevel": LEVEL} if mode == "w:gz" else {"preset": 0} if mode == "w:xz" else {}
    with tarfile.open(fileobj=out, mode=mode, **level) as archive:  # type: ignore[call-overload]
        for name, data in files:
            member = tarfile.TarInfo(name.lstrip("/"))
            member.size, member.mtime = len(data), 1_767_323_046
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _zip(files: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name.lstrip("/"), WHEN), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _deb(files: list[tuple[str, bytes]], packed: str) -> bytes:
    control = _tar(
        [("./control", b"Package: p\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n")], "w:gz"
    )
    parts = [("debian-binary", b"2.0\n"), ("control.tar.gz", control), (f"data.tar.{packed}", _tar(files, f"w:{packed}"))]
    out = b"!<arch>\n"
    for name, data in parts:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


def make(size: int, target: Path, seed: int = 7) -> int:
    """Write a package with about ``size`` bytes in it, unpacked; returns how many files it holds."""
    shapes = (
        ("tar.gz", lambda f: _tar(f, "w:gz")),
        ("jar", _zip),
        ("deb", lambda f: _deb(f, "gz")),
        ("tar", lambda f: _tar(f, "w")),
        ("tgz", lambda f: _tar(f, "w:gz")),
        ("jar", _zip),
        ("deb", lambda f: _deb(f, "xz")),
    )
    count = turn = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL, allowZip64=True) as archive:
        archive.writestr(zipfile.ZipInfo("logs/app.log", WHEN), log(seed, size // 20), zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("db/001.sql", WHEN), sql(seed, min(400, size >> 20)), zipfile.ZIP_DEFLATED)
        waiting: list[tuple[str, bytes]] = []
        for name, data in contents(seed, size - size // 20):
            count += 1
            if count % (3 * NESTED) < NESTED:
                archive.writestr(zipfile.ZipInfo(f"files/{name}", WHEN), data, zipfile.ZIP_DEFLATED)
                continue
            waiting.append((name, data))
            if len(waiting) == NESTED:
                suffix, pack = shapes[turn % len(shapes)]
                archive.writestr(zipfile.ZipInfo(f"packages/p{turn}.{suffix}", WHEN), pack(waiting), zipfile.ZIP_DEFLATED)
                waiting, turn = [], turn + 1
        for name, data in waiting:
            archive.writestr(zipfile.ZipInfo(f"files/{name}", WHEN), data, zipfile.ZIP_DEFLATED)
    return count + 2


def main() -> None:
    """Make one package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("megabytes", type=int)
    parser.add_argument("target", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    files = make(given.megabytes << 20, given.target, given.seed)
    print(f"{given.target}: {files:,} files, {given.target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
