"""What a package does that a clone had to contain: it went down, was switched off, left things running, met its limits.

Looks at the clone after each step, plays on when a step switched the machine off, and says everything in words for the
report. Contains nothing itself: that is done by namespaces, control groups, capabilities and the disk budget.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from fulldress.adapters.transient import HostLost
from fulldress.engine import Outcome, StepEvent
from fulldress.formats.hosttext import clean
from fulldress.model.plan import StepTiming
from fulldress.ports import Clone
from fulldress.store.journal import read_journal

JUMP_S = 0.25
"""This computer's clock may be corrected by less than this while a step runs."""
_UNKNOWN = 99
CLOCK = re.compile(
    r"cannot set date|Failed to set (?:time|ntp)|settimeofday|clock_settime|adjtimex"
    r"|hwclock: (?:Cannot access the Hardware Clock|.*not permitted)",
    re.IGNORECASE,
)
REFUSED = (
    (re.compile(r"/proc/sys/\S+: Read-only file system|sysctl: permission denied on key"), "changed settings of the kernel"),
    (re.compile(r"(?:modprobe|insmod|rmmod): (?:FATAL|ERROR)"), "loaded or removed a kernel module"),
    (re.compile(r"mount: .*(?:permission denied|failed to setup loop|is not a block device)"), "mounted a device"),
)
"""What programs say of it; the output of a step is all there is to go by."""


class Containment:
    """Watches one clone over the steps of an act."""

    def __init__(self, clone: Clone) -> None:
        self._clone = clone
        self.found: list[str] = []
        """What had to be contained, in words, in the order in which it happened."""
        self._step = ""
        self._off = ""
        """The step that switched the machine off."""
        self._begun: StepEvent | None = None
        self._ended: list[StepTiming] = []
        self.notes: list[str] = []
        """What the clone refused and production would have done: the rehearsal did not show it."""
        self._strain = dict(clone.strain())
        self._clock = _clock()
        self._last = clone.look()

    @property
    def over(self) -> bool:
        """The clone was stopped for good."""
        return bool(self._clone.trouble)

    def played(
        self, perform: Callable[[Callable[[StepEvent], None]], Outcome], journal: Path, tell: Callable[[StepEvent], None]
    ) -> list[StepTiming]:
        """Perform with an eye on the clone; a machine that a step switched off is switched on again, to go on.

        Of a clone that was stopped for good the steps so far are returned, the last one failed.
        """

        def heard(event: StepEvent) -> None:
            self.hear(event)
            tell(event)

        known = len(read_journal(journal))
        while True:
            try:
                timings = list(perform(heard).timings)
                break
            except HostLost:
                self._note_strain()
                if self.over:
                    timings = self._so_far()
                    break
                if self._clone.running or self._off == self._step:
                    raise
                self._off = self._step
                self._say(f"step {self._step} switched the machine off; it was switched on again to go on")
                self._clone.boot()
                self._last = self._clone.look()
        self._note_leftovers(journal, known)
        return timings

    def hear(self, event: StepEvent) -> None:
        """After each step, look."""
        if event.kind == "started":
            self._step, self._begun = event.step.id, event
        elif event.kind == "ended":
            self._begun = None
            if event.timing is not None:
                self._ended.append(event.timing)
            self._note_refused(event.step.id, event.output)
            self.ended(event.step.id, event.code)

    def ended(self, step: str, code: int | None) -> None:
        """Look what became of the clone in this step."""
        self._step = step
        self._note_strain()
        clock = _clock()
        if abs(clock - self._clock) > JUMP_S:
            self._say(f"the clock of this computer moved by {clock - self._clock:+.1f} s during step {step}")
        self._clock = clock
        now = self._clone.look()
        if now is None or self._last is None:
            self._last = now or self._last
            return
        if now.boot != self._last.boot:
            self._say(f"step {step} rebooted the machine")
        elif code == _UNKNOWN and step != self._off:
            self._say(f"what supervises step {step} was killed: nobody can tell how the step ended")
        new = sorted(now.transient - self._last.transient)
        if new and now.boot == self._last.boot:
            self._say(f"step {step} left running outside itself: {', '.join(new[:5])}")
        if now.outside > self._last.outside:
            self._say(f"step {step} left {now.outside - self._last.outside} processes running outside every unit")
        self._last = now

    def _note_strain(self) -> None:
        now = self._clone.strain()
        for limit, count in now.items():
            more = count - self._strain.get(limit, 0)
            if more > 0:
                self._say(f"step {self._step}: {limit}" + (f" ({more} times)" if more > 1 else ""))
        self._strain = dict(now)

    def _note_refused(self, step: str, output: str) -> None:
        """A step may go on after what was refused, and end well: production would not have refused it."""
        if CLOCK.search(output):
            self._say(f"step {step} tried to set the clock, which a clone may not")
        for pattern, what in REFUSED:
            if pattern.search(output):
                text = f"Refused in the clone, so not shown: step {step} {what}."
                self.notes = [*self.notes, *(() if text in self.notes else (text,))]

    def _note_leftovers(self, journal: Path, known: int) -> None:
        for event in read_journal(journal)[known:]:
            count = int(event.data.get("leftovers") or 0)
            if event.kind == "step-ended" and count:
                word = "process was" if count == 1 else "processes were"
                self._say(f"{count} {word} left behind by step {event.data.get('step')}, and ended with it")

    def _so_far(self) -> list[StepTiming]:
        """The steps that ended, and the one under way as failed."""
        timings = list(self._ended)
        if self._begun is not None:
            step = self._begun.step
            timings.append(
                StepTiming(
                    id=step.id,
                    title=step.title,
                    kind=step.kind,
                    phase=self._begun.phase,
                    started=self._begun.at,
                    ended=time.time(),
                    code=_UNKNOWN,
                    output=f"the clone was stopped: {self._clone.trouble}",
                )
            )
        return timings

    def _say(self, text: str) -> None:
        if text not in self.found:
            self.found.append(clean(text))


def _clock() -> float:
    """How far this computer's wall clock is from its steady one."""
    return time.time() - time.monotonic()
