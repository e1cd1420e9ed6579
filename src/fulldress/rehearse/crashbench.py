"""A clone on which passes of a sweep are played one after another, as long as each leaves it exactly as it was.

A clone that is proven equal to what it was is as good as a fresh one; one that is not is thrown away. What it was is read
once, after a power cut and a boot when power cuts are among the faults, so that those alone are no difference.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from fulldress.adapters.scratch import ensure_free
from fulldress.errors import CapabilityMissing
from fulldress.model.faults import Fault
from fulldress.model.plan import PlanLock
from fulldress.model.proof import Difference
from fulldress.rehearse import proof
from fulldress.rehearse.acts import Stage, await_product, capture_state, staged
from fulldress.rehearse.beside import production_of
from fulldress.rehearse.crashes import Victim
from fulldress.rehearse.crashpass import Ground, Pass
from fulldress.rehearse.crashtrail import Trail
from fulldress.rehearse.injections import Item, Played
from fulldress.rehearse.runner import Link
from fulldress.rehearse.setting import Setting

PATIENCE_S = 10.0
"""What was just started may take so long until it answers."""
_NUMBERS = itertools.count(1)


class Bench:
    """A booted clone and what it was before anything was done to it; a context manager."""

    def __init__(
        self,
        setting: Setting,
        lock: PlanLock,
        expected: Mapping[tuple[str, str], float],
        faults: Sequence[Fault],
        *,
        own_disk: bool = False,
    ) -> None:
        self._setting, self._lock, self._expected, self._faults = setting, lock, expected, faults
        self.own_disk = own_disk
        self.used = 0
        """Passes that were played on it."""
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Bench:
        with contextlib.ExitStack() as stack:
            setting, ballast = self._setting, None
            if self.own_disk:
                scratch = stack.enter_context(small_disk(setting))
                setting, ballast = setting._replace(scratch=scratch), scratch / "ballast"
            self._stage: Stage = stack.enter_context(staged(setting, f"sweep{next(_NUMBERS)}", volatile=not self.own_disk))
            self._link = Link(self._stage.directory / "link")
            self._victim = Victim(self._stage.clone, self._link, ballast)
            if "power-cut" in self._faults:
                self._victim.power_cut()
                self._await()
            self._before = capture_state(setting, self._stage.clone.host)
            self._answer = self._product()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def play(self, item: Item, run_id: str) -> Played:
        """Play a pass, then compare everything with what it was. ``reached`` carry the comparison."""
        began, setting = time.time(), self._setting
        self.used += 1
        cuts = self._victim.cuts
        ground = Ground(
            lock=self._lock,
            victim=self._victim,
            link=self._link,
            blobs=setting.blobs,
            engine_dir=setting.engine_dir,
            directory=self._stage.directory,
            expected=self._expected,
            trail=Trail(self._stage.clone.writes, production_of(setting.mirror)),
        )
        played = Pass(ground, item, run_id).play()
        if self._victim.cuts != cuts:
            self._await()
        compared = proof.compare(self._before, capture_state(setting, self._stage.clone.host), setting.allowed)
        answers = self._answers_otherwise()
        left = [effect for effect in self._stage.sink.effects(since=began) if not effect.closed]
        shutil.rmtree(setting.engine_dir / "runs" / run_id, ignore_errors=True)
        seconds = round(time.time() - began, 3)
        judged = {
            "equal": compared.equal and not answers,
            "differences": (*answers, *compared.differences)[:20],
            "effects_left": len(left),
        }
        each = round(seconds / max(1, len(played.reached)), 3)
        return msgspec.structs.replace(
            played,
            **judged,
            seconds=seconds,
            reached=tuple(
                msgspec.structs.replace(
                    one,
                    **judged,
                    seconds=each,
                    repeated=tuple(s for s in played.repeated if s == one.step or len(played.reached) == 1),
                    trouble=played.trouble,
                )
                for one in played.reached
            ),
        )

    def _answers_otherwise(self) -> tuple[Difference, ...]:
        """Files and rows may be what they were while what runs is not: the product must answer as it did."""
        until, answer = time.monotonic() + PATIENCE_S, self._product()
        while answer != self._answer and time.monotonic() < until:
            time.sleep(0.2)
            answer = self._product()
        if answer == self._answer:
            return ()
        name = f"answer of {self._setting.release.estate.base_url}"
        return (Difference(part="unit", name=name, before=self._answer, after=answer),)

    def _product(self) -> str:
        """The status with which the product answers."""
        asked = [
            "curl",
            "-s",
            "-o",
            "/dev/null",
            "-m",
            "10",
            "-w",
            "%{http_code}",
            "--",
            self._setting.release.estate.base_url,
        ]
        return self._stage.clone.host.run(asked, timeout_s=30).stdout.decode(errors="replace")[:40] or "none"

    def _await(self) -> None:
        await_product(self._stage.clone.host, self._setting.release.estate.base_url)


@contextlib.contextmanager
def small_disk(setting: Setting) -> Iterator[Path]:
    """A file system of its own for one clone, which can be filled without harm to any other.

    Its blocks are not shared with the mirror, so what the clone opens for writing is copied: it must hold a database.
    """
    held = setting.mirror.database_bytes + setting.mirror.file_bytes
    size = 2 * held + (2 << 30)
    ensure_free(setting.scratch, 2 * setting.mirror.database_bytes + (1 << 30), "a clone with a disk of its own")
    folder = setting.scratch / "disks" / f"{setting.id}-{time.time_ns()}"
    image, mounted = folder / "disk.img", folder / "mounted"
    setting.keeper.keep("tree", str(folder))
    mounted.mkdir(parents=True, mode=0o700)
    with image.open("wb") as stream:
        stream.truncate(size)
    try:
        setting.keeper.keep("mount", str(mounted))
        for argv in (["mkfs.xfs", "-q", str(image)], ["mount", "-o", "loop,discard", str(image), str(mounted)]):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise CapabilityMissing("a small disk could not be made", why=done.stderr.strip(), fix="fulldress doctor")
        yield mounted
    finally:
        setting.keeper.release("mount", str(mounted))
        setting.keeper.release("tree", str(folder))
