"""Changed archives built anew: same entries, same bytes; readable by the tools that will install them."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapt.packages import CRON, PROGRAM, md5, names, package
from tests.conftest import stand_aside
from tests.intake.poison import newc, stdlib_zip
from tests.intake.rpms import rpm

from fulldress.adapt.apply import Curer, adapt
from fulldress.adapt.lists import broken_signatures
from fulldress.adapt.repack import repacked
from fulldress.adapt.tree import changed_places, container_of, edited
from fulldress.errors import PackageRefused
from fulldress.formats import zipview
from fulldress.intake.unpack import unpack
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import PackageLock
from fulldress.store.blobs import BlobStore

DEB = "packages/lab.deb"
JAR = "lib/outer.zip!/in/x.jar"


@pytest.fixture
def lab(tmp_path: Path) -> tuple[PackageLock, BlobStore]:
    return package(tmp_path)


def content(lock: PackageLock, store: BlobStore, place: str) -> bytes:
    entry = lock.find(place)
    assert entry is not None, place
    return store.read(entry.sha256)


def changed(lab: tuple[PackageLock, BlobStore], **edits: bytes | None) -> PackageLock:
    lock, store = lab
    return repacked(lock, edited(lock, edits, store), store)


def test_nothing_changed_keeps_every_byte_and_the_digest_is_over_the_entries(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    same = repacked(lock, lock, store)
    assert same.entries == lock.entries
    assert same.sha256 != lock.sha256
    assert repacked(lock, lock, store).sha256 == same.sha256


def test_only_archives_around_a_change_are_rebuilt(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, _ = lab
    after = changed(lab, **{f"{JAR}!/b.properties": b"u=y\n"})
    assert changed_places(lock, after) == ["lib/outer.zip", JAR, f"{JAR}!/b.properties"]


def test_the_ledger_says_nothing_of_archives_that_were_built_anew(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, _ = lab
    after = changed(lab, **{f"{JAR}!/b.properties": b"u=yy\n"})
    assert {c.place for c in lock.ledger} - {c.place for c in after.ledger} == {"", "lib/outer.zip", JAR}
    assert after.bytes_inspected == sum(e.size for e in after.entries if e.kind == "file")


def test_the_same_edits_give_the_same_bytes(lab: tuple[PackageLock, BlobStore], tmp_path: Path) -> None:
    edits: dict[str, bytes | None] = {f"{JAR}!/b.properties": b"1", f"{DEB}!/opt/new": b"2", "conf.tar.gz!/bin/y": None}
    first = changed(lab, **edits)
    (tmp_path / "again").mkdir()
    second = changed(package(tmp_path / "again"), **edits)
    assert (first.sha256, first.entries) == (second.sha256, second.entries)


def test_what_is_rebuilt_reads_back_as_the_adapted_entries(lab: tuple[PackageLock, BlobStore], tmp_path: Path) -> None:
    _, store = lab
    after = changed(
        lab, **{f"{JAR}!/b.properties": b"u=y\n", f"{JAR}!/new/dir/f": b"f", "conf.tar.gz!/etc/x.conf": b"key = 2\n"}
    )
    for place in ("lib/outer.zip", "conf.tar.gz"):
        (tmp_path / "out").write_bytes(content(after, store, place))
        again = unpack(tmp_path / "out", BlobStore(tmp_path / "again"), sandboxed=False)
        wanted = {
            e.place.removeprefix(f"{place}!/"): (e.sha256, e.mode) for e in after.entries if e.place.startswith(f"{place}!/")
        }
        assert {e.place: (e.sha256, e.mode) for e in again.entries} == wanted


def test_a_manifest_stays_first_in_a_jar(lab: tuple[PackageLock, BlobStore]) -> None:
    after = changed(lab, **{f"{JAR}!/b.properties": b"u=y\n"})
    assert names(content(after, lab[1], JAR)) == ["META-INF/MANIFEST.MF", "a/B.class", "b.properties"]


def test_a_deb_is_read_by_dpkg_and_keeps_owner_mode_time_and_links(
    lab: tuple[PackageLock, BlobStore], tmp_path: Path
) -> None:
    after = changed(lab, **{f"{DEB}!/usr/share/lab/cron": b"# off\n", f"{DEB}!/opt/lab/new": b"new\n"})
    target = tmp_path / "out.deb"
    target.write_bytes(content(after, lab[1], DEB))
    try:
        listed = subprocess.run(
            ["dpkg-deb", "-c", str(target)],
            capture_output=True,
            text=True,
            check=True,
            env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
        )
    except FileNotFoundError:
        stand_aside("dpkg-deb")
    rows = {line.split(None, 5)[5]: line.split(None, 5)[:5] for line in listed.stdout.splitlines()}
    assert rows["./usr/share/lab/cron"] == ["-rw-r-----", "lab/adm", "6", "2023-11-14", "22:13"]
    assert rows["./opt/lab/bin/lab"][:2] == ["-rwxr-xr-x", "root/root"]
    assert "./usr/bin/lab -> /opt/lab/bin/lab" in rows
    assert "./usr/share/lab/same link to ./usr/share/lab/cron" in rows
    assert rows["./opt/lab/new"] == ["-rw-r--r--", "root/root", "4", "2023-11-14", "22:13"]
    fields = subprocess.run(
        ["dpkg-deb", "-f", str(target), "Package", "Version"], capture_output=True, text=True, check=True
    )
    assert fields.stdout == "Package: lab\nVersion: 5.0\n"


def test_md5sums_follow_their_files(lab: tuple[PackageLock, BlobStore]) -> None:
    after = changed(
        lab, **{f"{DEB}!/usr/share/lab/cron": b"# off\n", f"{DEB}!/opt/lab/new": b"new\n", f"{DEB}!/etc/lab.conf": b"c\n"}
    )
    assert content(after, lab[1], f"{DEB}!/DEBIAN/md5sums").decode().splitlines() == [
        f"{md5(PROGRAM)}  opt/lab/bin/lab",
        f"{md5(b'# off' + chr(10).encode())}  usr/share/lab/cron",
        f"{md5(b'new' + chr(10).encode())}  opt/lab/new",
    ]
    gone = changed(lab, **{f"{DEB}!/opt/lab/bin/lab": None})
    assert content(gone, lab[1], f"{DEB}!/DEBIAN/md5sums").decode() == f"{md5(CRON)}  usr/share/lab/cron\n"


def test_the_vendors_package_and_its_blobs_are_untouched(lab: tuple[PackageLock, BlobStore], tmp_path: Path) -> None:
    lock, store = lab
    before = (tmp_path / "lab.zip").read_bytes()
    changed(lab, **{"run.sh": b"# new\n", f"{DEB}!/DEBIAN/postinst": b"#!/bin/sh\nexit 0\n"})
    assert (tmp_path / "lab.zip").read_bytes() == before == store.read(lock.sha256)
    assert content(lock, store, "run.sh") == b"sudo one\nsudo two\nthree\n"


# ---- edits


def test_a_folder_and_an_archive_go_with_all_that_is_in_them(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    after = edited(lock, {"lib/outer.zip": None, f"{DEB}!/opt": None}, store)
    assert not [e.place for e in after.entries if e.place.startswith(("lib/", f"{DEB}!/opt"))]
    assert after.find(f"{DEB}!/usr/bin/lab")


def test_an_edit_that_changes_nothing_is_no_change(lab: tuple[PackageLock, BlobStore]) -> None:
    lock, store = lab
    assert edited(lock, {"README.txt": b"read me\n", "gone": None}, store) is lock


@pytest.mark.parametrize("place", ["../x", "/etc/x", f"{DEB}!/../x", "a\\b"])
def test_a_cure_cannot_write_outside_either(lab: tuple[PackageLock, BlobStore], place: str) -> None:
    with pytest.raises(PackageRefused):
        edited(lab[0], {place: b"x"}, lab[1])


def test_a_place_in_no_archive_is_an_error(lab: tuple[PackageLock, BlobStore]) -> None:
    with pytest.raises(KeyError):
        edited(lab[0], {"README.txt!/x": b"x"}, lab[1])


def test_containers_of_places() -> None:
    assert [container_of(p) for p in ("a", "a.deb!/b", "a.zip!/b.jar!/c")] == ["", "a.deb", "a.zip!/b.jar"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), place=st.sampled_from(["b.properties", "a/B.class", "new/ä"]))
def test_any_content_survives_the_way_into_a_jar_in_a_zip(
    data: bytes, place: str, lab: tuple[PackageLock, BlobStore], tmp_path: Path
) -> None:
    after = changed(lab, **{f"{JAR}!/{place}": b"#" + data})
    (tmp_path / "out").write_bytes(content(after, lab[1], "lib/outer.zip"))
    with (tmp_path / "out").open("rb") as stream:
        assert zipview.records(stream)
    again = unpack(tmp_path / "out", BlobStore(tmp_path / "again"), sandboxed=False)
    assert content(again, BlobStore(tmp_path / "again"), f"in/x.jar!/{place}") == b"#" + data


# ---- formats that follow, and formats that are left alone


def _opened(folder: Path, name: str, data: bytes) -> tuple[PackageLock, BlobStore]:
    (folder / name).write_bytes(data)
    store = BlobStore(folder / "store")
    return unpack(folder / name, store, sandboxed=False), store


def test_a_cpio_archive_is_written_anew(tmp_path: Path) -> None:
    lock, store = _opened(tmp_path, "p.zip", stdlib_zip(**{"x.cpio": newc(a=b"1", b=b"2")}))
    after = repacked(lock, edited(lock, {"x.cpio!/a": b"new"}, store), store)
    again, _ = _opened(tmp_path, "q.cpio", content(after, store, "x.cpio"))
    assert [(e.place, e.size) for e in again.entries] == [("a", 3), ("b", 1)]


def test_the_record_of_a_wheel_follows(tmp_path: Path) -> None:
    record = "a.py,sha256=x,1\na-1.dist-info/RECORD,,\ngone.py,sha256=y,1\n"
    wheel = stdlib_zip(**{"a.py": b"1", "gone.py": b"2", "a-1.dist-info/RECORD": record.encode()})
    lock, store = _opened(tmp_path, "p.zip", stdlib_zip(**{"a.whl": wheel}))
    edits: dict[str, bytes | None] = {"a.whl!/a.py": b"new", "a.whl!/gone.py": None, "a.whl!/b.py": b"added"}
    after = repacked(lock, edited(lock, edits, store), store)
    lines = content(after, store, "a.whl!/a-1.dist-info/RECORD").decode().splitlines()
    assert lines == [
        _row("a.py", b"new"),
        "a-1.dist-info/RECORD,,",
        _row("b.py", b"added"),
    ]


def _row(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(data)}"


def test_a_signature_that_cannot_fit_is_taken_out_of_a_changed_jar_alone(tmp_path: Path) -> None:
    signed = {"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "META-INF/V.SF": b"s", "META-INF/V.RSA": b"r", "a": b"1"}
    data = stdlib_zip(**{"x.jar": stdlib_zip(**signed), "y.jar": stdlib_zip(**signed)})
    lock, store = _opened(tmp_path, "p.zip", data)
    changed_lock = edited(lock, {"x.jar!/a": b"2"}, store)
    assert broken_signatures(lock, changed_lock) == ["x.jar"]
    after = repacked(lock, changed_lock, store)
    assert {e.place for e in after.entries if ".SF" in e.place or ".RSA" in e.place} == {
        "y.jar!/META-INF/V.SF",
        "y.jar!/META-INF/V.RSA",
    }


def test_nothing_inside_an_rpm_is_cured(tmp_path: Path) -> None:
    lock, store = _opened(tmp_path, "p.zip", stdlib_zip(**{"x.rpm": rpm(), "run.sh": b"sudo one\n"}))

    def check(current: PackageLock) -> list[Finding]:
        return [_finding(p) for p in ("x.rpm!/RPM/postin", "run.sh") if content(current, store, p) != b"cured"]

    curer = Curer("a-rule", check, lambda _lock, finding: Cure(edits={finding.place: b"cured"}, note="x"))
    result = adapt(lock, store, [curer])
    assert result.adaptations[0].places == ("run.sh",)
    assert lock.sealed_in("x.rpm!/RPM/postin") == "x.rpm"
    assert lock.sealed_in("run.sh") is None


def _finding(place: str) -> Finding:
    return Finding(
        rule="a-rule",
        severity="low",
        confidence="certain",
        title="t",
        place=place,
        consequence="c",
        fix="f",
        curable=True,
        fingerprint=place,
    )
