"""What a stock PostgreSQL does inside, seen by the kernel: probes on its exported functions, no change to the server.

Sets uprobes through tracefs in an instance of its own, reads their events in a thread, and always takes them away again;
what a killed process left is swept by the next one. Knows which functions are probed and what their arguments mean, not
what the events add up to (that is rehearse/locks.py). A probe belongs to a file, so it sees every server that runs it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import re
import select
import struct
import subprocess
import threading
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

TRACEFS = Path("/sys/kernel/tracing")
_PREFIX = "fulldress_"
_COUNTER = itertools.count()
_WORDS = 32
"""A statement's text is fetched as this many 8-byte words: as numbers it cannot pretend to be an event of its own."""
_REGISTERS = {"x86_64": ("%di", "%si", "%dx"), "aarch64": ("%x0", "%x1", "%x2")}
_LINE = re.compile(rb"-(\d+)\s+\[\d+\]\s+\S+\s+(\d+\.\d+): (acq|slp|wok|rlr|rel): \(.*?\) ?(.*)$")
_LOST = re.compile(rb"\[LOST (\d+) EVENTS\]")
_FIELD = re.compile(rb"(\w+)=(\{[^}]*\}|\S+)")


class ProbesUnavailable(Exception):
    """The kernel, the binary or our rights do not allow probes; the message says which."""


class Event(NamedTuple):
    """One call. ``kind``: acq (a strong table lock is asked for), slp (waits), wok (woken), rlr (released by name), rel
    (all released: end of transaction)."""

    at: float
    """Seconds of the monotonic clock."""
    pid: int
    """As this machine's kernel numbers it."""
    kind: str
    database: int = 0
    relation: int = 0
    mode: int = 0
    """The lock mode, 1 to 8; for wok what the server returned, 0 when the lock was granted."""
    session: bool = False
    """acq, rlr: for the session; rel: session locks too."""
    text: str = ""
    """acq, slp: the statement as the client sent it; empty for the server's own maintenance."""


class Symbol(NamedTuple):
    """Where an exported name is: its address in the program, and that of its bytes in the file (0 when it has none)."""

    address: int
    offset: int


def exported(binary: Path, names: tuple[str, ...]) -> dict[str, Symbol]:
    """Exported names of a 64-bit little-endian ELF file. ProbesUnavailable says which are missing."""
    try:
        data = binary.read_bytes()
        return _symbols(data, names)
    except (OSError, struct.error, IndexError, ValueError) as error:
        raise ProbesUnavailable(f"{binary.name} cannot be read as a program: {error}") from error


def _symbols(data: bytes, names: tuple[str, ...]) -> dict[str, Symbol]:
    if data[:6] != b"\x7fELF\x02\x01":
        raise ProbesUnavailable("not a 64-bit little-endian program")
    program_at, section_at = struct.unpack_from("<QQ", data, 32)
    program_size, programs, section_size, sections = struct.unpack_from("<HHHH", data, 54)
    heads = [struct.unpack_from("<IIQQQQII", data, section_at + n * section_size) for n in range(sections)]
    loads = [struct.unpack_from("<IIQQQQQ", data, program_at + n * program_size) for n in range(programs)]
    table = next((head for head in heads if head[1] == 11), None)  # SHT_DYNSYM
    if table is None:
        raise ProbesUnavailable("the program exports nothing")
    strings = heads[table[6]][4]
    wanted = {name.encode(): name for name in names}
    found: dict[str, Symbol] = {}
    for at in range(table[4], table[4] + table[5], 24):
        name_at, _, _, section, address, _ = struct.unpack_from("<IBBHQQ", data, at)
        begin = strings + name_at
        label = data[begin : data.index(b"\0", begin)]
        if label in wanted and section:
            load = next(p for p in loads if p[0] == 1 and p[3] <= address < p[3] + p[6])  # PT_LOAD
            inside = address - load[3]
            found[wanted[label]] = Symbol(address, inside + load[2] if inside < load[5] else 0)
    if missing := [name for name in names if name not in found]:
        raise ProbesUnavailable(f"the program does not export {', '.join(missing)}")
    return found


NAMES = ("LockAcquireExtended", "ProcSleep", "LockRelease", "LockReleaseAll", "debug_query_string")


