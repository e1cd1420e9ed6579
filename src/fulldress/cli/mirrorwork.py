"""The mirrors of a release: where they are, what release.toml declares for them, made and looked at by two commands.

Joins the release folder, hosts and mirrors.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from fulldress.adapters.hosts import open_host
from fulldress.adapters.scratch import scratch_dir
from fulldress.errors import UsageError
from fulldress.model.release import MaskRule, Mirroring
from fulldress.ports import Host, Progress
from fulldress.rehearse import clones, mirror
from fulldress.store.folder import ReleaseFolder


def mirror_dir(address: str) -> Path:
    """Where the mirror of a host is, or will be."""
    return scratch_dir() / "mirrors" / clones.folder_name(address)


def wishes(folder: ReleaseFolder) -> Mirroring:
    """``[mirror]`` with the masks' files read; raises UsageError for a mask without SQL, or with two."""
    declared = folder.release().mirror
    return msgspec.structs.replace(declared, mask=tuple(_read(folder, rule) for rule in declared.mask))


def refreshed(folder: ReleaseFolder, host: Host, progress: Progress | None, where: Path | None = None) -> mirror.Mirror:
    """The mirror of a host (in ``where``, or its usual place) brought up to date as declared, and fit for use."""
    declared = wishes(folder)
    made = mirror.refresh(host, where or mirror_dir(host.name), declared=declared, progress=progress)
    mirror.require_masks(made, declared.mask)
    return made


def hosts(folder: ReleaseFolder, named: str = "") -> list[str]:
    """Addresses: the one that was named, else all that the release declares. Raises UsageError when there is none."""
    declared = list(folder.release().estate.hosts)
    if named:
        return [named]
    if not declared:
        raise UsageError("the release names no host", fix='add hosts = ["ssh:root@host"] under [estate] in release.toml')
    return declared


def opened(address: str) -> Host:
    """The host of an address."""
    return open_host(address)


def _read(folder: ReleaseFolder, rule: MaskRule) -> MaskRule:
    if bool(rule.sql) == bool(rule.file):
        raise UsageError(f"the mask {rule.title!r} needs either sql or file", fix="correct [[mirror.mask]] in release.toml")
    if not rule.file:
        return rule
    try:
        return msgspec.structs.replace(rule, sql=folder.path(rule.file).read_text(), file="")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{rule.file} of the mask {rule.title!r} cannot be read: {error}") from error
