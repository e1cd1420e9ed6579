"""The boundary between a rule and everything else: what a rule raises ends that rule and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def attempt(work: Callable[[], T]) -> T | Exception:
    """What the work gives, or what it raised."""
    try:
        return work()
    except Exception as error:  # named boundary: rules are plug-ins
        return error
