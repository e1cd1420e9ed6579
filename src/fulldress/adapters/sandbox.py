"""Confines the calling process for good: Landlock, seccomp and rlimits. Fails closed.

After :func:`restrict` the process can use the descriptors it already holds, the files of one directory at most, and nothing
else: no other file, no socket, no new process, no signal, no terminal. Works for root and for any user.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import resource
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType

from fulldress.adapters.limits import limit
from fulldress.errors import CapabilityMissing

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""Landlock's system calls; the numbers are the same on every architecture."""
_PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE, _PR_SET_PDEATHSIG = 38, 4, 1
MIN_ABI = 2
"""ABI 1 cannot allow a rename from one folder to another, which the content store needs (kernel 5.19 and later can)."""

_READ_FILE, _READ_DIR, _WRITE_FILE = 1 << 2, 1 << 3, 1 << 1
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_BASE = (1 << 13) - 1

SONAMES = {"c": "libc.so.6", "seccomp": "libseccomp.so.2"}
"""What the loader finds by itself; Python would start ``ldconfig`` twice to ask for it, in each confined child."""

_ALLOWED = """
access brk clock_gettime clock_nanosleep close dup exit exit_group faccessat faccessat2 fchmod fcntl fstat
fstatat64 fsync ftruncate futex getcwd getdents64 getegid geteuid getgid getpid getrandom gettid gettimeofday
getuid lseek lstat madvise membarrier mkdir mkdirat mmap mprotect mremap munmap newfstatat open openat pread64
pwrite64 pwritev pwritev2 read readv rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction
rt_sigprocmask rt_sigreturn sched_yield set_robust_list sigaltstack stat statx sysinfo uname unlink unlinkat
wait4 write writev
"""
ALLOWED_CALLS = tuple(_ALLOWED.split())
"""Everything else fails with EPERM. No socket, clone, exec, kill, ioctl, ptrace, mount, no chmod by name."""


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """The kernel's Landlock version; 0 when there is none."""
    return max(0, int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), 1)))


def missing() -> str:
    """What this machine lacks for :func:`restrict`; ``""`` when nothing."""
    abi = landlock_abi()
    if abi < MIN_ABI:
        return f"Landlock ABI {MIN_ABI} (this kernel has {abi or 'none'})"
    try:
        _pyseccomp()
    except (ImportError, OSError, RuntimeError) as error:
        return f"libseccomp ({error})"
    return ""


def ready() -> None:
    """Load what :func:`restrict` needs, before several processes of one kind need it; what is missing is said there."""
    with suppress(ImportError, OSError, RuntimeError):
        _pyseccomp()


@cache
def _pyseccomp() -> ModuleType:
    """The library, which asks where libseccomp is as soon as it is imported, and fails without."""
    asked = ctypes.util.find_library
    ctypes.util.find_library = _found
    try:
        import pyseccomp  # noqa: PLC0415 - loaded when needed: only the confined child may depend on libseccomp
    finally:
        ctypes.util.find_library = asked
    library: ModuleType = pyseccomp
    return library


def _found(name: str, asked: Callable[[str], str | None] = ctypes.util.find_library) -> str | None:
    try:
        ctypes.CDLL(SONAMES[name])
    except (KeyError, OSError):
        return asked(name)
    return SONAMES[name]


def sandbox_missing(what: str) -> CapabilityMissing:
    """The error for a machine on which a package cannot be read confined."""
    return CapabilityMissing(
        f"the package cannot be read in a sandbox: missing {what}",
        why="a hostile archive could then reach this machine through a fault in its reader",
        fix="use Linux 5.19 or later with Landlock enabled and install libseccomp2 (`fulldress doctor` checks both), "
        "or waive it knowingly: --no-sandbox",
        slug="sandbox-missing",
    )


def restrict(writable: Path | None, *, memory: int, cpu_seconds: int, file_bytes: int, readable: Path | None = None) -> None:
    """Confine this process; ``writable`` and ``readable`` are the directories it keeps, if any.

    Raises CapabilityMissing ``sandbox-missing``.

    Import everything and open everything that will be needed before: afterwards nothing outside can be read.
    """
    if what := missing():
        raise sandbox_missing(what)
    _limits(memory, cpu_seconds, file_bytes)
    try:
        _die_with_parent()
        _landlock(writable, readable)
        _seccomp()
    except OSError as error:
        raise sandbox_missing(f"a kernel that lets it be set up ({error})") from error


def _limits(memory: int, cpu_seconds: int, file_bytes: int) -> None:
    limit(
        {
            resource.RLIMIT_AS: memory,
            resource.RLIMIT_CPU: cpu_seconds,
            resource.RLIMIT_FSIZE: file_bytes,
            resource.RLIMIT_NOFILE: 64,
            resource.RLIMIT_CORE: 0,
        }
    )


def _prctl(option: int, value: int) -> None:
    if _libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def die_with(parent: int) -> None:
    """End this process as soon as its parent ends, or now if it has ended already. ``parent``: the number of its process."""
    _prctl(_PR_SET_PDEATHSIG, 9)
    if os.getppid() != parent:
        os._exit(1)


def _die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, 9)
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _landlock(writable: Path | None, readable: Path | None) -> None:
    abi = landlock_abi()
    handled = _BASE | _REFER | (_TRUNCATE if abi >= 3 else 0) | (_IOCTL_DEV if abi >= 5 else 0)
    kept = _READ_FILE | _READ_DIR | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER
    kept |= handled & _TRUNCATE
    net, scoped = (3 if abi >= 4 else 0), (3 if abi >= 6 else 0)
    attributes = struct.pack("=QQQ", handled, net, scoped)[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    ruleset = _call(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for path, rights in ((writable, kept), (readable, _READ_FILE | _READ_DIR)):
            if path is not None:
                _allow(ruleset, path, rights)
        _call(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    folder = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        _call(_ADD, ruleset, 1, struct.pack("=Qi", rights, folder), 0)
    finally:
        os.close(folder)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc().syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _seccomp() -> None:
    pyseccomp = _pyseccomp()
    chosen = pyseccomp.SyscallFilter(pyseccomp.ERRNO(1))
    for name in ALLOWED_CALLS:
        if _known(pyseccomp, name):
            chosen.add_rule(pyseccomp.ALLOW, name)
    # Python marks some descriptors close-on-exec by ioctl; every other ioctl (terminals!) stays forbidden.
    chosen.add_rule(pyseccomp.ALLOW, "ioctl", pyseccomp.Arg(1, pyseccomp.EQ, termios.FIOCLEX))
    chosen.load()


def _known(pyseccomp: object, name: str) -> bool:
    """Some calls do not exist on every architecture (``open`` on ARM)."""
    resolve = getattr(pyseccomp, "resolve_syscall")  # noqa: B009 - the library is untyped
    system_arch = getattr(pyseccomp, "system_arch")  # noqa: B009
    return bool(resolve(system_arch(), name) >= 0)
