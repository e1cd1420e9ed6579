"""The kernel's timer as a descriptor: what wakes a loop to the microsecond, where its own time-outs count milliseconds."""

from __future__ import annotations

import ctypes
import os
import time

_SECOND = 1_000_000_000
_ABSOLUTE = 1


class Timer:
    """A timerfd: rings at an absolute time of the monotonic clock."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._set = libc.timerfd_settime
        self._set.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._armed = 0
        self._spec = (ctypes.c_long * 4)()
        self._where = ctypes.addressof(self._spec)

    def arm(self, at: int) -> None:
        """Ring at this many nanoseconds; at once when that is past. Rings once, and forgets an earlier time."""
        self._spec[2], self._spec[3] = divmod(at, _SECOND)
        self._set(self.fd, _ABSOLUTE, self._where, None)

    def ensure(self, at: int, now: int) -> None:
        """The same, without asking the kernel when it is set to that already."""
        if at != self._armed or at <= now:
            self._armed = at
            self.arm(at)

    def close(self) -> None:
        """Release the descriptor; does nothing the second time."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
