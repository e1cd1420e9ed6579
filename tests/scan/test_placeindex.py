"""The index of places answers as asking each place would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fulldress.scan.placeindex import PlaceIndex

PLACES = st.lists(st.text(alphabet="aB./!\nİs", max_size=9), max_size=12)
PARTS = st.lists(st.text(alphabet="ab./!s", min_size=1, max_size=4), min_size=1, max_size=3)


@given(PLACES, st.lists(st.text(alphabet="aB./!s", min_size=1, max_size=5), min_size=1, max_size=3))
def test_ends_are_found(places: list[str], suffixes: list[str]) -> None:
    expected = [n for n, place in enumerate(places) if place.endswith(tuple(suffixes))]
    assert PlaceIndex(places).ending(*suffixes) == expected


@given(PLACES, PARTS)
def test_parts_are_found_in_upper_and_lower_case(places: list[str], parts: list[str]) -> None:
    expected = [n for n, place in enumerate(places) if any(part in place.lower() for part in parts)]
    assert PlaceIndex(places).holding(*parts) == expected


@given(PLACES, PARTS)
def test_parts_are_found_in_the_last_name_alone(places: list[str], parts: list[str]) -> None:
    names = [place.rpartition("/")[2].lower() for place in places]
    assert PlaceIndex(places).naming(*parts) == [n for n, name in enumerate(names) if any(p in name for p in parts)]


@given(PLACES, st.text(alphabet="aB.s", max_size=3))
def test_names_are_found_whole(places: list[str], name: str) -> None:
    expected = [n for n, place in enumerate(places) if place.rpartition("/")[2] == name]
    assert PlaceIndex(places).called(name) == expected


def test_a_part_across_the_last_slash() -> None:
    places = ["x.deb!/etc/cron.d/a", "etc/cron.daily", "etc/x/cron.d", "Etc/Cron.tab", "cron.d"]
    assert PlaceIndex(places).holding("etc/cron.") == [0, 1, 3]
    assert PlaceIndex(places).holding("etc/cron.d/") == [0]
    assert PlaceIndex(places).holding("/cron.d") == [0, 1, 2]
