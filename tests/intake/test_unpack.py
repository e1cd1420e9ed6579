"""Packages taken apart: hostile ones refused by name and without a trace, honest ones read to the last byte."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import stand_aside
from tests.intake.poison import (
    POISON,
    M,
    build,
    deb,
    good,
    link,
    many,
    nested,
    newc,
    packed_by,
    signing_block,
    stdlib_zip,
    tar,
    zip64,
)
from tests.intake.rpms import rpm

from fulldress.adapters import sandbox
from fulldress.errors import CapabilityMissing, NothingToDo, PackageRefused, StateDiskFull, UsageError
from fulldress.formats import zipview
from fulldress.formats.members import checked
from fulldress.formats.refusal import REASONS
from fulldress.intake.budgets import Budgets
from fulldress.intake.unpack import unpack
from fulldress.model.package import PackageLock
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import canonical

CONFINED = sandbox.missing() == ""


def taken_apart(folder: Path, data: bytes, **more: object) -> PackageLock:
    package = folder / "p.zip"
    package.write_bytes(data)
    more.setdefault("sandboxed", CONFINED)
    return unpack(package, BlobStore(folder / "store"), **more)  # type: ignore[arg-type]


def tree(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


@pytest.mark.parametrize(("label", "slug", "make"), POISON, ids=[label for label, _, _ in POISON])
def test_poison_is_refused_by_name_and_leaves_nothing(
    label: str, slug: str, make: Callable[[], bytes], tmp_path: Path
) -> None:
    with pytest.raises(PackageRefused) as caught:
        taken_apart(tmp_path, make())
    assert caught.value.slug == slug, f"{label}: {caught.value.what}"
    assert caught.value.why == REASONS[slug].why
    assert caught.value.fix
    assert caught.value.what.isprintable()
    assert tree(tmp_path) == {"p.zip", "store"}


@pytest.mark.parametrize("sandboxed", [True, False])
def test_both_readers_refuse_alike(sandboxed: bool, tmp_path: Path) -> None:
    if sandboxed and not CONFINED:
        stand_aside(f"needs {sandbox.missing()}")
    with pytest.raises(PackageRefused, match="belong to no member"):
        taken_apart(tmp_path, build(M(), M(name=b"b", gap=b"ghost")), sandboxed=sandboxed)


SMALL = Budgets(
    total_bytes=4 << 20, entry_bytes=3 << 20, entries=50, ratio=20, ratio_floor=1 << 20, depth=3, seconds=20, memory=1 << 30
)


@pytest.mark.parametrize(
    "make",
    [
        lambda: build(M(data=bytes(2 << 20), method=8)),
        lambda: build(M(data=os.urandom(3 << 20) + b"x")),
        lambda: build(*(M(name=b"%d" % i, data=os.urandom(1 << 20)) for i in range(5))),
        lambda: many(51),
        lambda: nested(3),
        lambda: gzip.compress(bytes(2 << 20)),
        lambda: build(M(name=b"x.gz", data=gzip.compress(bytes(2 << 20)))),
        lambda: build(
            M(name=b"x.zip", data=build(M(data=bytes(900 << 10), method=8), M(name=b"b", data=bytes(900 << 10), method=8)))
        ),
    ],
    ids=["ratio", "one-member", "total", "count", "depth", "gz", "gz-inside", "spread-over-members"],
)
def test_bombs_end_at_their_budget(make: Callable[[], bytes], tmp_path: Path) -> None:
    with pytest.raises(PackageRefused) as caught:
        taken_apart(tmp_path, make(), budgets=SMALL)
    assert caught.value.slug == "archive-bomb"
    assert tree(tmp_path) == {"p.zip", "store"}


@pytest.mark.usefixtures("confined")
def test_time_is_a_budget(tmp_path: Path) -> None:
    with pytest.raises(PackageRefused, match="took longer than") as caught:
        taken_apart(tmp_path, good(), budgets=Budgets(seconds=0.001))
    assert caught.value.slug == "archive-bomb"


@pytest.mark.usefixtures("confined")
def test_a_reader_that_dies_is_said_to_have_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(PackageRefused) as caught:
        taken_apart(tmp_path, good())
    assert caught.value.slug == "reader-died"


def test_without_means_to_confine_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "missing", lambda: "Landlock ABI 2 (this kernel has none)")
    with pytest.raises(CapabilityMissing) as caught:
        taken_apart(tmp_path, good(), sandboxed=True)
    assert caught.value.slug == "sandbox-missing"
    assert "--no-sandbox" in caught.value.fix
    assert taken_apart(tmp_path, good(), sandboxed=False).entries


# ---- what is no package at all


def test_a_folder_a_url_and_a_missing_file_are_usage_errors(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    for wrong, said in ((tmp_path, "folder"), (Path("https://x.example/p.zip"), "URL"), (tmp_path / "no", "opened")):
        with pytest.raises(UsageError, match=said):
            unpack(wrong, store)


def test_a_pipe_is_a_usage_error_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a regular file"):
        unpack(tmp_path / "pipe", BlobStore(tmp_path / "store"))


@pytest.mark.parametrize("data", [b"", build(), build(M(name=b"d/", data=b"", attributes=0x10))])
def test_nothing_inside_is_never_fine(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(NothingToDo):
        taken_apart(tmp_path, data)


# ---- honest packages


def contents(lock: PackageLock, folder: Path) -> dict[str, bytes]:
    store = BlobStore(folder / "store")
    return {e.place: store.read(e.sha256) for e in lock.entries if e.kind == "file"}


def test_a_plain_zip(tmp_path: Path) -> None:
    data = good()
    lock = taken_apart(tmp_path, data)
    assert (lock.name, lock.format, lock.size) == ("p.zip", "zip", len(data))
    assert lock.sha256 == hashlib.sha256(data).hexdigest()
    assert contents(lock, tmp_path) == {"README.txt": b"read me " * 100, "scripts/run.sh": b"#!/bin/sh\n"}
    assert lock.bytes_inspected == 810
    assert lock.entries[0].modified == "2025-01-01T12:00:00"
    assert BlobStore(tmp_path / "store").read(lock.sha256) == data


def test_a_streamed_zip(tmp_path: Path) -> None:
    class Unseekable(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, piece: object) -> int:
            self.data += bytes(piece)  # type: ignore[call-overload]
            return len(bytes(piece))  # type: ignore[call-overload]

    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        archive.writestr("a", b"streamed " * 50)
        archive.writestr("d/", b"")
        with archive.open("big", "w", force_zip64=True) as member:
            member.write(b"wide")
    assert contents(taken_apart(tmp_path, bytes(out.data)), tmp_path) == {"a": b"streamed " * 50, "big": b"wide"}


def testzip64_records(tmp_path: Path) -> None:
    assert contents(taken_apart(tmp_path, zip64()), tmp_path) == {"a.txt": b"hello"}


def test_more_members_than_sixteen_bits_count(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(65_600):
            archive.writestr(zipfile.ZipInfo(f"d/{number}"), b"")
    assert len(zipview.records(out)) == 65_600


def test_links_inside_the_tree_and_modes_are_kept(tmp_path: Path) -> None:
    program = M(name=b"bin/tool-5", data=b"x", attributes=(0o100755 << 16))
    lock = taken_apart(tmp_path, build(program, link(b"bin/tool", b"tool-5"), link(b"current", b"bin/../bin")))
    assert {e.place: (e.kind, e.link, e.mode) for e in lock.entries} == {
        "bin/tool": ("symlink", "tool-5", 0o777),
        "bin/tool-5": ("file", "", 0o755),
        "current": ("symlink", "bin/../bin", 0o777),
    }


def test_a_mode_of_all_bits_is_an_unknown_mode(tmp_path: Path) -> None:
    """Written by Maven's archiver for folders; found in every tenth JAR of a real repository."""
    lock = taken_apart(tmp_path, build(M(name=b"META-INF/", data=b"", attributes=0xFFFF0010), M(name=b"META-INF/a")))
    assert [(e.place, e.kind, e.mode) for e in lock.entries] == [
        ("META-INF", "directory", 0o755),
        ("META-INF/a", "file", 0o644),
    ]


