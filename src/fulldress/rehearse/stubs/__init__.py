"""The protocols that the sink speaks: one file each, found by being in this folder.

A stub is a module with ``NAME``, ``PORTS`` (ports on which it is assumed before the client said anything), ``speaks(first)``
(do these first bytes look like it?) and ``async serve(call)``. It answers, and records through ``call.record``.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Protocol, cast

from fulldress.rehearse.stubs.base import Call


class Stub(Protocol):
    """What a module of this folder offers."""

    NAME: str
    PORTS: tuple[int, ...]

    def speaks(self, first: bytes) -> bool:
        """Whether a client's first bytes (up to 8) are this protocol."""
        ...

    async def serve(self, call: Call) -> None:
        """Answer one connection to its end."""
        ...


@cache
def all_stubs() -> dict[str, Stub]:
    """Every stub of this folder by its name."""
    found: dict[str, Stub] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "serve") and hasattr(module, "NAME"):
            stub = cast(Stub, module)
            found[stub.NAME] = stub
    return found
