"""From an address in ``release.toml`` to the host behind it. Opens nothing that is not asked for."""

from __future__ import annotations

import re
from pathlib import Path

from fulldress.adapters import nspawn
from fulldress.adapters.chroot import ChrootHost
from fulldress.adapters.local import LocalHost
from fulldress.adapters.ssh import SshHost
from fulldress.errors import UsageError
from fulldress.ports import Host

FORMS = "`machine:NAME`, `ssh:user@host`, `local:` or `chroot:/path`"


_ADDRESS = re.compile(r"(?:machine|ssh):.+|local:|chroot:/.*")


def is_address(text: str) -> bool:
    """True when a text has the form of an address; asks nobody."""
    return _ADDRESS.fullmatch(text) is not None


def open_host(address: str) -> Host:
    """The host of an address: ``machine:NAME``, ``ssh:user@host[:port]``, ``local:``, ``chroot:/path``.

    Raises UsageError for an address of an unknown kind; a host over SSH is connected to by its first command.
    """
    kind, colon, rest = address.partition(":")
    if colon and kind == "machine" and rest:
        return nspawn.attach(rest)
    if colon and kind == "ssh" and rest:
        return SshHost(rest)
    if colon and kind == "local" and not rest:
        return LocalHost()
    if colon and kind == "chroot" and rest.startswith("/"):
        return ChrootHost(Path(rest))
    raise UsageError(f"not a host's address: {address!r}", fix=f"write {FORMS} (see `fulldress doctor` for machines)")
