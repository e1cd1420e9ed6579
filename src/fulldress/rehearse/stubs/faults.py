"""Scripted misbehaviour of a third party: which request is struck by what, by count, share or rate. Pure; no I/O."""

from __future__ import annotations

import random
from collections import deque
from fnmatch import fnmatchcase

from fulldress.rehearse.outside import Endpoint, Fault, Seconds

NAME = "faults"


class Faults:
    """One third party's faults and how often each was due; the same seed strikes the same requests."""

    def __init__(self, policy: Endpoint) -> None:
        self._policy = policy
        self._chance = random.Random(policy.seed)
        self._seen = [0] * len(policy.fault)
        self._recent: list[deque[float]] = [deque() for _ in policy.fault]

    def strike(self, method: str, path: str, now: float) -> Fault | None:
        """The first fault that is due for this request; ``now`` in seconds of any steady clock."""
        for number, fault in enumerate(self._policy.fault):
            if not (fnmatchcase(method, fault.method.upper()) and fnmatchcase(path, fault.path)):
                continue
            self._seen[number] += 1
            if self._due(fault, number, now):
                return fault
        return None

    def _due(self, fault: Fault, number: int, now: float) -> bool:
        if fault.first:
            return self._seen[number] <= fault.first
        if fault.share:
            return self._chance.random() < fault.share
        if fault.allowed:
            recent = self._recent[number]
            while recent and recent[0] <= now - fault.within_s:
                recent.popleft()
            if len(recent) >= fault.allowed:
                return True
            recent.append(now)
            return False
        return True

    def seconds(self, latency: Seconds) -> float:
        """A latency as declared: fixed, or somewhere between two."""
        return latency if isinstance(latency, (int, float)) else self._chance.uniform(*latency)
