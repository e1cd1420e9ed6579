"""Runs the rules of one sweep in two processes when the package is large: rules are pure, so it matters not who runs them.

A fork shares all that was read and searched. Rules of one family stay together, because they share what they have parsed.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from fulldress.model.finding import Finding

Done = dict[int, list[Finding]]
"""Number of a rule -> what it found."""
WORTH_IT = 24 << 20
"""Bytes of content from which a second process pays."""
TOO_MUCH = 2 << 30
"""Bytes of content from which two processes would need more memory than a scan may take."""


def shared_out(groups: Sequence[Sequence[int]], run: Callable[[int], list[Finding]]) -> Done:
    """Run every rule once, group by group, in this process and in one more; each takes the next group when it is free.

    Should the other process fail, this one does its part as well.
    """
    queue, inlet = os.pipe()
    os.write(inlet, bytes(range(len(groups))))
    os.close(inlet)
    answers, answering = os.pipe()
    collecting = gc.isenabled()
    gc.freeze()  # a collection would write to every object, and so end their being shared
    gc.disable()  # rules leave next to no cycles behind
    helper = os.fork()
    if not helper:
        _helper(groups, run, queue, answering)
    os.close(answering)
    try:
        done = _work(groups, run, queue)
        theirs = _answer(answers)
        helper = _ended(helper)
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()
        for handle in (queue, answers):
            os.close(handle)
        if helper:
            with suppress(ProcessLookupError):
                os.kill(helper, signal.SIGKILL)
            _ended(helper)
    done.update(theirs)
    for number in (n for group in groups for n in group if n not in done):
        done[number] = run(number)
    return done


def give_back() -> None:
    """Return to the machine what was used and is no longer needed; not every C library can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _work(groups: Sequence[Sequence[int]], run: Callable[[int], list[Finding]], queue: int) -> Done:
    done: Done = {}
    while taken := os.read(queue, 1):
        done.update({number: run(number) for number in groups[taken[0]]})
    return done


def _helper(groups: Sequence[Sequence[int]], run: Callable[[int], list[Finding]], queue: int, answering: int) -> None:
    """The other process: never returns."""
    code = 1
    try:
        data = msgspec.msgpack.encode(_work(groups, run, queue))
        with os.fdopen(answering, "wb") as out:
            out.write(data)
        code = 0
    finally:
        os._exit(code)  # whatever was raised: nothing of the parent's may be tidied up here


def _answer(answers: int) -> Done:
    parts = []
    while piece := os.read(answers, 1 << 20):
        parts.append(piece)
    try:
        return msgspec.msgpack.decode(b"".join(parts), type=Done)
    except msgspec.MsgspecError:
        return {}


def _ended(helper: int) -> int:
    os.waitpid(helper, 0)
    return 0
