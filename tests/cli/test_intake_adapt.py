"""``fulldress intake`` and ``fulldress adapt`` in a release folder, with the real rules."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.intake.poison import M, build, deb, stdlib_zip, tar
from tests.intake.signing import Key, issue

from fulldress.adapters import sandbox
from fulldress.cli.commands.adapt import command as adapt
from fulldress.cli.commands.intake import command as intake
from fulldress.cli.commands.new import command as new
from fulldress.cli.commands.scan import command as scan
from fulldress.errors import NothingToDo, PackageRefused, Stale, UsageError
from fulldress.intake import vendor
from fulldress.intake.vendor import VendorRecordNotApproved
from fulldress.model.finding import Adaptation, FindingsReport
from fulldress.model.package import PackageLock, TrustReport
from fulldress.status import status
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json
from fulldress.store.journal import read_journal

WAIVE = () if sandbox.missing() == "" else ("--no-sandbox",)
SECRET = "hunter2-hunter2-9"
SCRIPT = b"#!/bin/sh\nsudo systemctl stop lab\nsudo systemctl start lab\n"
CONFIG = f"url = http://x.example/\ndb.password = {SECRET}\n".encode()


def files() -> dict[str, bytes]:
    return {
        "README.txt": b"five minutes\n",
        "scripts/upgrade.sh": SCRIPT,
        "packages/lab.deb": deb(
            tar(("./control", b"Package: lab\nVersion: 5\n", {})), tar(("./opt/lab.properties", CONFIG, {}))
        ),
    }


@pytest.fixture
def release(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> f.ReleaseFolder:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vendor.zip").write_bytes(stdlib_zip(**files()))
    assert CliRunner().invoke(new, ["r1", "--package", "vendor.zip"]).exit_code == 0
    monkeypatch.chdir(tmp_path / "r1")
    return f.ReleaseFolder(tmp_path / "r1")


def run(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False, standalone_mode=False)  # type: ignore[arg-type]


def test_intake_writes_lock_trust_receipt_and_event(release: f.ReleaseFolder) -> None:
    said = run(intake, *WAIVE).output
    lock = read_json(release.path(f.PACKAGE_LOCK), PackageLock)
    trust = read_json(release.path(f.TRUST), TrustReport)
    assert {e.place for e in lock.entries if e.kind == "file"} == {
        "README.txt",
        "scripts/upgrade.sh",
        "packages/lab.deb!/DEBIAN/control",
        "packages/lab.deb!/opt/lab.properties",
    }
    assert trust.verdict == "unsigned"
    [event] = [e for e in read_journal(release.path("journal.jsonl")) if e.kind == "intake"]
    assert (event.data["package_sha256"], event.data["trust"]) == (lock.sha256, "unsigned")
    assert {row.stage: row.state for row in status(release).stages}["intake"] == "done"
    for shown in (
        "vendor.zip",
        lock.sha256,
        "packages/lab.deb (deb, 2 members)",
        "trust: unsigned",
        "next: fulldress trust, and fulldress inventory",
    ):
        assert shown in said


def test_intake_as_json(release: f.ReleaseFolder) -> None:
    done = CliRunner().invoke(intake, ["--format", "json", *WAIVE], standalone_mode=False)
    data = json.loads(done.stdout)
    assert (data["schema_version"], data["trust"]["verdict"]) == (1, "unsigned")


def test_a_signature_beside_the_package_and_the_vendor_record_count(release: f.ReleaseFolder, tmp_path: Path) -> None:
    key = Key()
    data = stdlib_zip(**files(), **{"key.asc": key.public})
    (tmp_path / "vendor.zip").write_bytes(data)
    (tmp_path / "vendor.zip.asc").write_bytes(key.detached(data))
    run(intake, *WAIVE)
    assert read_json(release.path(f.TRUST), TrustReport).verdict == "unknown-key"
    release.path("vendor.toml").write_text(f'name = "V"\n[[pin]]\nfingerprint = "{key.fingerprint.upper()}"\n')
    with pytest.raises(VendorRecordNotApproved):
        run(intake, *WAIVE)
    vendor.propose(release.path("vendor.toml"), "A", "from the contract")
    vendor.approve(release.path("vendor.toml"), "B")
    run(intake, *WAIVE)
    assert read_json(release.path(f.TRUST), TrustReport).verdict == "pinned-ok"


def test_a_refused_package_leaves_folder_and_store_as_they_were(
    release: f.ReleaseFolder, tmp_path: Path, state: Path
) -> None:
    (tmp_path / "bad.zip").write_bytes(build(M(name=b"../../etc/cron.d/x")))
    with pytest.raises(PackageRefused):
        run(intake, "--package", str(tmp_path / "bad.zip"), *WAIVE)
    assert not release.path(f.PACKAGE_LOCK).exists()
    assert list((state / "blobs").iterdir()) == []
    assert not release.receipt("intake")


def test_budgets_are_raised_by_name(release: f.ReleaseFolder, tmp_path: Path) -> None:
    (tmp_path / "big.zip").write_bytes(stdlib_zip(a=bytes(70 << 20), b=b"x"))
    package = ("--package", str(tmp_path / "big.zip"))
    with pytest.raises(PackageRefused) as caught:
        run(intake, *package, *WAIVE)
    assert caught.value.slug == "archive-bomb"
    assert run(intake, *package, "--budget", "ratio=2000", *WAIVE).return_value is None
    for wrong in ("ratio", "ratio=0", "ratio=x", "nonsense=3"):
        with pytest.raises(UsageError, match="is no limit"):
            run(intake, *package, "--budget", wrong)


def test_adapt_cures_patches_and_rescans(release: f.ReleaseFolder, state: Path) -> None:
    run(intake, *WAIVE)
    run(scan)
    before = read_json(release.path(f.FINDINGS), FindingsReport)
    assert {"sudo-assumption", "secret-in-config"} <= {x.rule for x in before.findings}
    said = run(adapt).output
    after = read_json(release.path(f.RESCAN), FindingsReport)
    assert not {"sudo-assumption", "secret-in-config"} & {x.rule for x in after.findings}
    lock = read_json(release.path(f.ADAPTED_LOCK), PackageLock)
    script = lock.find("scripts/upgrade.sh")
    assert script and b"sudo" not in BlobStore(state / "blobs").read(script.sha256)
    assert lock.sha256 == after.package_sha256 != before.package_sha256
    home = release.path(f.ADAPTATIONS)
    patches = sorted(p.stem for p in home.glob("*.patch"))
    numbered = [msgspec.toml.decode(p.read_bytes(), type=Adaptation) for p in sorted(home.glob("*.toml"))]
    assert [a.number for a in numbered] == list(range(1, len(numbered) + 1))
    assert [a.patch.removesuffix(".patch") for a in numbered if a.patch] == patches
    everything = b"".join(p.read_bytes() for p in home.iterdir()) + said.encode()
    assert SECRET.encode() not in everything
    receipt = release.receipt("adapt")
    assert receipt and {f"{f.ADAPTATIONS}/{name}.patch" for name in patches} <= set(receipt.wrote)


def test_adapt_again_gives_the_same_package_and_leaves_no_old_patches(release: f.ReleaseFolder) -> None:
    run(intake, *WAIVE)
    run(scan)
    run(adapt)
    first = release.path(f.ADAPTED_LOCK).read_bytes()
    stray = release.path(f"{f.ADAPTATIONS}/0099-gone.patch")
    stray.write_text("old")
    run(adapt)
    assert release.path(f.ADAPTED_LOCK).read_bytes() == first
    assert not stray.exists()


def test_check_says_whether_anything_curable_is_left(release: f.ReleaseFolder) -> None:
    run(intake, *WAIVE)
    run(scan)
    left = any(x.curable for x in _rescanned(release).findings)
    assert run(adapt, "--check").return_value == (10 if left else 0)
    assert run(adapt).return_value == 0


def _rescanned(release: f.ReleaseFolder) -> FindingsReport:
    run(adapt)
    return read_json(release.path(f.RESCAN), FindingsReport)


def test_adapt_refuses_findings_about_another_package(release: f.ReleaseFolder, tmp_path: Path) -> None:
    with pytest.raises(NothingToDo):
        run(adapt)
    run(intake, *WAIVE)
    run(scan)
    (tmp_path / "vendor.zip").write_bytes(stdlib_zip(**files(), more=b"x"))
    run(intake, *WAIVE)
    with pytest.raises(Stale, match="another package"):
        run(adapt)


@pytest.mark.usefixtures("confined")
def test_the_journal_says_when_the_sandbox_was_waived(release: f.ReleaseFolder) -> None:
    run(intake)
    run(intake, "--unsandboxed")
    events = [e.data["sandboxed"] for e in read_journal(release.path("journal.jsonl")) if e.kind == "intake"]
    assert events == [True, False]


def _slugs(release: f.ReleaseFolder) -> dict[int, str]:
    home = release.path(f.ADAPTATIONS)
    found = [msgspec.toml.decode(p.read_bytes(), type=Adaptation) for p in home.glob("*.toml")]
    return {a.number: a.slug for a in found}


@pytest.fixture
def scanned(release: f.ReleaseFolder) -> f.ReleaseFolder:
    run(intake, *WAIVE)
    run(scan)
    return release


def test_a_reviewer_leaves_out_by_number_and_the_others_keep_theirs(scanned: f.ReleaseFolder) -> None:
    run(adapt)
    whole = _slugs(scanned)
    number = next(n for n, slug in whole.items() if slug == "sudo-assumption")
    said = run(adapt, "--skip", str(number)).output
    assert _slugs(scanned) == {n: slug for n, slug in whole.items() if n != number}
    assert f"left out by choice: {number:04} sudo-assumption" in said
    run(adapt, "--only", f"{number}-{number}")
    assert _slugs(scanned) == {number: "sudo-assumption"}
    run(adapt, "--skip", "secret-in-config")
    assert _slugs(scanned) == {n: slug for n, slug in whole.items() if slug != "secret-in-config"}
    run(adapt)
    assert _slugs(scanned) == whole


@pytest.mark.parametrize("word", ["99", "no-such-rule", "0-0", "-", "1-x"])
def test_a_choice_that_names_nothing_is_refused(scanned: f.ReleaseFolder, word: str) -> None:
    run(adapt)
    before = scanned.path(f.ADAPTED_LOCK).read_bytes()
    with pytest.raises(UsageError, match="neither the number"):
        run(adapt, "--only", word)
    assert scanned.path(f.ADAPTED_LOCK).read_bytes() == before


def test_accept_safe_takes_only_what_is_marked_safe(scanned: f.ReleaseFolder) -> None:
    run(adapt, "--accept-safe")
    found = [msgspec.toml.decode(p.read_bytes(), type=Adaptation) for p in scanned.path(f.ADAPTATIONS).glob("*.toml")]
    assert {a.safety for a in found} <= {"safe"}
    assert "secret-in-config" in {x.rule for x in read_json(scanned.path(f.RESCAN), FindingsReport).findings}


def test_a_cure_that_raises_is_a_finding_and_exit_1(scanned: f.ReleaseFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    from fulldress.scan.rules import sudo_assumption

    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(sudo_assumption, "cure", broken)
    done = run(adapt)
    assert done.return_value == 1 and "boom" in done.output
    left = read_json(scanned.path(f.RESCAN), FindingsReport).findings
    assert {"cure-raised", "sudo-assumption"} <= {x.rule for x in left}
    assert "secret-in-config" in _slugs(scanned).values()
    assert "boom" in scanned.path(f"{f.ADAPTATIONS}/review.md").read_text()


def test_the_adapted_package_as_one_file_holds_what_the_lock_says(scanned: f.ReleaseFolder, tmp_path: Path) -> None:
    from fulldress.intake.unpack import unpack

    target = tmp_path / "out/adapted.zip"
    run(adapt, "--output", str(target))
    lock = read_json(scanned.path(f.ADAPTED_LOCK), PackageLock)
    again = unpack(target, BlobStore(tmp_path / "again"), sandboxed=False)
    assert {e.place: e.sha256 for e in again.entries} == {e.place: e.sha256 for e in lock.entries}
    assert SECRET.encode() not in target.read_bytes()
    vendors = (tmp_path / "vendor.zip").read_bytes()
    with pytest.raises(UsageError, match="vendor's package"):
        run(adapt, "--output", str(tmp_path / "vendor.zip"))
    assert (tmp_path / "vendor.zip").read_bytes() == vendors


def test_the_review_page_and_the_record_of_what_was_packed_anew(scanned: f.ReleaseFolder) -> None:
    run(adapt)
    page = scanned.path(f"{f.ADAPTATIONS}/review.md").read_text()
    assert "### Secrets: referenced, not written down" in page
    assert "-sudo systemctl stop lab" in page and SECRET not in page
    record = json.loads(scanned.path(f"{f.ADAPTATIONS}/repack.json").read_text())
    [deb_] = record["repacked"]
    assert (deb_["place"], deb_["changed"]) == ("packages/lab.deb", ["packages/lab.deb!/opt/lab.properties"])
    assert deb_["identical"] == deb_["members"] - 1


def test_a_declared_intermediate_completes_the_chain_without_any_inventory(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = issue("Vendor Root", ca=True)
    middle = issue("Vendor CA", root, ca=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vendor.zip").write_bytes(stdlib_zip(**{"certs/server.pem": issue("api", middle).pem}))
    assert CliRunner().invoke(new, ["r1", "--package", "vendor.zip"]).exit_code == 0
    monkeypatch.chdir(tmp_path / "r1")
    Path("middle.pem").write_bytes(middle.pem)
    text = Path("release.toml").read_text()
    Path("release.toml").write_text(text.replace("chain = []", 'chain = ["middle.pem"]'))
    run(intake, *WAIVE)
    run(scan)
    run(adapt)
    [patch] = sorted(Path("04-adaptations").glob("*.patch"))
    assert "+++ b/certs/server.chain.pem" in patch.read_text()
    left = {x.rule for x in read_json(Path("04-adaptations/rescan.json"), FindingsReport).findings}
    assert "certificate-chain-incomplete" not in left
    Path("middle.pem").unlink()
    with pytest.raises(UsageError, match="chain names"):
        run(scan)


def test_a_package_that_cures_leave_empty_is_adapted(release: f.ReleaseFolder, tmp_path: Path) -> None:
    (tmp_path / "vendor.zip").write_bytes(stdlib_zip(**{"home/.pgpass": f"db:5432:*:lims:{SECRET}\n".encode()}))
    for command, words in ((intake, WAIVE), (scan, ()), (adapt, ("--check",))):
        run(command, *words)
    assert read_json(release.path(f.ADAPTED_LOCK), PackageLock).entries == ()