class LockProbes:
    """Probes on one PostgreSQL binary while the context is open; afterwards :attr:`events` holds what happened."""

    def __init__(self, binary: Path, pids: Collection[int] = ()) -> None:
        """``pids``: only these processes and all that they start from now on; empty means every process."""
        self.binary = binary
        self.pids = pids
        self.group = f"{_PREFIX}{os.getpid()}_{next(_COUNTER)}"
        self.instance = TRACEFS / "instances" / self.group
        self.lost = 0
        self._lines: list[bytes] = []
        self._stop = threading.Event()
        self._pipe = -1
        self._thread: threading.Thread | None = None

    def __enter__(self) -> LockProbes:
        sweep()
        symbols = exported(self.binary, NAMES)
        with contextlib.ExitStack() as undo:
            undo.callback(self._remove)
            try:
                self._set(symbols)
                self._pipe = os.open(self.instance / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                (self.instance / f"events/{self.group}/enable").write_text("1")
            except OSError as error:
                raise ProbesUnavailable(f"the kernel refuses the probes: {error}") from error
            undo.pop_all()
        self._thread = threading.Thread(target=self._follow, name="lock-probes", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            (self.instance / f"events/{self.group}/enable").write_text("0")
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._remove()

    @property
    def events(self) -> list[Event]:
        """Everything seen so far, in the order of time."""
        found = [event for line in list(self._lines) if (event := parse(line))]
        return sorted(found, key=lambda event: event.at)

    def _set(self, symbols: dict[str, Symbol]) -> None:
        first, second, third = _registers()
        tag = f"db=+0({first}):u32 rel=+4({first}):u32 type=+14({first}):u8"
        at = {name: f"{self.binary}:{symbol.offset:#x}" for name, symbol in symbols.items()}
        acquire, sleep = (f"text={_statement(symbols, name)}" for name in ("LockAcquireExtended", "ProcSleep"))
        probes = [
            f"p:{self.group}/acq {at['LockAcquireExtended']} {tag} mode={second}:u32 ses={third}:u8 {acquire}",
            f"p:{self.group}/slp {at['ProcSleep']} {tag} mode=+16({first}):u32 {sleep}",
            f"r:{self.group}/wok {at['ProcSleep']} res=$retval:u32",
            f"p:{self.group}/rlr {at['LockRelease']} {tag} mode={second}:u32 ses={third}:u8",
            f"p:{self.group}/rel {at['LockReleaseAll']} method={first}:u16 ses={second}:u8",
        ]
        for probe in probes:
            _order(probe)
        self.instance.mkdir()
        (self.instance / "trace_clock").write_text("mono")
        (self.instance / "buffer_size_kb").write_text("16384")
        for name, condition in {"acq": "mode>=4 && type==0", "rlr": "mode>=4 && type==0", "slp": "type==0"}.items():
            (self.instance / f"events/{self.group}/{name}/filter").write_text(condition)
        (self.instance / f"events/{self.group}/rel/filter").write_text("method==1")
        if self.pids:
            (self.instance / "options/event-fork").write_text("1")
            (self.instance / "set_event_pid").write_text(" ".join(map(str, sorted(self.pids))))

    def _follow(self) -> None:
        rest = b""
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        while True:
            stopping = self._stop.is_set()
            if poll.poll(0 if stopping else 100):
                try:
                    chunk = os.read(self._pipe, 1 << 20)
                except BlockingIOError:
                    chunk = b""
                *lines, rest = (rest + chunk).split(b"\n")
                self._keep(lines)
                if chunk:
                    continue
            if stopping:
                return

    def _keep(self, lines: list[bytes]) -> None:
        for line in lines:
            if lost := _LOST.search(line):
                self.lost += int(lost[1])
            else:
                self._lines.append(line)

    def _remove(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        _drop(self.group)


def parse(line: bytes) -> Event | None:
    """One line of the kernel's trace, or None when it is none of ours."""
    match = _LINE.search(line)
    if match is None:
        return None
    fields = dict(_FIELD.findall(match[4]))
    try:
        return Event(
            at=float(match[2]),
            pid=int(match[1]),
            kind=match[3].decode(),
            database=int(fields.get(b"db", 0)),
            relation=int(fields.get(b"rel", 0)),
            mode=int(fields.get(b"mode") or fields.get(b"res") or 0),
            session=fields.get(b"ses", b"0") != b"0",
            text=_text(fields.get(b"text", b"")),
        )
    except ValueError:
        return None


def _statement(symbols: dict[str, Symbol], probed: str) -> str:
    """Fetches the text at the server's pointer to its current statement.

    ``@+N`` means N bytes behind the place where the probed file begins in memory; the pointer has no bytes in the file, so
    N is its distance from the probed function, counted from there.
    """
    here = symbols[probed]
    distance = symbols["debug_query_string"].address - here.address + here.offset
    return f"+0(@+{distance:#x}):x64[{_WORDS}]"


def _text(words: bytes) -> str:
    """``{0x…,0x…}`` as the text that these words are, up to its NUL."""
    if not words.startswith(b"{"):
        return ""
    data = b"".join(struct.pack("<Q", int(word, 16)) for word in words[1:-1].split(b","))
    return data.split(b"\0", 1)[0].decode(errors="replace").rstrip("\ufffd")


def pids_of_namespace(namespace: str) -> set[int]:
    """Processes in a pid namespace (``pid:[4026532000]``), as this machine's kernel numbers them."""
    found = set()
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            with contextlib.suppress(OSError):
                if str((directory / "ns/pid").readlink()) == namespace:
                    found.add(int(directory.name))
    return found


def sweep() -> None:
    """Take away the probes of processes that died without doing so; mounts tracefs where it is not."""
    if not (TRACEFS / "uprobe_events").exists():
        subprocess.run(["mount", "-t", "tracefs", "nodev", str(TRACEFS)], check=False, capture_output=True)
    if not os.access(TRACEFS / "uprobe_events", os.W_OK):
        raise ProbesUnavailable("no right to the kernel's tracing (root is needed), or the kernel has no uprobes")
    listed = {line.split("/")[0][2:] for line in (TRACEFS / "uprobe_events").read_text().splitlines()}
    for group in listed | {path.name for path in (TRACEFS / "instances").iterdir()}:
        owner = group.removeprefix(_PREFIX).split("_")[0]
        if group.startswith(_PREFIX) and owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            _drop(group)


def _drop(group: str) -> None:
    instance = TRACEFS / "instances" / group
    with contextlib.suppress(OSError):
        (instance / f"events/{group}/enable").write_text("0")
    with contextlib.suppress(OSError):
        instance.rmdir()
    for name in ("acq", "slp", "wok", "rlr", "rel"):
        with contextlib.suppress(OSError):
            _order(f"-:{group}/{name}")


def _order(line: str) -> None:
    """One command to uprobe_events; tracefs takes no seek, so no ordinary append."""
    handle = os.open(TRACEFS / "uprobe_events", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(handle, line.encode() + b"\n")
    finally:
        os.close(handle)


def _registers() -> tuple[str, str, str]:
    registers = _REGISTERS.get(platform.machine())
    if registers is None:
        raise ProbesUnavailable(f"the calling convention of {platform.machine()} is not known here")
    return registers
