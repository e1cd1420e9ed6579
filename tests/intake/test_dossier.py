"""The key-change dossier: every question answered with evidence, or "not checked"."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from fulldress.intake.dossier import Material, dossier, markdown
from fulldress.intake.escalate import answered, open_case
from fulldress.model.advisory import ChannelReport, ChannelState, KeyMention
from fulldress.model.package import Entry, PackageLock, Signature, TrustReport, VendorPin, VendorRecord, Verdict
from fulldress.model.vendor import DossierItem, KnownRelease, Rotation

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD, NEW, OTHER = "aa" * 20, "bb" * 20, "cc" * 20
RECORD = VendorRecord(name="V", contact="Ms A", pin=(VendorPin(fingerprint=OLD, not_before="2023-01-01", note="by phone"),))


def signature(verdict: Verdict = "unknown-key", fingerprint: str = NEW) -> Signature:
    return Signature(format="openpgp", place="S.asc", covers="S", verdict=verdict, signer="V", fingerprint=fingerprint)


def trust(*signatures: Signature) -> TrustReport:
    found = signatures or (signature(),)
    return TrustReport(package_sha256="0" * 64, verdict=found[0].verdict, explanation="e", next_action="n", signatures=found)


def lock(**entries: str) -> PackageLock:
    listed = tuple(Entry(place=p, kind="file", sha256=s * 64) for p, s in entries.items())
    return PackageLock(name="v.zip", sha256="0" * 64, size=1, format="zip", entries=listed, bytes_inspected=1)


def mention(group: str, dated: str = "2026-08-21T00:00:00Z", fingerprint: str = NEW, **more: Any) -> KeyMention:
    given: dict[str, Any] = {"tone": "announces", "excerpt": "the new key", "place": "p", "channel": group, **more}
    return KeyMention(fingerprint=fingerprint, group=group, dated=dated, **given)


def channels(*mentions: KeyMention, errors: tuple[str, ...] = ()) -> ChannelReport:
    state = ChannelState(name="web", kind="feed", group="web", url="https://v.example/", documents=1, errors=errors)
    return ChannelReport(read_at="now", channels=(state,), documents=(), mentions=mentions)


def items(**given: Any) -> dict[str, DossierItem]:
    base: dict[str, Any] = {
        "trust": trust(),
        "lock": lock(a="1", b="2"),
        "record": RECORD,
        "channels": None,
        "asked": None,
        "arrived": NOW,
        "facts": {NEW: "EdDSA, made 2026-08-20"},
        "second": "",
        "second_from": "",
        "previous": None,
    }
    found = dossier(Material(**{**base, **given}), NOW).items
    names = ("old", "new", "vouched", "channels", "before", "warned", "rotation", "second", "previous", "asked")
    return dict(zip(names, found, strict=True))


def test_what_nobody_looked_at_is_not_checked_and_says_how() -> None:
    found = items()
    unchecked = {name for name, item in found.items() if item.state == "not-checked"}
    assert unchecked == {"channels", "before", "warned", "rotation", "second", "previous", "asked"}
    assert all(found[name].how for name in unchecked)


def test_old_and_new_key_with_their_facts() -> None:
    found = items()
    assert "valid 2023-01-01 to …; by phone" in found["old"].evidence[0]
    assert "EdDSA, made 2026-08-20" in found["new"].evidence[0]
    assert items(record=None)["old"].state == "no"


@pytest.mark.parametrize(("groups", "state"), [((), "no"), (("a",), "no"), (("a", "a"), "no"), (("a", "b"), "yes")])
def test_two_groups_are_needed_not_two_channels(groups: tuple[str, ...], state: str) -> None:
    assert items(channels=channels(*(mention(g) for g in groups)))["channels"].state == state


def test_every_new_key_needs_its_own_witnesses() -> None:
    both = trust(signature(), signature(fingerprint=OTHER))
    split = channels(mention("a"), mention("b", fingerprint=OTHER))
    assert items(trust=both, channels=split)["channels"].state == "no"
    assert items(trust=both, channels=split)["before"].state == "yes"


@pytest.mark.parametrize(
    ("dated", "state"), [("2026-08-21T00:00:00Z", "yes"), ("2026-11-21T00:00:00Z", "no"), ("", "no"), ("soon", "no")]
)
def test_an_announcement_counts_only_from_before_the_arrival(dated: str, state: str) -> None:
    assert items(channels=channels(mention("a", dated)))["before"].state == state


def test_a_warning_is_no_announcement() -> None:
    found = items(channels=channels(mention("a", tone="warns")))
    assert (found["before"].state, found["warned"].state) == ("no", "yes")


def test_a_channel_that_failed_is_in_the_evidence() -> None:
    assert "web could not be read: timeout" in items(channels=channels(errors=("timeout",)))["channels"].evidence[0]


def test_the_old_keys_word_is_void_after_a_compromise() -> None:
    rotated = trust(signature("rotated-by-chain"))
    assert items(trust=rotated)["vouched"].state == "yes"
    case = answered(
        open_case(rotated, RECORD, "E", NOW, None),
        by="E", asked="A", outcome="confirmed", reason="compromised", fingerprint=NEW, text="", now=NOW,
    )  # fmt: skip
    found = items(trust=rotated, asked=case)
    assert (found["vouched"].state, found["asked"].state) == ("no", "yes")
    assert "Void" in found["vouched"].answer


def test_what_was_agreed_about_rotations_is_held_against_it() -> None:
    strict = msgspec.structs.replace(RECORD, rotation=Rotation(old_signs_new=True, announced_days=60))
    late = items(record=strict, channels=channels(mention("a", "2026-11-01T00:00:00Z")))["rotation"]
    assert late.state == "no"
    assert "60 days before" in late.answer
    assert "signed the new one" in late.answer
    kept = items(record=strict, trust=trust(signature("rotated-by-chain")), channels=channels(mention("a")))["rotation"]
    assert kept.state == "yes"


def test_the_second_path_and_the_last_release() -> None:
    assert items(second="0" * 64, second_from="x.zip")["second"].state == "yes"
    assert items(second="1" * 64, second_from="x.zip")["second"].state == "no"
    assert items(channels=channels(mention("a", fingerprint="0" * 64)))["second"].state == "yes"
    change = items(previous=lock(b="3", c="4"))["previous"]
    assert change.answer == "1 added, 1 removed, 1 changed, 0 the same."
    assert change.evidence == ("+ a", "- c", "~ b")


def test_a_package_that_came_before_is_recognised() -> None:
    known = msgspec.structs.replace(RECORD, release=(KnownRelease(version="4.2", sha256="0" * 64, received="2025-01-01"),))
    assert "came before, as 4.2" in items(record=known)["previous"].answer


def test_strangers_words_make_no_markup() -> None:
    hostile = mention("a", excerpt="<script>[x](https://evil.example) `\x1b[2J\u202e` # h")
    material = items(channels=channels(hostile))
    assert material
    made = dossier(Material(trust(), lock(), RECORD, channels(hostile), None, NOW, {}, "", "", None), NOW)
    text = markdown(made)
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "](https" not in text.replace("\\](https", "")
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_place_that_warns_of_the_key_does_not_vouch_for_it() -> None:
    found = items(channels=channels(mention("a"), mention("b", tone="warns")))
    assert (found["channels"].state, found["warned"].state) == ("no", "yes")
    only = items(channels=channels(mention("b", tone="warns")))
    assert (only["before"].state, only["warned"].answer) == ("no", "1 place.")


def test_a_pin_with_colons_is_the_key_that_a_channel_warns_of() -> None:
    colons = ":".join(["AA"] * 20)
    record = msgspec.structs.replace(RECORD, pin=(VendorPin(fingerprint=colons, note="printed"),))
    given = items(record=record, channels=channels(mention("a", fingerprint=OLD, tone="warns")), facts={OLD: "EdDSA"})
    assert given["warned"].state == "yes"
    assert given["old"].evidence[0] == f"openpgp {colons}; printed; EdDSA"
