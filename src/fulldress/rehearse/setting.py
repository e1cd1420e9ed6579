"""What every act of one rehearsal plays in, and the one way to make it. Holds things together; does nothing with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fulldress.model.proof import Allowed
from fulldress.model.rehearsal import FidelityFigure
from fulldress.model.release import Release
from fulldress.ports import CloneDriver, Keeper, Progress
from fulldress.rehearse.mirror import Mirror
from fulldress.rehearse.model_traffic import Planned
from fulldress.rehearse.network import Wiring
from fulldress.rehearse.outside import Outside
from fulldress.rehearse.wanted import Wanted
from fulldress.store.blobs import BlobStore


class Load(NamedTuple):
    """The load of every act."""

    planned: Sequence[Planned]
    """Long enough for the longest act; it is stopped when the act ends."""
    source: str
    notes: tuple[str, ...]
    """What must be said of where it comes from."""
    left_out: Mapping[str, int]
    """Requests of the log that are not sent, because no body is declared: endpoint -> how many."""
    figures: tuple[FidelityFigure, ...] = ()
    """How like the log it is; none for declared traffic."""
    declared: Mapping[str, float] = MappingProxyType({})
    """Requests a minute that people declared (endpoint -> rate, by the multiple of this load); none for a log's."""
    burstiness: float = 1.0
    """Variance / mean of declared requests in ten seconds."""


class Setting(NamedTuple):
    """What every act of one rehearsal plays in."""

    id: str
    release: Release
    mirror: Mirror
    blobs: BlobStore
    directory: Path
    """``06-rehearsals/<id>``"""
    engine_dir: Path
    """Where the engine keeps its own database; taken away with the rehearsal."""
    scratch: Path
    keeper: Keeper
    driver: CloneDriver
    wiring: Wiring
    load: Load
    outside: Outside
    allowed: tuple[Allowed, ...]
    progress: Progress
    durations: dict[str, float]
    """Filled in as the rehearsal goes: what -> seconds."""
    wanted: Wanted
    load_again: Callable[[int], Load]
    """The load of the n-th repetition (1, 2, ...): the same traffic, other requests."""


NO_LOAD = Load((), "", (), {})


class Silent:
    """Progress that says nothing: somebody else draws the bar."""

    def start(self, label: str, total: float | None = None) -> None:
        """Nothing."""

    def advance(self, amount: float = 1.0) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


def quiet(
    ident: str,
    release: Release,
    mirror: Mirror,
    *,
    blobs: BlobStore,
    directory: Path,
    engine_dir: Path,
    scratch: Path,
    keeper: Keeper,
    driver: CloneDriver,
    outside: Outside | None = None,
    allowed: tuple[Allowed, ...] = (),
    wanted: Wanted | None = None,
) -> Setting:
    """A setting without load, which says nothing; ``_replace`` adds load, progress and production's own addresses."""
    return Setting(
        id=ident,
        release=release,
        mirror=mirror,
        blobs=blobs,
        directory=directory,
        engine_dir=engine_dir,
        scratch=scratch,
        keeper=keeper,
        driver=driver,
        wiring=Wiring(),
        load=NO_LOAD,
        outside=outside or Outside(),
        allowed=allowed,
        progress=Silent(),
        durations={},
        wanted=wanted or Wanted(),
        load_again=lambda _: NO_LOAD,
    )
