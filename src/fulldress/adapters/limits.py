"""Limits of the calling process and of all that it starts, for good. A limit that is already lower stays."""

from __future__ import annotations

import resource
from collections.abc import Mapping


def limit(most: Mapping[int, int]) -> None:
    """``resource.RLIMIT_...`` -> the most there may be of it: seconds, bytes or descriptors. Raises OSError."""
    for what, wanted in most.items():
        hard = resource.getrlimit(what)[1]
        lowered = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(what, (lowered, lowered))