def test_a_jar_and_a_wheel_are_opened(tmp_path: Path) -> None:
    jar = stdlib_zip(**{"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "a/B.class": b"\xca\xfe\xba\xbe"})
    lock = taken_apart(tmp_path, stdlib_zip(**{"lib/x.jar": jar, "x-1-py3-none-any.whl": stdlib_zip(**{"x.py": b"1"})}))
    kinds = {e.place: (e.kind, e.format) for e in lock.entries}
    assert kinds["lib/x.jar"] == ("container", "zip")
    assert kinds["lib/x.jar!/a/B.class"] == ("file", "")
    assert kinds["x-1-py3-none-any.whl!/x.py"] == ("file", "")


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2", "zst", ""])
def test_nested_tarballs(kind: str, tmp_path: Path) -> None:
    import bz2
    import lzma

    import zstandard

    pack = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zst": zstandard.compress, "": bytes}[kind]
    plain = tar(
        ("./d", b"", {"type": tarfile.DIRTYPE, "mode": 0o750}),
        ("./d/" + "n" * 120, b"abc", {"uname": "app", "gname": "www", "mtime": 1_700_000_000}),
        ("hard", b"", {"type": tarfile.LNKTYPE, "linkname": "d/" + "n" * 120}),
    )
    lock = taken_apart(tmp_path, stdlib_zip(**{"t.bin": pack(plain)}))
    entries = {e.place: e for e in lock.entries}
    assert entries["t.bin"].format == (f"tar.{kind}" if kind else "tar")
    inner = entries["t.bin!/d/" + "n" * 120]
    assert (inner.owner, inner.modified, inner.size) == ("app:www", "2023-11-14T22:13:20Z", 3)
    assert entries["t.bin!/hard"].link.startswith("d/nnn")
    assert entries["t.bin!/d"].mode == 0o750


def test_pax_headers_and_their_attributes(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("ä" * 80)
        info.size = 2
        info.mtime = 1_700_000_000.5
        info.pax_headers = {"SCHILY.xattr.security.capability": "x"}
        archive.addfile(info, io.BytesIO(b"ok"))
    lock = taken_apart(tmp_path, out.getvalue())
    assert contents(lock, tmp_path) == {"ä" * 80: b"ok"}
    assert "security.capability" in lock.not_inspected[0].reason


def test_a_compressed_single_file(tmp_path: Path) -> None:
    lock = taken_apart(tmp_path, stdlib_zip(**{"changelog.gz": gzip.compress(b"one") + gzip.compress(b"two") + bytes(512)}))
    assert contents(lock, tmp_path) == {"changelog.gz!/changelog": b"onetwo"}


def test_a_deb_made_by_hand(tmp_path: Path) -> None:
    package = deb(
        tar(("./", b"", {"type": tarfile.DIRTYPE}), ("./control", b"Package: x\n", {})),
        tar(
            ("./etc/cron.d/x", b"* * * * * root x\n", {}),
            ("./opt/now", b"", {"type": tarfile.SYMTYPE, "linkname": "/opt/x"}),
        ),
    )
    lock = taken_apart(tmp_path, stdlib_zip(**{"x.deb": package}))
    assert contents(lock, tmp_path) == {
        "x.deb!/DEBIAN/control": b"Package: x\n",
        "x.deb!/etc/cron.d/x": b"* * * * * root x\n",
    }
    assert next(e for e in lock.entries if e.place == "x.deb!/opt/now").link == "/opt/x"


def test_a_small_stream_whose_head_was_looked_at_is_read_from_its_beginning(tmp_path: Path) -> None:
    inside = {
        f"{n}.deb": deb(tar(("./control", b"c", {})), tar(("./a", random.Random(n).randbytes(3000), {}))) for n in range(4)
    }
    lock = taken_apart(tmp_path, stdlib_zip(**inside))
    assert sum(e.place.endswith(".deb!/a") for e in lock.entries) == len(inside)


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd", "none"])
def test_a_deb_made_by_dpkg(compression: str, tmp_path: Path) -> None:
    if shutil.which("dpkg-deb") is None:
        stand_aside("needs dpkg-deb")
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b>\nDescription: x\n")
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/x").write_text("#!/bin/sh\n")
    made = subprocess.run(
        ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "-b", str(root), str(tmp_path / "x.deb")], capture_output=True
    )
    if made.returncode:
        stand_aside(f"needs a dpkg-deb that knows {compression}")
    lock = unpack(tmp_path / "x.deb", BlobStore(tmp_path / "store"), sandboxed=CONFINED)
    assert lock.format == "deb"
    assert contents(lock, tmp_path)["usr/bin/x"] == b"#!/bin/sh\n"
    assert next(e for e in lock.entries if e.place == "usr/bin/x").owner == "root:root"


def test_a_backslash_is_a_letter_where_only_posix_unpacks(tmp_path: Path) -> None:
    name = "lib/systemd/system/system-systemd\\x2dcryptsetup.slice"
    lock = taken_apart(tmp_path, deb(tar(("./control", b"c", {})), tar((name, b"[Slice]\n", {}))))
    assert contents(lock, tmp_path)[name] == b"[Slice]\n"
    for hostile in ("a\\..\\..\\b", "\\a"):
        with pytest.raises(PackageRefused):
            taken_apart(tmp_path, tar((hostile, b"x", {})))


def test_what_is_not_opened_is_listed(tmp_path: Path) -> None:
    lock = taken_apart(tmp_path, stdlib_zip(**{"a.rar": b"Rar!\x1a\x07" + bytes(94), "b": b"12345"}))
    assert [(n.place, n.size) for n in lock.not_inspected] == [("a.rar", 100)]
    assert lock.bytes_inspected == 5


def children() -> set[str]:
    """Process numbers of this process's children; other tests' fixtures may have some."""
    return {pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


@pytest.mark.usefixtures("confined")
def test_an_interrupt_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    class Interrupting:
        def start(self, label: str, total: float | None = None) -> None:
            assert label == "taking p.zip apart"

        def advance(self, amount: float = 1.0) -> None:
            raise KeyboardInterrupt

        def note(self, text: str) -> None:
            raise AssertionError(text)

        def finish(self) -> None:
            finished.append(True)

    finished: list[bool] = []
    before = children()
    with pytest.raises(KeyboardInterrupt):
        taken_apart(
            tmp_path, build(*(M(name=b"%d" % i, data=os.urandom(9 << 20)) for i in range(3))), progress=Interrupting()
        )
    assert tree(tmp_path) == {"p.zip", "store"}
    assert finished == [True]
    assert children() <= before


def test_a_killed_intake_leaves_nothing(tmp_path: Path) -> None:
    """What is half read has no name in the store at any time."""

    class Watching:
        def start(self, label: str, total: float | None = None) -> None:
            seen.append(tree(tmp_path))

        def advance(self, amount: float = 1.0) -> None:
            seen.append(tree(tmp_path))

        def note(self, text: str) -> None:
            raise AssertionError(text)

        def finish(self) -> None:
            seen.append(tree(tmp_path))

    seen: list[set[str]] = []
    taken_apart(tmp_path, build(M(data=os.urandom(9 << 20))), progress=Watching())
    assert len(seen) >= 3
    assert all(names == {"p.zip", "store"} for names in seen)


NAMES = st.text("abcdefgh-_.é", min_size=1, max_size=12).filter(lambda n: n.strip(".") and len(n.encode()) < 200)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(NAMES, st.binary(max_size=3000), min_size=1, max_size=8))
def test_whatever_the_standard_library_packs_is_read_back(files: dict[str, bytes], tmp_path: Path) -> None:
    files = {f"f/{name}": b"#" + data for name, data in files.items()}
    lock = taken_apart(tmp_path, stdlib_zip(**files), sandboxed=False)
    assert contents(lock, tmp_path) == files


def _samples() -> list[bytes]:
    import bz2
    import lzma

    import zstandard

    facts = {"uname": "app", "mtime": 1_700_000_000}
    plain = tar(
        ("d/a", b"abc" * 50, facts), ("l", b"", {"type": tarfile.SYMTYPE, "linkname": "d/a"}), ("n" * 150, b"x", facts)
    )
    return [
        plain,
        *(pack(plain) for pack in (gzip.compress, lzma.compress, bz2.compress, zstandard.compress)),
        deb(plain, plain),
        *(build(packed_by(method)) for method in (12, 14, 93, 95)),
        build(M(), before_directory=signing_block()),
        newc(a=b"abc" * 9, d__e=b"x"),
        rpm(),
        rpm(pack=lambda data: data),
    ]


SAMPLES = _samples()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, len(SAMPLES) - 1), at=st.integers(0, 4000), put=st.binary(min_size=1, max_size=12))
def test_damage_of_any_format_is_refused_or_harmless_but_never_a_crash(
    which: int, at: int, put: bytes, tmp_path: Path
) -> None:
    data = bytearray(SAMPLES[which])
    at %= len(data)
    data[at : at + len(put)] = put
    try:
        lock = taken_apart(tmp_path, bytes(data), sandboxed=False)
    except (PackageRefused, NothingToDo) as error:
        assert error.what.isprintable()
        return
    assert canonical(lock)


