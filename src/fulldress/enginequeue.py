"""Work that several processes, also on several machines, take from one table: SQLite beside us, or PostgreSQL for all.

An item is taken under a lease, which its taker renews while it lives; when the lease has run out, the next who asks gets
the item. A result counts only when it comes from the one who holds the item: who was thought dead and comes back is not
heard. All times are the database's own, so clocks of machines need not agree. Knows nothing of what the items mean.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from fulldress.errors import CapabilityMissing, FulldressError, UsageError
from fulldress.formats.redact import redacted

LEASE_S = 10.0
LEADERLESS_S = 60.0
"""Work whose leader says nothing for so long is over: nobody would hear the results."""
MOST_TAKES = 3
"""An item whose takers died so often is not handed out any more."""
_NOW = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "extract(epoch from clock_timestamp())",
}
_TABLES = sa.MetaData()
_WORK = sa.Table(
    "fulldress_work",
    _TABLES,
    sa.Column("work", sa.String(80), primary_key=True),
    sa.Column("facts", sa.LargeBinary, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("until", sa.Float, nullable=False),
)
_ITEM = sa.Table(
    "fulldress_item",
    _TABLES,
    sa.Column("work", sa.String(80), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("owner", sa.String(80), nullable=False, default=""),
    sa.Column("until", sa.Float, nullable=False, default=0.0),
    sa.Column("takes", sa.Integer, nullable=False, default=0),
    sa.Column("result", sa.LargeBinary, nullable=True),
)


class QueueLost(FulldressError):
    """The database that hands out the work does not answer. What was taken is handed out again when its lease has run out.

    Look at the server named in ``--queue``; then join again with ``fulldress rehearse --join``.
    """

    slug = "queue-lost"


class Taken(NamedTuple):
    """An item in hand."""

    number: int
    body: bytes
    takes: int


class WorkQueue:
    """One piece of work with its items; several processes may hold one each."""

    def __init__(self, url: str, work: str, *, lease_s: float = LEASE_S) -> None:
        self.url, self.work, self.lease_s = url, work, lease_s
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError:
            raise UsageError("--queue is the URL of a database", fix="for example postgresql://user@host/database") from None
        if parsed.get_backend_name() not in _NOW:
            raise UsageError(f"work cannot be handed out over {parsed.get_backend_name()}", fix="sqlite or postgresql")
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.shown = parsed.render_as_string(hide_password=True)
        connect = {"timeout": 30} if parsed.get_backend_name() == "sqlite" else {"connect_timeout": 10}
        self._engine = sa.create_engine(parsed, connect_args=connect, poolclass=sa.pool.NullPool)
        self._now: sa.ColumnElement[float] = sa.literal_column(_NOW[parsed.get_backend_name()], sa.Float)
        if parsed.get_backend_name() == "sqlite":
            sa.event.listen(self._engine, "connect", _serial)
            sa.event.listen(self._engine, "begin", _immediate)

    # who hands out

    def open(self, facts: bytes) -> None:
        """Begin: make the tables when they are not there, and say what the work is about."""
        with self._turn() as turn:
            _TABLES.create_all(turn)
            turn.execute(sa.insert(_WORK).values(work=self.work, facts=facts, open=True, until=self._now + LEADERLESS_S))

    def lead(self) -> None:
        """Say that whoever handed the work out still waits for it."""
        with self._turn() as turn:
            turn.execute(sa.update(_WORK).where(_WORK.c.work == self.work).values(until=self._now + LEADERLESS_S))

    def put(self, bodies: Iterable[bytes]) -> list[int]:
        """Add items; returns their numbers."""
        with self._turn() as turn:
            last = turn.execute(sa.select(sa.func.max(_ITEM.c.number)).where(_ITEM.c.work == self.work)).scalar() or 0
            numbers = []
            for number, body in enumerate(bodies, last + 1):
                turn.execute(sa.insert(_ITEM).values(work=self.work, number=number, body=body))
                numbers.append(number)
            return numbers

    def results(self, known: Iterable[int] = ()) -> dict[int, bytes]:
        """Results that are there and not known yet."""
        wanted = sa.select(_ITEM.c.number, _ITEM.c.result).where(_ITEM.c.work == self.work, _ITEM.c.result.is_not(None))
        without = set(known)
        with self._turn() as turn:
            return {number: result for number, result in turn.execute(wanted) if number not in without}

    def given_up(self) -> list[int]:
        """Items that were taken too often and never ended."""
        dead = (_ITEM.c.takes >= MOST_TAKES, _ITEM.c.until < self._now, _ITEM.c.result.is_(None))
        with self._turn() as turn:
            return [n for (n,) in turn.execute(sa.select(_ITEM.c.number).where(_ITEM.c.work == self.work, *dead))]

    def holders(self) -> list[str]:
        """Who holds an item at this moment."""
        held = (_ITEM.c.work == self.work, _ITEM.c.result.is_(None), _ITEM.c.until >= self._now)
        with self._turn() as turn:
            return sorted({owner for (owner,) in turn.execute(sa.select(_ITEM.c.owner).where(*held))})

    def owners(self) -> dict[str, int]:
        """Who has ended how many items."""
        counted = (
            sa.select(_ITEM.c.owner, sa.func.count())
            .where(_ITEM.c.work == self.work, _ITEM.c.result.is_not(None))
            .group_by(_ITEM.c.owner)
        )
        with self._turn() as turn:
            return {row.owner: int(row[1]) for row in turn.execute(counted)}

    def close(self) -> None:
        """No more work; who asks is told so, and the items are forgotten."""
        with self._turn() as turn:
            turn.execute(sa.update(_WORK).where(_WORK.c.work == self.work).values(open=False))
            turn.execute(sa.delete(_ITEM).where(_ITEM.c.work == self.work))

    # who takes

    def facts(self) -> bytes | None:
        """What the work is about; None when it is over, was never begun, or its leader is gone."""
        wanted = sa.select(_WORK.c.facts).where(_WORK.c.work == self.work, _WORK.c.open, _WORK.c.until >= self._now)
        with self._turn() as turn:
            if not sa.inspect(turn).has_table(_WORK.name):
                return None
            found = turn.execute(wanted).scalar()
            return None if found is None else bytes(found)

    def take(self, owner: str) -> Taken | None:
        """The next item that nobody holds; None when there is none at this moment."""
        free = (_ITEM.c.result.is_(None), _ITEM.c.until < self._now, _ITEM.c.takes < MOST_TAKES)
        wanted = (
            sa.select(_ITEM.c.number, _ITEM.c.body, _ITEM.c.takes)
            .where(_ITEM.c.work == self.work, *free)
            .order_by(_ITEM.c.takes, _ITEM.c.number)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._turn() as turn:
            found = turn.execute(wanted).first()
            if found is None:
                return None
            mine = {"owner": owner, "until": self._now + self.lease_s, "takes": found.takes + 1}
            turn.execute(sa.update(_ITEM).where(*self._of(found.number)).values(mine))
            return Taken(found.number, bytes(found.body), found.takes + 1)

    def renew(self, owner: str) -> int:
        """Say that the taker lives; returns how many items it holds."""
        held = (_ITEM.c.work == self.work, _ITEM.c.owner == owner, _ITEM.c.result.is_(None), _ITEM.c.until >= self._now)
        with self._turn() as turn:
            return turn.execute(sa.update(_ITEM).where(*held).values(until=self._now + self.lease_s)).rowcount

    def report(self, number: int, owner: str, result: bytes) -> bool:
        """Hand in a result; False when somebody else holds the item by now, and this one does not count."""
        mine = (*self._of(number), _ITEM.c.owner == owner, _ITEM.c.result.is_(None))
        with self._turn() as turn:
            return turn.execute(sa.update(_ITEM).where(*mine).values(result=result)).rowcount == 1

    def _of(self, number: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return (_ITEM.c.work == self.work, _ITEM.c.number == number)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[sa.Connection]:
        """One transaction. CapabilityMissing for a driver that is not there, QueueLost for a server that is not."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except ModuleNotFoundError as error:
            raise CapabilityMissing(f"{error.name} is not installed", fix="pip install 'psycopg[binary]'") from error
        except sa.exc.OperationalError as error:
            why = redacted(str(error.orig))[:300]
            raise QueueLost(f"the queue {self.shown} does not answer", why=why) from error


def _serial(connection: Any, record: Any) -> None:
    del record
    connection.isolation_level = None  # the driver begins nothing by itself
    connection.execute("PRAGMA journal_mode=WAL")


def _immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
