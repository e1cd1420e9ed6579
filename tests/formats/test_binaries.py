"""Texts inside binaries."""

from __future__ import annotations

import marshal
import sqlite3
import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats import binaries


def test_rows_of_a_database_come_out_as_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = sqlite3.connect(path)
    database.execute("create table settings (id integer primary key, name text, n int, value text)")
    database.executemany(
        "insert into settings values (?, ?, ?, ?)", [(n, f"key{n}", n * 70_000, f"value{n}") for n in range(500)]
    )
    database.commit()
    database.close()
    rows = [group.texts for group in binaries.of_sqlite(path.read_bytes())]
    assert ("key499", "value499") in rows
    assert len([r for r in rows if r[0].startswith("key")]) == 500


def test_a_class_gives_names_and_literals() -> None:
    pool = b"\x01\0\x06app/Db\x01\0\x03pwd\x01\0\x05value\x05" + bytes(8) + b"\x08\0\x03"
    found = binaries.of_class(b"\xca\xfe\xba\xbe\0\0\0\x3d" + struct.pack(">H", 7) + pool)
    assert found == binaries.Class((), binaries.Group(("app/Db", "pwd", "value"), ("value",)))


def test_without_names_a_class_gives_its_literals_or_what_assigns() -> None:
    names = b"\x01\0\x06app/Db\x01\0\x0c:user=geheim"
    bare = binaries.of_class(b"\xca\xfe\xba\xbe\0\0\0\x3d" + struct.pack(">H", 3) + names, names=False)
    assert bare == binaries.Class((), binaries.Group((), (":user=geheim",)))
    pool = names + b"\x01\0\x05value\x08\0\x03"
    found = binaries.of_class(b"\xca\xfe\xba\xbe\0\0\0\x3d" + struct.pack(">H", 5) + pool, names=False)
    assert found == binaries.Class((), binaries.Group((), ("value",)))


def test_compiled_python_gives_its_strings() -> None:
    code = compile('PASSWORD = "some text"\nconnect(user="app")', "x.py", "exec")
    found = binaries.of_pyc(bytes(16) + marshal.dumps(code))
    assert found is not None
    assert {"PASSWORD", "some text", "connect", "app"} <= set(found.texts)


def test_the_printable_run_around_an_offset() -> None:
    assert binaries.printable(b"\0\0abc def\0xyz", 5) == "abc def"


@given(st.binary(max_size=600))
def test_no_bytes_raise(data: bytes) -> None:
    binaries.of_class(b"\xca\xfe\xba\xbe" + data)
    binaries.of_pyc(data)
    list(binaries.of_sqlite(b"SQLite format 3\0\x02\x00" + data))
    binaries.section(b"\x7fELF\x02\x01" + data, 70)
    binaries.printable(data, len(data) // 2)


@given(st.binary(min_size=1100, max_size=1100))
def test_no_page_raises(data: bytes) -> None:
    list(binaries.of_sqlite(b"SQLite format 3\0\x02\x00" + bytes(82) + b"\x0d" + data))
