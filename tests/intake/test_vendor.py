"""The vendor record counts only as two people agreed on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fulldress.errors import FulldressError, NothingToDo, UsageError
from fulldress.intake import vendor
from fulldress.intake.vendor import VendorRecordNotApproved, approve, in_force, journal_of, propose, standing

RECORD = 'name = "Vendor"\ncontact = "+00 1"\n[[pin]]\nfingerprint = "ab"\n'


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
    assert record.pin[0].fingerprint == "ab"


def test_a_change_afterwards_needs_two_people_again(path: Path) -> None:
    agreed(path)
    path.write_text(RECORD.replace('"ab"', '"cd"'))
    with pytest.raises(VendorRecordNotApproved, match="changed since two people agreed"):
        in_force(path)
    agreed(path)
    assert standing(path).approved
    assert [e.data["before"] == "" for e in standing(path).events] == [True, True, False, False]


def test_going_back_to_an_older_record_needs_two_people_too(path: Path) -> None:
    agreed(path)
    path.write_text(RECORD.replace('"ab"', '"cd"'))
    agreed(path)
    path.write_text(RECORD)
    with pytest.raises(VendorRecordNotApproved):
        in_force(path)


def test_what_was_changed_after_the_proposal_cannot_be_approved(path: Path) -> None:
    propose(path, "Erika Muster", "from the contract")
    path.write_text(RECORD.replace('"ab"', '"ee"'))
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
    path.write_text(RECORD.replace('"ab"', '"cd"'))
    lines = vendor.change(path, standing(path))
    assert '-fingerprint = "ab"' in lines
    assert '+fingerprint = "cd"' in lines


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
