"""Packages with a nested .deb, .jar and tarball, unpacked into a store, for tests of cures."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

from tests.intake.poison import deb, stdlib_zip, tar

from fulldress.intake.unpack import unpack
from fulldress.model.package import PackageLock
from fulldress.store.blobs import BlobStore

CONTROL = b"Package: lab\nVersion: 5.0\nArchitecture: all\nMaintainer: A <a@b.example>\nDescription: x\n"
CRON = b"0 3 * * * lab import\n"
PROGRAM = b"#!/bin/sh\necho 5\n"


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def lab_deb() -> bytes:
    sums = f"{md5(PROGRAM)}  opt/lab/bin/lab\n{md5(CRON)}  usr/share/lab/cron\n".encode()
    control = tar(("./control", CONTROL, {}), ("./md5sums", sums, {}), ("./postinst", b"#!/bin/sh\n", {"mode": 0o755}))
    when = {"mtime": 1_700_000_000, "uname": "root", "gname": "root"}
    data = tar(
        ("./opt", b"", {"type": tarfile.DIRTYPE, "mode": 0o755, **when}),
        ("./opt/lab/bin/lab", PROGRAM, {"mode": 0o755, **when}),
        ("./usr/share/lab/cron", CRON, {"mode": 0o640, **when, "uname": "lab", "gname": "adm"}),
        ("./usr/bin/lab", b"", {"type": tarfile.SYMTYPE, "linkname": "/opt/lab/bin/lab", **when}),
        ("./usr/share/lab/same", b"", {"type": tarfile.LNKTYPE, "linkname": "./usr/share/lab/cron", **when}),
    )
    return deb(control, data)


def jar() -> bytes:
    return stdlib_zip(
        **{"a/B.class": b"\xca\xfe\xba\xbe\0", "META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "b.properties": b"u=x\n"}
    )


def package(folder: Path) -> tuple[PackageLock, BlobStore]:
    """``lab.zip`` with scripts, a .deb, a .jar in a .zip, and a tarball."""
    bundle = gzip.compress(tar(("etc/x.conf", b"key = 1\n", {}), ("bin/y", b"y\n", {"mode": 0o755})))
    data = stdlib_zip(
        **{
            "README.txt": b"read me\n",
            "run.sh": b"sudo one\nsudo two\nthree\n",
            "packages/lab.deb": lab_deb(),
            "lib/outer.zip": stdlib_zip(**{"in/x.jar": jar(), "note": b"n\n"}),
            "conf.tar.gz": bundle,
        }
    )
    (folder / "lab.zip").write_bytes(data)
    store = BlobStore(folder / "store")
    return unpack(folder / "lab.zip", store, sandboxed=False), store


def names(data: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(data)).namelist()
