"""Each ecosystem's order, by the hard cases that its own documentation and test-suite name."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import stand_aside

from fulldress.errors import UsageError
from fulldress.formats.version import SCHEMES, compare, key_of

IN_ORDER = {
    "deb": [
        "~~",
        "~~a",
        "~",
        "0",
        "1.0~beta1~svn1245",
        "1.0~beta1",
        "1.0",
        "1.0-1",
        "1.0-1+deb12u1",
        "1.0a",
        "1.0+b",
        "1.0.1",
        "1.10",
        "1:0.1",
        "2:0~rc1",
        "2:0",
    ],
    "rpm": [
        "1.0~rc1~git123",
        "1.0~rc1",
        "1.0",
        "1.0^",
        "1.0^20160101",
        "1.0^20160101^git1",
        "1.0a",
        "1.0.1",
        "1.0010",
        "2.0-1",
        "2.0-1.el9",
        "2.0-10",
        "1:0.5-1",
    ],
    "pep440": [
        "1.dev0",
        "1.0.dev456",
        "1.0a1",
        "1.0a2.dev456",
        "1.0a12",
        "1.0b1.dev456",
        "1.0b2",
        "1.0b2.post345",
        "1.0rc1",
        "1.0",
        "1.0+abc.5",
        "1.0+abc.7",
        "1.0+5",
        "1.0.post456.dev34",
        "1.0.post456",
        "1.0.15",
        "1.1.dev1",
        "1!0.1",
    ],
    "semver": [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.2",
        "2.0.0",
        "2.1.0",
        "2.1.1",
        "10.0.0",
    ],
    "maven": [
        "1-alpha2snapshot",
        "1-alpha2",
        "1-alpha-123",
        "1-beta-2",
        "1-beta123",
        "1-m2",
        "1-m11",
        "1-rc",
        "1-cr2",
        "1-rc123",
        "1-SNAPSHOT",
        "1",
        "1-sp",
        "1-sp2",
        "1-sp123",
        "1-abc",
        "1-def",
        "1-pom-1",
        "1-1-snapshot",
        "1-1",
        "1-2",
        "1-123",
        "1.1",
        "1.2.3",
        "2",
    ],
    "calendar": ["19.10", "2020-01", "20.04.1", "2024.03~rc1", "2024.03", "24.3.1", "20240401", "2024.10"],
}
SAME = [
    ("deb", "1.0", "0:1.0"),
    ("deb", "1.0", "1.0-0"),
    ("deb", "1.02", "1.2"),
    ("rpm", "1.0", "1_0"),
    ("rpm", "1.05", "1.5"),
    ("rpm", "0:1-1", "1-1"),
    ("rpm", "2.0.1a", "2.0.1.a"),
    ("pep440", "1.0", "1.0.0"),
    ("pep440", "1.0.ALPHA1", "1.0a1"),
    ("pep440", "v1.0-1", "1.0.post1"),
    ("semver", "1.0.0+build1", "1.0.0+build2"),
    ("semver", "v1.2", "1.2.0"),
    ("maven", "1", "1.0.0"),
    ("maven", "1-0", "1.0-0-0"),
    ("maven", "1.ga", "1.0-final"),
    ("maven", "1x", "1.0.0-x"),
    ("maven", "1a1", "1-alpha-1"),
    ("maven", "1m3", "1MILESTONE3"),
    ("maven", "1cr", "1rc"),
    ("maven", "1-0.ga", "1.release"),
    ("calendar", "24.04", "2024.04"),
    ("calendar", "2024-04-01", "20240401"),
    ("calendar", "2024_04", "2024.4"),
]


@pytest.mark.parametrize("scheme", IN_ORDER)
def test_every_pair_is_in_order(scheme: str) -> None:
    wrong = [pair for pair in itertools.combinations(IN_ORDER[scheme], 2) if compare(*pair, scheme) != -1]
    assert wrong == []


@pytest.mark.parametrize("scheme", IN_ORDER)
def test_the_key_sorts_as_compare_says(scheme: str) -> None:
    assert sorted(set(IN_ORDER[scheme]), key=key_of(scheme)) == IN_ORDER[scheme]


@pytest.mark.parametrize(("scheme", "left", "right"), SAME)
def test_the_same_version_written_differently(scheme: str, left: str, right: str) -> None:
    assert compare(left, right, scheme) == compare(right, left, scheme) == 0


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1-sp-1", "1-ga-1"),
        ("1-alpha.1", "1-beta.1"),
        ("1.x", "1-1"),
        ("1b1", "1a"),
        ("2", "2-m-1"),
        ("3.b-1.2", "3.snapshot1"),
        ("0.ga-1", "0.0.sp-1"),
    ],
)
def test_maven_puts_qualifiers_before_numbers(left: str, right: str) -> None:
    assert compare(left, right, "maven") == -1


@pytest.mark.parametrize(
    ("scheme", "version"),
    [("pep440", "1.0-vendor"), ("semver", "1.0.0.0"), ("semver", "1.0-"), ("calendar", "first"), ("calendar", "5.0")],
)
def test_what_a_grammar_does_not_allow_is_refused(scheme: str, version: str) -> None:
    with pytest.raises(UsageError, match=scheme) as caught:
        compare(version, "2024.1", scheme)
    assert caught.value.slug == "version-invalid"


def test_an_unknown_scheme_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        compare("1", "2", "gentoo")
    assert "maven" in (caught.value.fix or "")


@pytest.mark.parametrize("scheme", ["", "deb", "rpm", "maven"])
def test_many_digits_stay_cheap(scheme: str) -> None:
    assert compare("1." + "9" * 400, "1.1" + "0" * 400, scheme) == -1
    assert set(SCHEMES) == {*IN_ORDER, ""}


TEXT = st.text("019.~^+-:abrc_", max_size=8)


@given(st.sampled_from(["deb", "rpm"]), TEXT, TEXT, TEXT)
def test_it_is_an_order(scheme: str, a: str, b: str, c: str) -> None:
    assert compare(a, b, scheme) == -compare(b, a, scheme)
    if compare(a, b, scheme) <= 0 and compare(b, c, scheme) <= 0:
        assert compare(a, c, scheme) <= 0


@given(st.text("019.-abrc", max_size=8), st.text("019.-abrc", max_size=8))
def test_maven_is_antisymmetric(a: str, b: str) -> None:
    assert compare(a, b, "maven") == -compare(b, a, "maven")


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.from_regex(r"([0-9]:)?[0-9][0-9.]{0,4}[a-c+~.]{0,3}[0-9]{0,2}(-[0-9]{1,2})?", fullmatch=True)] * 2))
def test_deb_agrees_with_dpkg(pair: tuple[str, str]) -> None:
    if shutil.which("dpkg") is None:
        stand_aside("needs dpkg")
    for operator, sign in (("lt", -1), ("eq", 0)):
        said = subprocess.run(["dpkg", "--compare-versions", pair[0], operator, pair[1]], check=False).returncode == 0
        assert (compare(*pair, "deb") == sign) == said
