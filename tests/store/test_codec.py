"""Canonical bytes and whole-or-not-at-all files."""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec
import pytest

from fulldress.errors import NothingToDo, StateDiskFull, UsageError
from fulldress.store.codec import canonical, digest, disk_full_or, read_json, read_toml, write_bytes, write_json


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
    with pytest.raises(UsageError, match=r"n\.toml cannot be read"):
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
