"""``fulldress scan`` and ``fulldress explain`` from the outside: output, files, exit codes."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import msgspec
import pytest

from fulldress.cli.app import cli
from fulldress.cli.main import guarded
from fulldress.model.finding import FindingsReport
from fulldress.scan.sweep import load_rules
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, write_json
from fulldress.store.journal import read_journal
from fulldress.store.state import state_dir


def zipped(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 10, 1, 0, 0, 0)), data)
    return out.getvalue()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    jar = zipped({"bridge.properties": "db.password=geheim1\n"})
    path = tmp_path / "up grade.zip"
    path.write_bytes(zipped({"lib/bridge.jar": jar, "scripts/a.sh": '#!/bin/bash\nset -e\nrm -rf "$OLD"/lib\n'}))
    return path


def run(*args: str) -> int:
    return guarded(lambda: cli.main(list(args), standalone_mode=False))


def test_alone_needs_no_release_folder(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FULLDRESS_STATE", str(tmp_path / "never-made"))
    before = sorted(tmp_path.iterdir())
    assert run("scan", str(package)) == 0
    out = capsys.readouterr()
    assert "up grade.zip!/lib/bridge.jar!/bridge.properties:1" in out.out
    assert "geheim1" not in out.out + out.err
    assert "\x1b" not in out.out
    assert out.err.splitlines()[-1].startswith("next: fulldress new NAME --package ")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github", "junit", "html"])
def test_the_format_never_changes_the_exit_code(package: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("scan", str(package), "--format", form) == 0
    assert run("scan", str(package), "--format", form, "--fail-on", "high") == 10
    assert capsys.readouterr().out


def test_fail_on_looks_at_severity(package: Path, tmp_path: Path) -> None:
    assert run("scan", str(package), "--fail-on", "critical") == 10
    mild = tmp_path / "mild.zip"
    mild.write_bytes(zipped({"manifest.json": '{"reboot": "recommended"}'}))
    assert run("scan", str(mild), "--fail-on", "critical") == 0
    assert run("scan", str(mild), "--fail-on", "low") == 10


def test_a_rule_that_fails_is_a_finding_and_exit_1(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, silent = [rule for rule in load_rules() if not rule.META.needs][:2]
    monkeypatch.setattr(broken, "check", lambda _: 1 / 0)
    monkeypatch.setattr(silent, "LOOKS_FOR", None, raising=False)
    assert run("scan", str(package), "--format", "json", "--fail-on", "critical") == 1
    report = msgspec.json.decode(capsys.readouterr().out, type=FindingsReport)
    failed = [finding for finding in report.findings if finding.rule == "rule-raised"]
    assert sorted(f.excerpt for f in failed) == sorted([broken.META.slug, silent.META.slug])
    assert len(report.findings) > len(failed)


@pytest.mark.parametrize(
    ("name", "said"),
    [("folder", "is a folder"), ("bare.txt", "is no archive: it is a plain text"), ("https://x.example/p.zip", "is a URL")],
)
def test_what_is_no_package_is_refused_with_the_reason(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "bare.txt").write_text("only text\n")
    assert run("scan", name if "://" in name else str(tmp_path / name)) in (1, 2)
    assert said in capsys.readouterr().err


def test_what_nobody_could_look_into_is_a_high_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("zeros", bytes(70 << 20))
        archive.writestr("a.txt", "x")
    assert run("scan", str(bomb), "--fail-on", "high", "--format", "json") == 10
    report = msgspec.json.decode(capsys.readouterr().out, type=FindingsReport)
    assert [(x.severity, x.place) for x in report.findings if x.rule == "uninspected-content"] == [("high", "zeros")]


def test_json_is_a_report(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("scan", str(package), "--format", "json")
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert {"secret-in-config", "unguarded-destruction"} <= {x["rule"] for x in document["findings"]}


def test_sarif_is_json(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("scan", str(package), "--format", "sarif")
    assert json.loads(capsys.readouterr().out)["version"] == "2.1.0"


def test_nothing_inside_is_exit_3(tmp_path: Path) -> None:
    empty = tmp_path / "empty.zip"
    empty.write_bytes(zipped({"folder/": ""}))
    assert run("scan", str(empty)) == 3


def test_not_an_archive_and_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("scan", str(tmp_path / "none.zip")) == 2
    torn = tmp_path / "torn.zip"
    torn.write_bytes(zipped({"a": "x" * 1000})[:-30])
    assert run("scan", str(torn)) == 1
    assert "more: fulldress explain" in capsys.readouterr().err


def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Path) -> f.ReleaseFolder:
    from fulldress.intake.unpack import unpack

    monkeypatch.setenv("FULLDRESS_STATE", str(tmp_path / "state"))
    folder = f.ReleaseFolder(tmp_path / "rel")
    folder.root.mkdir()
    folder.path(f.RELEASE).write_text('name = "r"\n')
    lock = unpack(package, BlobStore(state_dir() / "blobs"))
    write_json(folder.path(f.PACKAGE_LOCK), lock)
    monkeypatch.chdir(folder.root)
    return folder


def test_in_a_release_folder_it_writes_findings_receipt_and_event(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = release(tmp_path, monkeypatch, package)
    assert run("scan") == 0
    report = read_json(folder.path(f.FINDINGS), FindingsReport)
    assert "endpoint-retired" in report.rules_stood_aside
    receipt = folder.receipt("scan")
    assert receipt is not None and f.FINDINGS in receipt.wrote and f.PACKAGE_LOCK in receipt.read
    event = read_journal(folder.path("journal.jsonl"))[-1]
    assert event.kind == "scan" and event.data["findings"] == len(report.findings)
    assert capsys.readouterr().err.splitlines()[-1] == "next: fulldress adapt"


def test_waivers_of_the_folder_count_until_they_end(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = release(tmp_path, monkeypatch, package)
    run("scan")
    worst = read_json(folder.path(f.FINDINGS), FindingsReport).findings[0]
    entry = '[[waiver]]\nfingerprint = "{}"\nreason = "known"\nowner = "E. M."\nsecond = "M. M."\nexpires = {}\n'
    folder.path(f.WAIVERS).write_text(entry.format(worst.fingerprint, "2999-01-01"))
    assert run("scan", "--fail-on", "critical") == 0
    assert "waived:" in capsys.readouterr().out
    folder.path(f.WAIVERS).write_text(entry.format(worst.fingerprint, "2020-01-01"))
    assert run("scan", "--fail-on", "critical") == 10
    assert "waiver ended:" in capsys.readouterr().out


def test_output_is_written_whole_and_nothing_goes_to_stdout(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out/report.html"
    assert run("scan", str(package), "--format", "html", "--output", str(target)) == 0
    assert capsys.readouterr().out == ""
    assert target.read_text().startswith("<!doctype html>") and "geheim1" not in target.read_text()
    assert [p.name for p in target.parent.iterdir()] == ["report.html"]


def test_output_never_writes_over_the_package(package: Path, tmp_path: Path) -> None:
    before = package.read_bytes()
    (tmp_path / "link.json").symlink_to(package)
    assert run("scan", str(package), "--format", "json", "--output", str(package)) == 2
    assert run("scan", str(package), "--format", "json", "--output", str(tmp_path / "link.json")) == 2
    assert package.read_bytes() == before


def test_diff_shows_what_the_cure_would_change(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("scan", str(package), "--diff") == 0
    assert '-rm -rf "$OLD"/lib' in capsys.readouterr().out


def test_only_what_is_new_since_the_previous_package_counts(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("scan", str(package), "--baseline", str(package), "--fail-on", "info") == 0
    assert "only what is new since up grade.zip" in capsys.readouterr().out
    later = tmp_path / "later.zip"
    later.write_bytes(zipped({"v2/a.sh": '#!/bin/bash\nset -e\nrm -rf "$OLD"/lib\nrm -rf "$NEW"/lib\n'}))
    assert run("scan", str(later), "--baseline", str(package), "--format", "json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [x["line"] for x in report["findings"] if x["rule"] == "unguarded-destruction"] == [4]
    assert report["baseline"]["known"] >= 1


def test_a_baseline_may_be_findings_a_lock_or_a_release_folder(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = release(tmp_path, monkeypatch, package)
    run("scan")
    for known in (folder.path(f.FINDINGS), folder.path(f.PACKAGE_LOCK), folder.root):
        assert run("scan", str(package), "--baseline", str(known), "--fail-on", "high") in (0, 10)
        assert "were there before" in capsys.readouterr().out
    assert run("scan", str(package), "--baseline", str(folder.path(f.FINDINGS)), "--fail-on", "critical") == 0
    nonsense = tmp_path / "x.json"
    nonsense.write_text("{}")
    assert run("scan", str(package), "--baseline", str(nonsense)) == 2


def test_a_rule_that_failed_is_exit_1_and_the_others_went_on(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fulldress.scan.rules import sudo_assumption

    def broken(context: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(sudo_assumption, "check", broken)
    assert run("scan", str(package), "--all") == 1
    out = capsys.readouterr().out
    assert "sudo-assumption failed: RuntimeError: boom" in out and "bridge.properties" in out


def test_a_waiver_that_matches_nothing_is_said(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waivers = tmp_path / "w.toml"
    waivers.write_text('[[waiver]]\nfingerprint = "00"\nreason = "r"\nowner = "E. M."\nexpires = 2999-01-01\n')
    assert run("scan", str(package), "--waivers", str(waivers)) == 0
    assert "waiver without effect: 00: nothing matches it any more" in capsys.readouterr().out


def test_without_intake_there_is_nothing_to_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "release.toml").write_text('name = "r"\n')
    monkeypatch.chdir(tmp_path)
    assert run("scan") == 3


@pytest.mark.parametrize(
    "slug",
    [rule.META.slug for rule in load_rules()]
    + [
        "stale",
        "package-refused",
        "usage",
        "rule-raised",
        "cure-raised",
        "shellcheck/SC2115",
        "zip-truncated",
        "blob-corrupt",
    ],
)
def test_explain(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", slug) == 0
    assert capsys.readouterr().out.startswith(f"# {slug}\n")


def test_explain_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "endpoint-retird") == 2
    assert "did you mean endpoint-retired" in capsys.readouterr().err
    assert run("explain", "zzzzqqq") == 2
    assert "--list" in capsys.readouterr().err


def test_explain_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "--list") == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line}
    assert {"endpoint-retired", "stale", "rule-raised"} <= listed
