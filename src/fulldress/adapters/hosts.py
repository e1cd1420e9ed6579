"""From an address in ``release.toml`` to the host behind it. Opens nothing that is not asked for."""

from __future__ import annotations

from fulldress.adapters import nspawn
from fulldress.errors import UsageError
from fulldress.ports import Host


def open_host(address: str) -> Host:
    """``machine:NAME`` → the running machine. Raises UsageError for an address of an unknown kind."""
    kind, colon, rest = address.partition(":")
    if colon and kind == "machine" and rest:
        return nspawn.attach(rest)
    raise UsageError(f"not a host's address: {address!r}", fix="write `machine:NAME` (see `fulldress doctor` for machines)")
