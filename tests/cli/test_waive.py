"""``fulldress waive``: an entry in waivers.toml, beside what people wrote there."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path

import pytest

from fulldress.cli.app import cli
from fulldress.cli.main import guarded
from fulldress.formats import localtime
from fulldress.intake.unpack import unpack
from fulldress.model.finding import Finding, FindingsReport
from fulldress.scan.waivers import Waiver, read_waivers, with_waiver
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json, write_json
from fulldress.store.journal import read_journal
from fulldress.store.state import state_dir

SIGNED = ("--reason", "known", "--owner", "E. M.", "--until", "2999-12-31")


def run(*args: str) -> int:
    return guarded(lambda: cli.main(list(args), standalone_mode=False))


@pytest.fixture
def release(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> f.ReleaseFolder:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.sh", '#!/bin/bash\nset -e\nrm -rf "$OLD"/lib\nsudo ls\n')
        archive.writestr("a.ini", "db.password=geheim1\n")
    (tmp_path / "p.zip").write_bytes(out.getvalue())
    folder = f.ReleaseFolder(tmp_path / "rel")
    folder.root.mkdir()
    folder.path(f.RELEASE).write_text('name = "r"\n')
    write_json(folder.path(f.PACKAGE_LOCK), unpack(tmp_path / "p.zip", BlobStore(state_dir() / "blobs"), sandboxed=False))
    monkeypatch.chdir(folder.root)
    assert run("scan") == 0
    return folder


def finding(release: f.ReleaseFolder, severity: str) -> Finding:
    return next(x for x in read_json(release.path(f.FINDINGS), FindingsReport).findings if x.severity == severity)


def test_a_waived_finding_is_gone_and_the_journal_says_who(
    release: f.ReleaseFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    print_ = finding(release, "high").fingerprint
    assert run("waive", print_[:8], *SIGNED) == 0
    assert run("scan") == 0
    report = read_json(release.path(f.FINDINGS), FindingsReport)
    assert print_ in report.waived and print_ not in {x.fingerprint for x in report.findings}
    [event] = [e for e in read_journal(release.path("journal.jsonl")) if e.kind == "waive"]
    assert (event.data["owner"], event.data["fingerprint"]) == ("E. M.", print_)


def test_what_people_wrote_stays(release: f.ReleaseFolder) -> None:
    theirs = (
        '# Ours, keep!\n[[waiver]]  # why: see OPS-1\nfingerprint = "aa"\nreason = "r"\nowner = "o"\nexpires = 2030-01-01'
    )
    release.path(f.WAIVERS).write_text(theirs)
    assert run("waive", finding(release, "high").fingerprint, *SIGNED) == 0
    text = release.path(f.WAIVERS).read_text()
    assert text.startswith(theirs)
    assert len(read_waivers(release.path(f.WAIVERS), date(2026, 1, 1)).active) == 2


def test_a_critical_finding_needs_two_different_people(release: f.ReleaseFolder, capsys: pytest.CaptureFixture[str]) -> None:
    print_ = finding(release, "critical").fingerprint
    assert run("waive", print_, *SIGNED) == 2
    assert run("waive", print_, *SIGNED, "--second", " e. m. ") == 2
    assert "two different people" in capsys.readouterr().err
    assert run("waive", print_, *SIGNED, "--second", "M. M.") == 0
    run("scan")
    assert print_ in read_json(release.path(f.FINDINGS), FindingsReport).waived


def test_one_persons_waiver_of_a_critical_finding_has_no_effect_and_is_said(
    release: f.ReleaseFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    print_ = finding(release, "critical").fingerprint
    alone = Waiver(fingerprint=print_, reason="r", owner="o", expires=date(2999, 1, 1))
    release.path(f.WAIVERS).write_text(with_waiver("", alone, "t"))
    assert run("scan", "--fail-on", "critical") == 10
    assert "a critical finding needs two people" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("ffffffff", *SIGNED), "no findings have a fingerprint"),
        (("d", *SIGNED), "at least 6 digits"),
        (("{}", "--reason", " ", *SIGNED[2:]), "--reason is empty"),
        (("{}", *SIGNED[:4], "--until", "2020-01-01"), "in the past"),
        (("{}", *SIGNED[:4], "--until", "soon"), "does not match"),
    ],
)
def test_what_cannot_be_waived_is_refused(
    release: f.ReleaseFolder, wrong: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [a.format(finding(release, "high").fingerprint) for a in wrong]
    assert run("waive", *arguments) == 2
    assert said in capsys.readouterr().err
    assert not release.path(f.WAIVERS).exists()


def test_twice_is_refused(release: f.ReleaseFolder) -> None:
    print_ = finding(release, "high").fingerprint
    assert run("waive", print_, *SIGNED) == 0
    before = release.path(f.WAIVERS).read_bytes()
    assert run("waive", print_, *SIGNED) == 2
    run("scan")
    assert run("waive", print_, *SIGNED) == 2
    assert release.path(f.WAIVERS).read_bytes() == before


def test_a_hostile_title_does_not_leave_its_comment() -> None:
    waiver = Waiver(fingerprint="aa", reason='"\n[x]', owner="o", expires=date(2030, 1, 1))
    text = with_waiver("", waiver, 'a\n[[waiver]]\nfingerprint = "bb"')
    assert text.count("\n[[waiver]]") == 0 and text.startswith("[[waiver]]\n# a [[waiver]] fingerprint")


def test_an_ended_waiver_that_was_renewed_is_not_said(release: f.ReleaseFolder, capsys: pytest.CaptureFixture[str]) -> None:
    print_ = finding(release, "high").fingerprint
    old = Waiver(fingerprint=print_, reason="r", owner="o", expires=date(2020, 1, 1))
    release.path(f.WAIVERS).write_text(with_waiver("", old, "t"))
    run("scan")
    assert "waiver ended" in capsys.readouterr().out
    assert run("waive", print_, *SIGNED) == 0
    run("scan")
    assert "waiver ended" not in capsys.readouterr().out


def test_a_window_at_a_time_that_does_not_exist_stops_the_scan(
    release: f.ReleaseFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    release.path(f.RELEASE).write_text(
        'name = "r"\n[estate]\ntimezone = "Europe/Berlin"\n[window]\nstart = "2026-03-29T02:30"\n'
    )
    assert run("scan") == 2
    told = capsys.readouterr().err
    assert "2026-03-29T02:30 does not exist in Europe/Berlin" in told and "from 2026-03-29T03:00 on" in told


def test_a_waiver_counts_by_the_estates_day(release: f.ReleaseFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 23:00 UTC of the second it is already the third on Samoa."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls(2026, 7, 2, 23, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(localtime, "datetime", Clock)
    last = ("--reason", "known", "--owner", "E. M.", "--until", "2026-07-02")
    release.path(f.RELEASE).write_text('name = "r"\n[estate]\ntimezone = "Pacific/Apia"\n')
    assert run("waive", finding(release, "high").fingerprint, *last) == 2
    release.path(f.RELEASE).write_text('name = "r"\n[estate]\ntimezone = "America/New_York"\n')
    assert run("waive", finding(release, "high").fingerprint, *last) == 0
