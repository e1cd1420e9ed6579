"""May this mirror be used, and what does the report say of it? Looks at the mirror and at this computer; changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fulldress.model.rehearsal import Check, MirrorFacts
from fulldress.model.release import MaskRule
from fulldress.ports import CloneSource
from fulldress.rehearse.mirror.masking import declared
from fulldress.rehearse.mirror.nouns import Mirror, MirrorFailed


def facts(mirror: Mirror) -> MirrorFacts:
    """For the rehearsal's report."""
    return MirrorFacts(
        host=mirror.host,
        refreshed=mirror.refreshed,
        seconds=mirror.seconds,
        copied_bytes=mirror.copied_bytes,
        databases=mirror.databases,
        excluded=mirror.excluded,
        masked=tuple(f"{mask.title} ({mask.database})" for mask in mirror.masked),
        doubtful=mirror.doubtful,
        left_out=mirror.left_out,
        files=mirror.files,
        file_bytes=mirror.file_bytes,
    )


def checks(mirror: Mirror) -> tuple[Check, ...]:
    """A row of the verdict when a database of production is not in the mirror: without it little was shown."""
    if not mirror.doubtful:
        return ()
    count = len(mirror.doubtful)
    return (Check(name="databases in the mirror", judgement="inconclusive", measured=f"{count} not copied", limit="0"),)


def require_masks(mirror: Mirror, rules: Sequence[MaskRule]) -> None:
    """Raises MirrorFailed unless every declared mask was applied to this mirror, as it is declared now."""
    done = {mask.digest for mask in mirror.masked}
    missing = [rule.title for rule in rules if declared(rule) not in done]
    if missing:
        raise MirrorFailed(
            f"the mirror of {mirror.host} is not masked as declared: {', '.join(missing)}",
            why="a rehearsal would work on personal data that somebody decided to take out",
            fix="fulldress mirror refresh",
        )


def require_still(mirror: CloneSource) -> None:
    """Raises MirrorFailed when something runs on the mirror's data: never an overlay over a live data directory.

    What production writes later would shine through into every clone, and their databases would be torn.
    """
    tree = Path(mirror.tree)
    folders = [tree / cluster.data.lstrip("/") for cluster in mirror.clusters]
    live = [folder for folder in folders if (folder / "postmaster.pid").exists()] or list(_worked_in(tree, folders))
    if live:
        raise MirrorFailed(
            f"a database server runs on {live[0]}: no clone is made over a live data directory",
            why="its later writes would shine through into the clone and tear its tables",
            fix="clone a mirror (fulldress mirror refresh), never production's own tree",
        )


def _worked_in(tree: Path, folders: Sequence[Path]) -> Iterator[Path]:
    """Folders that are the working directory of a process (as a data directory is its server's), or a tree that is its root.

    By whatever path that process knows them: in a container it is another one.
    """
    wanted: dict[tuple[str, int, int], Path] = {}
    for link, folder in (("root", tree), *(("cwd", folder) for folder in folders)):
        if folder.is_dir() and folder != Path("/"):
            seen = folder.stat()
            wanted[link, seen.st_dev, seen.st_ino] = folder
    for process in Path("/proc").glob("[0-9]*"):
        for link in ("cwd", "root"):
            try:
                seen = os.stat(process / link)  # noqa: PTH116 - through the link, by the kernel
            except OSError:
                continue  # it ended, or it is not ours to see
            if found := wanted.get((link, seen.st_dev, seen.st_ino)):
                yield found
