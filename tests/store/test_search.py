"""Objects of every size and encoding are looked through as if they lay in memory whole."""

from __future__ import annotations

import io
import tempfile

import pytest

from fulldress.formats.patterns import BLOCK, Matcher, Pattern
from fulldress.store.pack import Pack
from fulldress.store.search import PLAIN, looked_through, sighting

SECRET = Pattern("hunter[0-9]")
MATCHER = Matcher([SECRET])
LARGE = b"x" * BLOCK


@pytest.mark.parametrize(
    ("data", "binary", "encoding", "ends"),
    [
        (b"nothing", False, "", []),
        (b"a hunter2\n", False, "", [9]),
        (b"\0 hunter2", True, "", [9]),
        ("w = hunter2\n".encode("utf-16"), False, "utf-16", [11]),
        (LARGE + b"\nhunter2\n", False, "", [BLOCK + 8]),
        (b"\0" + LARGE + b"hunter2", True, "", [BLOCK + 8]),
    ],
    ids=["nothing", "text", "binary", "wide", "large-text", "large-binary"],
)
def test_what_is_in_an_object(data: bytes, binary: bool, encoding: str, ends: list[int]) -> None:
    read = io.BytesIO()
    with tempfile.TemporaryFile() as room, tempfile.TemporaryFile() as package:
        pack = Pack(room.fileno(), package.fileno())
        region = pack.region(pack.put(data))
        seen = looked_through(region, MATCHER, read.write)
    assert (seen.binary, seen.encoding, seen.found.ends.get(0, [])) == (binary, encoding, ends)
    same = read.getvalue() == data
    assert same, "not all its bytes were given on"
    assert (seen == PLAIN) == (not (binary or encoding or ends))


def test_a_sighting_says_which_pattern_by_its_number() -> None:
    told = sighting("ab" * 32, MATCHER.look(b"hunter2 hunter3"))
    assert (told.sha256, told.binary, told.ends, told.dropped) == ("ab" * 32, False, {0: [7, 15]}, {})
