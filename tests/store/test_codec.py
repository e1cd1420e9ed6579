"""Canonical bytes and whole-or-not-at-all files."""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec
import pytest

from fulldress.errors import NothingToDo, StateDiskFull, UsageError
from fulldress.store.codec import canonical, digest, disk_full_or, read_json, read_toml, toml_line, write_bytes, write_json


class Noun(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    sizes: dict[str, int] = {}


def test_canonical_bytes_do_not_depend_on_order() -> None:
    assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1}) == b'{"a":2,"b":1}'
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})


def test_a_noun_survives_the_file(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "n.json", Noun("x", {"a": 1}))
    assert read_json(tmp_path / "deep" / "n.json", Noun) == Noun("x", {"a": 1})


def test_an_absent_file_names_itself(tmp_path: Path) -> None:
    with pytest.raises(NothingToDo, match=r"absent\.json does not exist"):
        read_json(tmp_path / "absent.json", Noun)


@pytest.mark.parametrize("text", ["name = 3", 'name = "x"\ntypo = 1', "name = "])
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "n.toml").write_text(text)
    with pytest.raises(UsageError, match=r"n\.toml(:[12])? cannot be read"):
        read_toml(tmp_path / "n.toml", Noun)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bytes(tmp_path / "f", b"old")

    def no_room(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fulldress.store.codec.os.fsync", no_room)
    with pytest.raises(StateDiskFull):
        write_bytes(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_only_a_full_disk_is_called_a_full_disk(tmp_path: Path) -> None:
    error = OSError(errno.EACCES, "denied")
    assert disk_full_or(error, tmp_path / "f") is error


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("a = 1\n[t]\nb = 2\n", "Expected `str` - at `$.t.b`", 3),
        ("[[w]]\nx = 1\n[[w]]\ny = 2\n", "Object contains unknown field `y` - at `$.w[1]`", 4),
        ("[[w]]\nx = 1\n\n[[w]]\n", "Object missing required field `x` - at `$.w[1]`", 4),
        ("ok = 1\nwrong = 2\n", "Object contains unknown field `wrong`", 2),
        ("a = [1, 'x']\n", "Expected `int`, got `str` - at `$.a[1]`", 1),
        ("a = \n", "Invalid value (at line 1, column 5)", 0),
    ],
)
def test_the_line_of_what_does_not_fit(text: str, problem: str, line: int) -> None:
    assert toml_line(text.encode(), problem) == line


def test_a_misfit_in_toml_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "n.toml").write_text("name = 'x'\n\ncolour = 'red'\n")
    with pytest.raises(UsageError, match=r"n\.toml:3 cannot be read: .*colour"):
        read_toml(tmp_path / "n.toml", Noun)
