"""``fulldress trust`` and ``fulldress vendor`` in a release folder: from an unexpected key to two people's decision."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.intake.poison import stdlib_zip
from tests.intake.signing import Key
from tests.intake.test_channels import advisory

from fulldress.adapters import sandbox
from fulldress.adapters.https import ChannelRefused
from fulldress.cli.commands.intake import command as intake
from fulldress.cli.commands.new import command as new
from fulldress.cli.commands.scan import command as scan
from fulldress.cli.commands.trust import command as trust
from fulldress.cli.commands.vendor import command as vendor
from fulldress.errors import NothingToDo, Stale, UsageError
from fulldress.intake.accept import CannotBeAccepted
from fulldress.intake.vendor import VendorRecordNotApproved
from fulldress.model.advisory import AdvisoryReport, ChannelReport
from fulldress.model.finding import FindingsReport
from fulldress.model.package import Acceptance, TrustReport
from fulldress.model.vendor import Dossier, Escalation
from fulldress.run.gate import PackageNotAccepted, require_trusted
from fulldress.status import status
from fulldress.store import folder as f
from fulldress.store.codec import read_json, read_toml

WAIVE = () if sandbox.missing() == "" else ("--no-sandbox",)


@pytest.fixture(scope="module")
def old() -> Key:
    return Key("Old <old@vendor.example>")


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


def run(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False, standalone_mode=False)  # type: ignore[arg-type]


def package(key: Key, old: Key | None = None) -> bytes:
    """A package signed by ``key``; with ``old``, the old key vouches for it."""
    files = {"bin/tool": b"tool", "key.asc": key.public, "lib/thing-1.0.jar": stdlib_zip(a=b"x")}
    if old is not None:
        files |= {"old.asc": old.public, "key.asc.asc": old.detached(key.public), "old.asc.asc": key.detached(old.public)}
    sums = "".join(f"{hashlib.sha256(d).hexdigest()}  {n}\n" for n, d in files.items()).encode()
    return stdlib_zip(**files, SHA256SUMS=sums, **{"SHA256SUMS.asc": key.detached(sums)})


def record(old: Key) -> str:
    return (
        'name = "Vendor"\nproducts = ["thing"]\ncontact = "Ms A, +00 1"\n\n'
        f'[[pin]]\nfingerprint = "{old.fingerprint}"\n\n'
        '[[channel]]\nname = "usb"\nkind = "folder"\nurl = "channels"\ngroup = "usb"\n'
    )


def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, old: Key) -> f.ReleaseFolder:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vendor.zip").write_bytes(data)
    assert run(new, "r1", "--package", "vendor.zip").exit_code == 0
    monkeypatch.chdir(tmp_path / "r1")
    Path("vendor.toml").write_text(record(old))
    run(vendor, "propose", "--by", "Erika", "--reason", "contract")
    run(vendor, "approve", "--by", "Max")
    run(intake, *WAIVE)
    return f.ReleaseFolder(tmp_path / "r1")


@pytest.fixture
def release(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, key: Key, old: Key) -> f.ReleaseFolder:
    return made(tmp_path, monkeypatch, package(key), old)


@pytest.fixture
def rotated(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, key: Key, old: Key) -> f.ReleaseFolder:
    return made(tmp_path, monkeypatch, package(key, old), old)


def test_show_says_whether_the_record_is_in_force(release: f.ReleaseFolder) -> None:
    said = run(vendor).output
    assert "in force: two people agreed" in said
    Path("vendor.toml").write_text(Path("vendor.toml").read_text() + "# x\n")
    said = run(vendor, "show").output
    assert "NOT IN FORCE: nobody proposed it" in said
    assert "\n+# x\n" in said


def test_explain_says_the_verdict_and_what_to_do(release: f.ReleaseFolder) -> None:
    said = run(trust).output
    assert "trust: unknown-key" in said
    assert "Ms A, +00 1" in said
    assert "next: fulldress trust escalate" in said
    assert json.loads(run(trust, "explain", "--format", "json").stdout)["verdict"] == "unknown-key"


def test_from_the_question_to_the_acceptance(release: f.ReleaseFolder, key: Key) -> None:
    said = run(trust, "escalate", "--by", "Erika").output
    assert "ask Ms A, +00 1" in said
    assert release.path("01-package/escalation.md").is_file()
    assert release.path("01-package/escalation.ics").read_bytes().startswith(b"BEGIN:VCALENDAR\r\n")
    run(trust, "answer", "--by", "Erika", "--asked", "Ms A", "--outcome", "confirmed", "--why", "expired",
        "--fingerprint", key.fingerprint.upper())  # fmt: skip
    with pytest.raises(PackageNotAccepted):
        require_trusted(release)
    assert "another person is needed" in run(trust, "accept", "--by", "Erika", "--reason", "called").output
    with pytest.raises(PackageNotAccepted):
        require_trusted(release)
    with pytest.raises(UsageError, match="has accepted it already"):
        run(trust, "accept", "--by", "erika", "--reason", "again")
    assert "and nothing else" in run(trust, "accept", "--by", "Max", "--reason", "listened").output
    require_trusted(release)
    assert read_toml(release.path(f.ACCEPTANCE), Acceptance).by == ("Erika", "Max")
    assert "accepted by" in run(trust).output


def test_nobody_is_asked_twice_and_nobody_answers_before(release: f.ReleaseFolder) -> None:
    with pytest.raises(NothingToDo, match="nobody was asked"):
        run(trust, "answer", "--by", "E", "--outcome", "no-answer")
    run(trust, "escalate", "--by", "Erika", "--due", "2999-01-01T00:00")
    with pytest.raises(UsageError, match="Erika asked about this package already"):
        run(trust, "escalate", "--by", "Max")
    assert read_json(release.path(f.ESCALATION), Escalation).due == "2999-01-01T00:00:00Z"


def test_status_reminds_and_says_overdue(release: f.ReleaseFolder) -> None:
    run(trust, "escalate", "--by", "Erika")
    [reminder] = status(release).reminders
    assert "is due" in reminder
    [reminder] = status(release, datetime(2999, 1, 1, tzinfo=UTC)).reminders
    assert "OVERDUE since" in reminder
    run(trust, "answer", "--by", "E", "--outcome", "no-answer")
    assert status(release).reminders == ()


def test_after_a_compromise_the_chain_is_void_and_the_verdict_falls(rotated: f.ReleaseFolder, key: Key) -> None:
    assert read_json(rotated.path(f.TRUST), TrustReport).verdict == "rotated-by-chain"
    run(trust, "escalate", "--by", "Erika")
    said = run(trust, "answer", "--by", "Erika", "--asked", "Ms A", "--outcome", "confirmed", "--why", "compromised",
               "--fingerprint", key.fingerprint).output  # fmt: skip
    assert "the word of 1 keys on record is void" in said
    report = read_json(rotated.path(f.TRUST), TrustReport)
    assert report.verdict == "unknown-key"
    assert "rotated-by-chain" not in {s.verdict for s in report.signatures}
    assert {row.stage: row.state for row in status(rotated).stages}["intake"] == "done"
    run(intake, *WAIVE)
    assert read_json(rotated.path(f.TRUST), TrustReport).verdict == "unknown-key"


def test_a_package_signed_by_the_compromised_key_itself_cannot_be_accepted(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, old: Key
) -> None:
    folder = made(tmp_path, monkeypatch, package(old), old)
    assert read_json(folder.path(f.TRUST), TrustReport).verdict == "pinned-ok"
    run(trust, "escalate", "--by", "Erika")
    run(trust, "answer", "--by", "Erika", "--asked", "Ms A", "--outcome", "confirmed", "--why", "compromised",
        "--fingerprint", old.fingerprint)  # fmt: skip
    assert read_json(folder.path(f.TRUST), TrustReport).verdict == "revoked-or-weak"
    with pytest.raises(CannotBeAccepted):
        run(trust, "accept", "--by", "Erika", "--reason", "all the same")


def test_a_denied_package_cannot_be_accepted(release: f.ReleaseFolder) -> None:
    run(trust, "escalate", "--by", "Erika")
    assert "do not run" in run(trust, "answer", "--by", "Erika", "--asked", "Ms A", "--outcome", "denied").output
    with pytest.raises(CannotBeAccepted, match="not theirs"):
        run(trust, "accept", "--by", "Erika", "--reason", "x")


def test_channels_are_read_matched_and_come_out_in_dossier_and_scan(
    release: f.ReleaseFolder, key: Key, tmp_path: Path
) -> None:
    affected = advisory(
        "V-1",
        product_tree={
            "full_product_names": [
                {"name": "t", "product_id": "P", "product_identification_helper": {"purl": "pkg:maven/thing@1.0"}}
            ]
        },
        vulnerabilities=[{"cve": "CVE-2026-0001", "product_status": {"known_affected": ["P"]}}],
    )
    Path("channels").mkdir()
    Path("channels/v-1.json").write_bytes(affected)
    Path("channels/news.txt").write_text(f"2026-01-02 The new key is {key.fingerprint}.\n")
    said = run(vendor, "fetch", "--offline").output
    assert "CVE-2026-0001" in said
    report = read_json(release.path(f.ADVISORIES), AdvisoryReport)
    assert [(m.component, m.status, m.place) for m in report.matches] == [("thing", "affected", "lib/thing-1.0.jar")]
    again = json.loads(CliRunner().invoke(vendor, ["match", "--format", "json"], standalone_mode=False).stdout)
    assert again["package_sha256"] == report.package_sha256
    assert "first on 2026-01-02" in run(trust, "dossier", "--second", str(tmp_path / "vendor.zip")).output
    states = {i.question: i.state for i in read_json(release.path(f.KEY_CHANGE), Dossier).items}
    assert states["Was the change announced before the package arrived?"] == "yes"
    assert states["Is it the same package over a second path?"] == "yes"
    assert release.path("01-package/key-change.md").read_text().startswith("# Key change: vendor.zip")
    run(scan)
    rules = {x.rule for x in read_json(release.path(f.FINDINGS), FindingsReport).findings}
    assert {"advisory-affects-package", "advisory-names-signing-key"} <= rules


def test_fetch_needs_a_record_and_channels(release: f.ReleaseFolder) -> None:
    with pytest.raises(UsageError, match="no channel nonsense"):
        run(vendor, "fetch", "--channel", "nonsense")
    Path("vendor.toml").unlink()
    Path("vendor.approvals.jsonl").unlink()
    with pytest.raises(UsageError, match="no vendor record"):
        run(vendor, "fetch")


def test_a_channel_that_is_not_asked_again_keeps_what_it_said(release: f.ReleaseFolder) -> None:
    text = Path("vendor.toml").read_text()
    Path("vendor.toml").write_text(text + '[[channel]]\nname = "cd"\nkind = "folder"\nurl = "cd"\ngroup = "cd"\n')
    run(vendor, "propose", "--by", "Erika", "--reason", "one more channel")
    run(vendor, "approve", "--by", "Max")
    for name in ("channels", "cd"):
        Path(name).mkdir()
        Path(name, "v-1.json").write_bytes(advisory())
    run(vendor, "fetch", "--offline")
    Path("cd/v-1.json").unlink()
    assert "usb" not in run(vendor, "fetch", "--channel", "cd").output
    report = read_json(release.path(f.CHANNELS), ChannelReport)
    assert [(c.name, c.documents) for c in report.channels] == [("usb", 1), ("cd", 0)]
    assert [d.channel for d in report.documents] == ["usb"]


def test_channels_can_be_read_before_the_package_comes(release: f.ReleaseFolder) -> None:
    release.path(f.PACKAGE_LOCK).unlink()
    Path("channels").mkdir()
    assert "then fulldress vendor match" in run(vendor, "fetch").output
    with pytest.raises(NothingToDo, match="no package to compare"):
        run(vendor, "match")


def test_check_looks_at_files_and_folders_offline(tmp_path: Path, state: Path) -> None:
    (tmp_path / "v-1.json").write_bytes(advisory())
    done = CliRunner().invoke(vendor, ["check", str(tmp_path / "v-1.json")])
    assert (done.exit_code, "1 documents, 0 with something wrong" in done.output) == (0, True)
    (tmp_path / "broken.json").write_bytes(b"{")
    done = CliRunner().invoke(vendor, ["check", str(tmp_path)])
    assert done.exit_code == 10
    assert "2 documents, 1 with something wrong" in done.output
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToDo):
        run(vendor, "check", str(tmp_path / "empty"))


def test_a_record_that_nobody_agreed_on_stops_every_part_of_trust(release: f.ReleaseFolder) -> None:
    Path("vendor.toml").write_text(Path("vendor.toml").read_text() + "# x\n")
    for words in ((), ("escalate", "--by", "E"), ("accept", "--by", "E", "--reason", "x"), ("dossier",)):
        with pytest.raises(VendorRecordNotApproved):
            run(trust, *words)


def test_a_new_pin_counts_as_soon_as_two_people_agreed_on_it(release: f.ReleaseFolder, key: Key) -> None:
    text = Path("vendor.toml").read_text()
    Path("vendor.toml").write_text(f'{text}\n[[pin]]\nfingerprint = "{key.fingerprint}"\n')
    run(vendor, "propose", "--by", "Erika", "--reason", "read aloud")
    run(vendor, "approve", "--by", "Max")
    said = run(trust).output
    assert "judged anew: vendor.approvals.jsonl, vendor.toml changed since" in said
    assert "trust: pinned-ok" in said
    assert "judged anew" not in run(trust).output


def test_a_verdict_that_was_written_by_hand_is_judged_anew(release: f.ReleaseFolder) -> None:
    path = release.path(f.TRUST)
    path.write_text(path.read_text().replace("unknown-key", "pinned-ok"))
    assert "trust: unknown-key" in run(trust).output
    lock = release.path(f.PACKAGE_LOCK)
    lock.write_text(lock.read_text().replace("bin/tool", "bin/fool"))
    with pytest.raises(Stale, match="was changed since"):
        run(trust)


def test_a_list_next_to_the_package_counts_and_again_when_judged_anew(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, old: Key
) -> None:
    data = stdlib_zip(**{"bin/tool": b"tool", "old.asc": old.public})
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "given.zip").write_bytes(data)
    sums = f"{hashlib.sha256(data).hexdigest()}  given.zip\n".encode()
    (tmp_path / "drop" / "SHA256SUMS").write_bytes(sums)
    (tmp_path / "drop" / "SHA256SUMS.asc").write_bytes(old.detached(sums))
    folder = made(tmp_path, monkeypatch, data, old)
    assert read_json(folder.path(f.TRUST), TrustReport).verdict == "unsigned"
    run(intake, "--package", str(tmp_path / "drop" / "given.zip"), *WAIVE)
    assert read_json(folder.path(f.TRUST), TrustReport).verdict == "pinned-ok"
    Path("vendor.toml").write_text(Path("vendor.toml").read_text() + "# x\n")
    run(vendor, "propose", "--by", "Erika", "--reason", "a note")
    run(vendor, "approve", "--by", "Max")
    assert "trust: pinned-ok" in run(trust).output


def test_what_was_asked_about_another_package_reminds_of_nothing(release: f.ReleaseFolder, key: Key) -> None:
    run(trust, "escalate", "--by", "Erika")
    Path("../vendor.zip").write_bytes(stdlib_zip(other=b"x"))
    run(intake, *WAIVE)
    assert status(release).reminders == ()


def test_a_fetch_that_heard_nothing_at_all_fails(release: f.ReleaseFolder) -> None:
    with pytest.raises(ChannelRefused, match="the channel usb could not be read"):
        run(vendor, "fetch")
    assert read_json(release.path(f.CHANNELS), ChannelReport).channels[0].errors


def test_a_denial_after_two_people_accepted_takes_it_back(release: f.ReleaseFolder) -> None:
    run(trust, "escalate", "--by", "Erika")
    run(trust, "accept", "--by", "Erika", "--reason", "in a hurry")
    run(trust, "accept", "--by", "Max", "--reason", "in a hurry too")
    require_trusted(release)
    run(scan)
    rules = {x.rule for x in read_json(release.path(f.FINDINGS), FindingsReport).findings}
    assert "signature-verdict" not in rules
    run(trust, "answer", "--by", "Erika", "--asked", "Ms A", "--outcome", "denied")
    with pytest.raises(PackageNotAccepted, match="not theirs"):
        require_trusted(release)
    assert "VOID" in run(trust).output
    run(scan)
    rules = {x.rule for x in read_json(release.path(f.FINDINGS), FindingsReport).findings}
    assert "signature-verdict" in rules


def test_a_denial_stops_a_package_of_a_pinned_key_too(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, old: Key
) -> None:
    folder = made(tmp_path, monkeypatch, package(old), old)
    require_trusted(folder)
    run(trust, "escalate", "--by", "Erika")
    run(trust, "answer", "--by", "Erika", "--asked", "Ms A", "--outcome", "denied")
    with pytest.raises(PackageNotAccepted, match="may not be run"):
        require_trusted(folder)


def test_a_verdict_that_was_written_by_hand_runs_nothing(release: f.ReleaseFolder) -> None:
    path = release.path(f.TRUST)
    path.write_text(path.read_text().replace("unknown-key", "pinned-ok"))
    with pytest.raises(Stale, match="is not what was written"):
        require_trusted(release)


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "20260131", "31.1.2026"])
def test_since_is_a_day_or_an_error(release: f.ReleaseFolder, day: str) -> None:
    with pytest.raises(UsageError, match="is no day"):
        run(vendor, "fetch", "--offline", "--since", day)


def test_a_file_without_a_key_is_no_key_for_the_dossier(release: f.ReleaseFolder) -> None:
    with pytest.raises(UsageError, match="holds no OpenPGP public key"):
        run(trust, "dossier", "--key", "vendor.toml")
