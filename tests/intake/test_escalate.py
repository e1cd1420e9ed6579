"""Asking the recorded contact, and what the answers mean; two people accept one digest."""

from __future__ import annotations

import base64
import hashlib
import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from fulldress.errors import NothingToDo, UsageError
from fulldress.intake.accept import CannotBeAccepted, accept, toml
from fulldress.intake.escalate import answered, deadline, open_case, overdue, written
from fulldress.model.package import Acceptance, Signature, TrustReport, VendorPin, VendorRecord, Verdict
from fulldress.model.vendor import Escalation

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD, NEW = "aa" * 20, "bb" * 20
RECORD = VendorRecord(name="Vendor", contact="Ms A, +00 1", contact_recorded="2024", pin=(VendorPin(fingerprint=OLD),))


def report(verdict: Verdict = "unknown-key") -> TrustReport:
    signature = Signature(format="openpgp", place="S.asc", covers="S", verdict=verdict, signer="V", fingerprint=NEW.upper())
    return TrustReport(package_sha256="0" * 64, verdict=verdict, explanation="e", next_action="n", signatures=(signature,))


def case() -> Escalation:
    return open_case(report(), RECORD, "Erika", NOW, None)


def said(**more: Any) -> Escalation:
    words: dict[str, Any] = {
        "by": "Erika",
        "asked": "Ms A",
        "outcome": "confirmed",
        "reason": "planned",
        "fingerprint": NEW,
        "text": "",
        "now": NOW,
    }
    return answered(case(), **{**words, **more})


def test_the_contact_comes_from_the_record_alone() -> None:
    assert case().contact == "Ms A, +00 1"
    with pytest.raises(UsageError, match="names no contact"):
        open_case(report(), msgspec.structs.replace(RECORD, contact=" "), "Erika", NOW, None)


def test_the_letter_asks_everything_and_gives_the_fingerprint_away_nowhere() -> None:
    letter = written(case(), "vendor.zip", RECORD).letter
    for words in (
        "fingerprint",
        "When did the key change, and why",
        "compromised",
        "Which releases",
        "revocation",
        "announced",
    ):
        assert words in letter
    assert NEW not in letter.lower()
    assert "Ms A, +00 1" in letter


def test_hostile_names_stay_on_their_line() -> None:
    texts = written(case(), "x\r\nBEGIN:VALARM\x1b[2J.zip", RECORD)
    assert "\x1b" not in texts.letter + texts.calendar
    assert texts.calendar.count("BEGIN:VALARM\r\n") == 1


def test_the_calendar_keeps_the_limits_of_its_format() -> None:
    calendar = written(case(), "päckage," * 30, RECORD).calendar
    assert calendar.endswith("END:VCALENDAR\r\n")
    assert max(len(line.encode()) for line in calendar.split("\r\n")) <= 75
    assert "DTSTART:20261123T120000Z" in calendar


@pytest.mark.parametrize(
    ("window", "expected"),
    [(None, timedelta(days=3)), (timedelta(days=9), timedelta(days=7)), (timedelta(hours=20), timedelta(hours=10))],
)
def test_the_deadline_lies_before_the_window(window: timedelta | None, expected: timedelta) -> None:
    assert deadline(NOW, NOW + window if window else None) == NOW + expected


def test_a_deadline_that_has_passed_is_refused() -> None:
    with pytest.raises(UsageError, match="has passed"):
        open_case(report(), RECORD, "Erika", NOW, None, NOW - timedelta(hours=1))


def test_it_is_overdue_until_somebody_answers() -> None:
    later = NOW + timedelta(days=4)
    assert not overdue(case(), NOW)
    assert overdue(case(), later)
    assert not overdue(said(), later)


def test_the_fingerprint_read_aloud_is_compared() -> None:
    blocks = " ".join(NEW.upper()[i : i + 4] for i in range(0, 40, 4))
    assert said(fingerprint=blocks).answers[0].matches
    other = said(fingerprint="cc" * 20)
    assert not other.answers[0].matches
    assert "is not the one" in other.refused