@pytest.mark.machine
@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("data", [lambda: os.urandom(4 << 20), lambda: gzip.compress(os.urandom(4 << 20))])
@pytest.mark.parametrize("sandboxed", [True, False])
def test_a_full_disk_is_said_and_leaves_nothing(data: Callable[[], bytes], sandboxed: bool, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "p.zip").write_bytes(stdlib_zip(a=data()))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "intake-test", str(store)], check=True)
    try:
        with pytest.raises(StateDiskFull):
            unpack(tmp_path / "p.zip", BlobStore(store), sandboxed=sandboxed and CONFINED)
        assert list(store.iterdir()) == []
    finally:
        subprocess.run(["umount", str(store)], check=True)


@settings(max_examples=400, deadline=None)
@given(which=st.integers(0, 3), at=st.integers(0, 5000), put=st.integers(0, 255))
def test_an_archive_that_is_accepted_means_the_same_to_another_reader(which: int, at: int, put: int) -> None:
    """One byte changed anywhere: refused, or the standard library sees the very same names and contents."""
    samples = (good(), nested(1), zip64(), build(M(name=b"b"), link(b"a", b"b"), comment=b"a comment"))
    data = bytearray(samples[which])
    data[at % len(data)] = put
    stream = io.BytesIO(bytes(data))
    try:
        mine = {
            m.name: b"".join(m.chunks()) if m.kind == "file" else m.link.encode()
            for m in checked(zipview.members(stream))
            if m.name  # else it is a remark on the archive
        }
    except PackageRefused:
        return
    with zipfile.ZipFile(stream) as archive:
        assert {i.filename.rstrip("/"): archive.read(i) for i in archive.infolist()} == mine


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_changes_no_name_and_no_content(at: int, bit: int, tmp_path: Path) -> None:

    def held(lock: PackageLock) -> dict[str, bytes]:
        """A bit of the mode makes a link of a file: what it holds is its target then."""
        return contents(lock, tmp_path) | {e.place: e.link.encode() for e in lock.entries if e.kind == "symlink"}

    whole = build(M(name=b"a", data=b"some text " * 20, method=8), M(name=b"b/c", data=b"x" * 30))
    flipped = bytearray(whole)
    flipped[at % len(whole)] ^= 1 << bit
    honest = held(taken_apart(tmp_path, whole, sandboxed=False))
    try:
        lock = taken_apart(tmp_path, bytes(flipped), sandboxed=False)
    except (PackageRefused, NothingToDo):
        return
    assert held(lock) == honest
