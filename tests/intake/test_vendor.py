"""The vendor record counts only as two people agreed on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fulldress.errors import FulldressError, NothingToDo, UsageError
from fulldress.intake import vendor
from fulldress.intake.vendor import VendorRecordNotApproved, approve, in_force, journal_of, propose, standing

PIN, NEW = "ab" * 20, "cd" * 20
RECORD = f'name = "Vendor"\ncontact = "+00 1"\n[[pin]]\nfingerprint = "{PIN}"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "vendor.toml").write_text(RECORD)
    return tmp_path / "vendor.toml"


def agreed(path: Path) -> None:
    propose(path, "Erika Muster", "from the contract")
    approve(path, "Max Muster", "compared")


def test_a_record_that_nobody_agreed_on_is_refused_with_what_to_do(path: Path) -> None:
    with pytest.raises(VendorRecordNotApproved) as caught:
        in_force(path)
    assert "vendor propose" in caught.value.fix


def test_one_person_is_not_enough(path: Path) -> None:
    propose(path, "Erika Muster", "from the contract")
    with pytest.raises(VendorRecordNotApproved, match="Erika Muster proposed it, nobody else agreed"):
        in_force(path)


@pytest.mark.parametrize("same", ["Erika Muster", "erika  MUSTER ", "Ｅrika Muster"])
def test_the_same_person_cannot_approve(path: Path, same: str) -> None:
    propose(path, "Erika Muster", "from the contract")
    with pytest.raises(UsageError, match="cannot approve it too"):
        approve(path, same)


def test_two_people_put_it_in_force(path: Path) -> None:
    agreed(path)
    record = in_force(path)
    assert record is not None
    assert record.pin[0].fingerprint == PIN


def test_a_change_afterwards_needs_two_people_again(path: Path) -> None:
    agreed(path)
    path.write_text(RECORD.replace(PIN, NEW))
    with pytest.raises(VendorRecordNotApproved, match="changed since two people agreed"):
        in_force(path)
    agreed(path)
    assert standing(path).approved
    assert [e.data["before"] == "" for e in standing(path).events] == [True, True, False, False]


def test_going_back_to_an_older_record_needs_two_people_too(path: Path) -> None:
    agreed(path)
    path.write_text(RECORD.replace(PIN, NEW))
    agreed(path)
    path.write_text(RECORD)
    with pytest.raises(VendorRecordNotApproved):
        in_force(path)


def test_what_was_changed_after_the_proposal_cannot_be_approved(path: Path) -> None:
    propose(path, "Erika Muster", "from the contract")
    path.write_text(RECORD.replace(PIN, "ee"))
    with pytest.raises(UsageError, match="changed after Erika Muster proposed it"):
        approve(path, "Max Muster")


def test_a_forged_line_breaks_the_chain(path: Path) -> None:
    agreed(path)
    text = journal_of(path).read_text()
    journal_of(path).write_text(text.replace("Max Muster", "Eva Muster"))
    with pytest.raises(FulldressError) as caught:
        in_force(path)
    assert caught.value.slug == "journal-broken"


def test_emptying_or_deleting_the_record_is_a_change_too(path: Path) -> None:
    agreed(path)
    path.write_text('name = ""\n')
    with pytest.raises(VendorRecordNotApproved):
        in_force(path)
    path.unlink()
    with pytest.raises(VendorRecordNotApproved, match="is gone"):
        in_force(path)


def test_a_template_or_no_file_is_no_record(tmp_path: Path) -> None:
    assert in_force(tmp_path / "vendor.toml") is None
    (tmp_path / "vendor.toml").write_text('name = ""\n')
    assert in_force(tmp_path / "vendor.toml") is None


def test_nothing_is_proposed_or_approved_twice(path: Path) -> None:
    with pytest.raises(NothingToDo, match="nothing is proposed"):
        approve(path, "Max")
    propose(path, "Erika", "x")
    with pytest.raises(NothingToDo, match="waits for another person"):
        propose(path, "Max", "x")
    approve(path, "Max")
    with pytest.raises(NothingToDo, match="agreed on already"):
        propose(path, "Erika", "x")


@pytest.mark.parametrize(("by", "reason"), [("", "x"), ("  ", "x"), ("Erika", " ")])
def test_a_name_and_a_reason_are_needed(path: Path, by: str, reason: str) -> None:
    with pytest.raises(UsageError, match="a name and a reason"):
        propose(path, by, reason)


@pytest.mark.parametrize(
    ("channel", "why"),
    [
        ('name = "a"\nkind = "feed"\nurl = "http://v.example/"\ngroup = "g"', "no https address"),
        ('name = "a"\nkind = "feed"\nurl = "https://v.example:x/"\ngroup = "g"', "no https address"),
        ('name = "a"\nkind = "feed"\nurl = "https://v.example/"\ngroup = " "', "a name and a group"),
        ('name = "a"\nkind = "feed"\nurl = "https://v.example/"\ngroup = "g"\nprivate-networks = ["x"]', "is no network"),
    ],
)
def test_a_channel_that_can_never_be_used_is_refused_when_proposed(path: Path, channel: str, why: str) -> None:
    path.write_text(f"{RECORD}[[channel]]\n{channel}\n")
    with pytest.raises(UsageError, match=why):
        propose(path, "Erika", "x")


def test_the_proposal_keeps_the_text_of_the_record(path: Path) -> None:
    agreed(path)
    assert standing(path).events[0].data["record"] == RECORD
    assert vendor.person("A  B") == "a b"


def test_the_second_person_sees_the_change(path: Path) -> None:
    agreed(path)
    path.write_text(RECORD.replace(PIN, NEW))
    lines = vendor.change(path, standing(path))
    assert f'-fingerprint = "{PIN}"' in lines
    assert f'+fingerprint = "{NEW}"' in lines


def test_the_template_as_it_comes_cannot_be_proposed(tmp_path: Path) -> None:
    path = tmp_path / "vendor.toml"
    path.write_text('name = ""\n')
    with pytest.raises(UsageError, match="says nothing of a vendor yet"):
        propose(path, "Erika", "because")
    assert in_force(path) is None


def test_an_address_with_a_blank_is_refused_when_proposed(path: Path) -> None:
    path.write_text(f'{RECORD}[[channel]]\nname = "a"\nkind = "feed"\nurl = "https://v.example/a b"\ngroup = "g"\n')
    with pytest.raises(UsageError, match="has no https address"):
        propose(path, "Erika", "x")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('[[pin]]\nfingerprint = "DEADBEEF"', "is no whole fingerprint: 40 or 64"),
        (
            '[[pin]]\nkind = "x509"\nfingerprint = "abababababababababababababababababababab"',
            r"is no whole fingerprint: 64 \(SHA",
        ),
        ('[[pin]]\nkind = "minisign"\nfingerprint = "keys/vendor.pub"', "is no whole fingerprint: 64"),
        ('[[pin]]\nkind = "sigstore"\nfingerprint = "https://issuer.example"', "an issuer and an identity"),
        (f'[[pin]]\nfingerprint = "{PIN}"\nnot_after = "1.1.2027"', "the day '1.1.2027'"),
        ('roots = ["root.crt"]', "one of `roots` is no certificate"),
        ('keys = ["vendor.asc"]', "one of `keys` is no armoured"),
    ],
)
def test_what_no_signature_could_ever_meet_is_refused_when_proposed(path: Path, line: str, why: str) -> None:
    path.write_text(f'name = "Vendor"\ncontact = "+00 1"\n{line}\n')
    with pytest.raises(UsageError, match=why):
        propose(path, "Erika", "x")


@pytest.mark.parametrize("written", ["AB:" * 31 + "AB", "abab " * 10, "0x" + "AB" * 20])
def test_a_fingerprint_may_be_written_as_people_do(path: Path, written: str) -> None:
    kind = "x509" if ":" in written else "openpgp"
    path.write_text(f'name = "Vendor"\n[[pin]]\nkind = "{kind}"\nfingerprint = "{written}"\n')
    assert propose(path, "Erika", "x").proposal is not None