@pytest.mark.parametrize(
    ("more", "why"),
    [({"fingerprint": ""}, "is missing"), ({"reason": "unknown"}, "why the key changed"), ({"asked": ""}, "who answered")],
)
def test_a_yes_needs_its_substance(more: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        said(**more)


def test_after_a_compromise_the_keys_on_record_are_void() -> None:
    assert said(reason="compromised").compromised == {OLD}
    assert said(reason="expired").compromised == frozenset()


# ---- acceptance


def both(trust: TrustReport, asked: Escalation | None = None) -> Acceptance:
    one = accept(trust, None, asked, "Erika Muster", "I called", NOW)
    return accept(trust, one, asked, "Max Muster", "I read it", NOW)


def test_two_people_accept_one_digest() -> None:
    one = accept(report(), None, None, "Erika Muster", "I called", NOW)
    assert not one.covers(report())
    assert both(report()).covers(report())


@pytest.mark.parametrize("same", ["Erika Muster", " erika  muster", "ERIKA MUSTER"])
def test_the_same_person_twice_is_refused(same: str) -> None:
    one = accept(report(), None, None, "Erika Muster", "I called", NOW)
    with pytest.raises(UsageError, match="has accepted it already"):
        accept(report(), one, None, same, "again", NOW)


@pytest.mark.parametrize("verdict", ["bad", "revoked-or-weak"])
def test_what_is_altered_or_revoked_cannot_be_accepted(verdict: Verdict) -> None:
    with pytest.raises(CannotBeAccepted):
        accept(report(verdict), None, None, "Erika", "x", NOW)


def test_what_the_vendor_denies_cannot_be_accepted() -> None:
    with pytest.raises(CannotBeAccepted, match="not theirs"):
        accept(report(), None, said(outcome="denied"), "Erika", "x", NOW)
    with pytest.raises(CannotBeAccepted, match="is not the one"):
        accept(report(), None, said(fingerprint="cc" * 20), "Erika", "x", NOW)


def test_a_pinned_key_needs_no_acceptance() -> None:
    with pytest.raises(NothingToDo):
        accept(report("pinned-ok"), None, None, "Erika", "x", NOW)


def test_an_acceptance_of_another_package_does_not_count() -> None:
    other = msgspec.structs.replace(both(report()), package_sha256="1" * 64)
    assert accept(report(), other, None, "Eva", "x", NOW).by == ("Eva",)


def test_the_file_says_the_same_when_it_is_read_again() -> None:
    made = accept(report(), None, None, 'E "x" \\ \x1b\n', 'said: "yes"\nand more', NOW)
    assert msgspec.convert(tomllib.loads(toml(made)), Acceptance) == made


@pytest.mark.parametrize("slip", ["AS READ ALOUD", "4a1b 22", "zz" * 20])
def test_what_is_no_whole_fingerprint_is_not_recorded_as_an_answer(slip: str) -> None:
    with pytest.raises(UsageError, match="no whole fingerprint"):
        said(fingerprint=slip)


def bare() -> Escalation:
    unsigned = TrustReport(package_sha256="0" * 64, verdict="unsigned", explanation="e", next_action="n")
    return open_case(unsigned, RECORD, "Erika", NOW, None)


def test_a_yes_about_an_unsigned_package_needs_its_digest_read_aloud() -> None:
    words: dict[str, Any] = {"by": "E", "asked": "A", "outcome": "confirmed", "reason": "unknown", "text": "", "now": NOW}
    with pytest.raises(UsageError, match="SHA-256 that was read aloud is missing"):
        answered(bare(), fingerprint="", **words)
    with pytest.raises(UsageError, match="no whole SHA-256"):
        answered(bare(), fingerprint="", sha256="00 00", **words)
    good = answered(bare(), fingerprint="", sha256="0000 " * 16, **words)
    assert (good.refused, good.answers[0].digest) == ("", "0" * 64)
    assert "--sha256" in written(bare(), "p.zip", RECORD).letter
    assert "--fingerprint" not in written(bare(), "p.zip", RECORD).letter


def test_another_digest_read_aloud_refuses_whatever_the_key() -> None:
    assert "is not that of this package" in said(sha256="1" * 64).refused
    assert said(sha256="0" * 64).refused == ""


def test_a_pinned_minisign_key_written_in_full_is_void_after_a_compromise() -> None:
    key = base64.b64encode(b"Ed" + b"12345678" + b"k" * 32).decode()
    record = msgspec.structs.replace(RECORD, pin=(VendorPin(fingerprint=key, kind="minisign"),))
    asked = open_case(report(), record, "Erika", NOW, None)
    assert asked.pinned == (hashlib.sha256(b"k" * 32).hexdigest(),)


def test_two_spellings_of_one_name_in_the_file_are_one_person() -> None:
    made = both(report())
    assert made.covers(report())
    assert not msgspec.structs.replace(made, by=("Erika Muster", "erika\u00a0 MUSTER")).covers(report())
