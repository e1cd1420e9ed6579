"""Reading programs and trace lines: what strangers wrote cannot become an event or a crash."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import stand_aside

from fulldress.rehearse.uprobes import Event, ProbesUnavailable, Symbol, exported, parse

HEAD = b"        postgres-4711    [001] ..... 12.500000: "


def words(text: bytes) -> bytes:
    padded = text.ljust(256, b"\0")[:256]
    return b"{" + b",".join(hex(word).encode() for word in struct.unpack("<32Q", padded)) + b"}"


def test_a_lock_request() -> None:
    assert parse(HEAD + b"acq: (0x55d0) db=5 rel=16384 type=0 mode=8 ses=1") == Event(12.5, 4711, "acq", 5, 16384, 8, True)


def test_a_wakening_with_its_result() -> None:
    assert parse(HEAD + b"wok: (0x55d0 <- 0x55d1) res=2") == Event(12.5, 4711, "wok", mode=2)


def test_a_statement() -> None:
    event = parse(HEAD + b"acq: (0x55d0) db=1 rel=2 type=0 mode=8 ses=0 text=" + words("ALTER TABLE größe".encode()))
    assert event == Event(12.5, 4711, "acq", 1, 2, 8, False, "ALTER TABLE größe")


def test_a_statement_cannot_pretend_to_be_an_event() -> None:
    evil = b"x\n" + HEAD + b"rel: (0x1) method=1 ses=1"
    event = parse(HEAD + b"acq: (0x55d0) db=1 rel=2 type=0 mode=8 ses=0 text=" + words(evil))
    assert event is not None
    assert (event.kind, event.text) == ("acq", evil.decode())


def test_a_long_statement_cut_inside_a_character() -> None:
    event = parse(HEAD + b"slp: (0x1) text=" + words(b"a" * 255 + "é".encode()))
    assert event is not None
    assert event.text == "a" * 255


@given(st.binary(max_size=80), st.sampled_from([b"", HEAD, HEAD + b"acq: (0x1) ", HEAD + b"slp: (0x1) text="]))
def test_any_line_is_an_event_or_none(tail: bytes, head: bytes) -> None:
    event = parse(head + tail)
    assert event is None or event.pid == 4711


def test_offsets_are_those_of_the_system_tools() -> None:
    library = next(iter(sorted(Path("/usr/lib").glob("*/libz.so.1"))), None) or next(
        iter(sorted(Path("/lib").glob("*/libz.so.1"))), None
    )
    if library is None or shutil.which("nm") is None or shutil.which("readelf") is None:
        stand_aside("needs zlib, nm and readelf")
    printed = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True).stdout
    address = next(
        int(line.split()[0], 16) for line in printed.splitlines() if line.split()[-1].partition("@")[0] == "inflate"
    )
    loads = subprocess.run(["readelf", "-lW", str(library)], capture_output=True, text=True, check=True).stdout
    for fields in (line.split() for line in loads.splitlines()):
        if fields[:1] == ["LOAD"] and int(fields[2], 16) <= address < int(fields[2], 16) + int(fields[4], 16):
            offset = address - int(fields[2], 16) + int(fields[1], 16)
            assert exported(library, ("inflate",)) == {"inflate": Symbol(address, offset)}
            return
    raise AssertionError("readelf printed no segment with the function")


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + bytes(100), b"\x7fELF\x01\x01" + bytes(100)]
)
def test_what_is_no_program_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "p").write_bytes(data)
    with pytest.raises(ProbesUnavailable):
        exported(tmp_path / "p", ("main",))


def test_a_missing_function_is_named() -> None:
    with pytest.raises(ProbesUnavailable, match="no_such_function"):
        exported(Path("/bin/true").resolve(), ("no_such_function",))


@given(st.binary(max_size=300))
def test_a_damaged_program_is_refused_not_crashed_on(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(b"\x7fELF\x02\x01" + data)
    with pytest.raises(ProbesUnavailable):
        exported(path, ("main",))
