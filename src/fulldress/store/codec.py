"""Canonical bytes, digests, and the reading and writing of typed files.

The one place where nouns become bytes and back. Writes are whole or not at all; a file that does not fit its type is
refused with the key that is wrong.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from fulldress.errors import NothingToDo, StateDiskFull, UsageError

T = TypeVar("T")


def canonical(value: object) -> bytes:
    """The same value always gives the same bytes: JSON, keys sorted, no blanks, UTF-8."""
    return msgspec.json.encode(value, order="deterministic")


def digest(value: object) -> str:
    """SHA-256 (hex) of the canonical bytes."""
    return hashlib.sha256(canonical(value)).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file whole or not at all: temporary name, fsync, rename. Raises StateDiskFull."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise disk_full_or(error, path) from error
    _fsync_directory(path.parent)


def _fsync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def disk_full_or(error: OSError, path: Path) -> Exception:
    """StateDiskFull when the error says so, else the error itself."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return StateDiskFull(
        f"no room left on the disk of {path.parent}",
        why="what is not recorded did not happen: the work stopped before its next step",
        fix=f"free some room there (df -h {path.parent}), then run the same command again: it goes on where it stopped",
    )


def write_json(path: Path, value: object) -> None:
    """Write a noun as indented JSON, keys sorted."""
    write_bytes(path, msgspec.json.format(canonical(value), indent=2) + b"\n")


def read_json(path: Path, kind: type[T]) -> T:
    """Read a JSON file as the given noun; NothingToDo when it is not there, UsageError when it does not fit."""
    return _decode(path, lambda data: msgspec.json.decode(data, type=kind))


def read_toml(path: Path, kind: type[T]) -> T:
    """Read a TOML file as the given noun; same errors as :func:`read_json`, with the line of what does not fit."""
    return _decode(path, lambda data: msgspec.toml.decode(data, type=kind), toml_line)


_WRONG = re.compile(r"(?:unknown field `(?P<key>[^`]+)`)?(?: - at `\$(?P<path>[^`]*)`)?\Z")
_KEY = re.compile(r'\s*(\[*)\s*"?([\w-]+)"?\s*(?:=|\])')


def toml_line(data: bytes, problem: str) -> int:
    """The line of a TOML file that a problem (``... - at `$.estate.hosts```) is about; 0 when it cannot be told."""
    found = _WRONG.search(problem)
    path, key = (found["path"] or "", found["key"] or "") if found else ("", "")
    way = [(name, int(nth or 0)) for name, nth in re.findall(r"\.([\w-]+)(?:\[(\d+)\])?", f"{path}.{key}")]
    at = 0
    for number, line in enumerate(data.decode(errors="replace").split("\n"), 1):
        if not way:
            break
        name, nth = way[0]
        here = _KEY.match(line)
        if here is None or here[2] != name:
            continue
        if here[1] == "[[" and nth:
            way[0] = (name, nth - 1)
        else:
            at, way = number, way[1:]
    return at


def _decode(path: Path, decode: Callable[[bytes], T], line_of: Callable[[bytes, str], int] | None = None) -> T:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NothingToDo(
            f"{path} does not exist", why="the stage that writes it has not run", fix="run `fulldress status`"
        ) from None
    try:
        return decode(data)
    except (msgspec.MsgspecError, ValueError) as error:
        line = line_of(data, str(error)) if line_of else 0
        raise UsageError(
            f"{path}{f':{line}' if line else ''} cannot be read: {error}",
            fix="correct the file there" if line_of else "let its stage write it anew",
        ) from error


def to_plain(value: object) -> Any:
    """A noun as plain dicts and lists."""
    return msgspec.to_builtins(value)
