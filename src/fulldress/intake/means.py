"""What ``trust`` needs of the mathematics of signatures: the seam between its judgement and the adapters. No logic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from fulldress.adapters.sigview import Checker
from fulldress.model.signed import SignedBy


class OpenPgpMeans(Protocol):
    """What trust needs of OpenPGP (``adapters.openpgp.OpenPgp``)."""

    def certificates(self, data: bytes) -> tuple[str, ...]: ...
    def detached(self, signature: bytes, data: Path, keys: Sequence[bytes], now: datetime) -> list[SignedBy]: ...
    def inline(self, message: bytes, keys: Sequence[bytes], now: datetime) -> tuple[bytes, list[SignedBy]]: ...


class X509Means(Protocol):
    """What trust needs of X.509 and CMS (``adapters.cms.X509``)."""

    def certificates(self, data: bytes) -> tuple[bytes, ...]: ...
    def describe(self, certificate: bytes, pool: Sequence[bytes], roots: Sequence[str], now: datetime) -> SignedBy: ...
    def detached(
        self,
        signature: bytes,
        data: Path,
        pool: Sequence[bytes],
        roots: Sequence[str],
        now: datetime,
        stampers: Sequence[str] = ...,
    ) -> list[SignedBy]: ...


class Means(NamedTuple):
    """The mathematics: one for OpenPGP, one for X.509 and CMS, and checkers that find what they check."""

    openpgp: OpenPgpMeans
    x509: X509Means
    others: tuple[Checker, ...] = ()
