"""RFC 9116."""

from __future__ import annotations

from datetime import UTC, datetime

from fulldress.formats.securitytxt import read

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SOUND = """\
# our policy
Contact: mailto:security@vendor.example
Contact: https://vendor.example/report
Expires: 2027-01-01T00:00:00z
Canonical: https://vendor.example/.well-known/security.txt
CSAF: https://vendor.example/.well-known/csaf/provider-metadata.json
"""


def test_a_sound_file_has_no_problems() -> None:
    found = read(SOUND, NOW, "https://vendor.example/.well-known/security.txt")
    assert found.problems == ()
    assert len(found.fields["contact"]) == 2
    assert found.fields["csaf"] == ("https://vendor.example/.well-known/csaf/provider-metadata.json",)


def test_an_expired_file_counts_for_nothing() -> None:
    assert "expired on 2027-01-01" in " ".join(read(SOUND, datetime(2027, 2, 1, tzinfo=UTC)).problems)


def test_missing_and_doubled_fields_are_named() -> None:
    assert len(read("", NOW).problems) == 2
    assert read(SOUND + "Expires: 2028-01-01T00:00:00Z\n", NOW).problems == (
        "it has not exactly one Expires with a date and time",
    )
    assert read(SOUND.replace("00:00:00z", "soon"), NOW).expires is None


def test_another_place_and_plain_http_are_problems() -> None:
    text = SOUND.replace("Contact: https", "Contact: http") + "what is this\n"
    assert read(text, NOW, "https://other.example/security.txt").problems == (
        "its Canonical names other places than the one it was read from",
        "its Contact is not https",
        "line 7 is no field",
    )
