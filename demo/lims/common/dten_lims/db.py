"""The database: one pool per process, one transaction per request."""

import threading
from contextlib import contextmanager

import psycopg2
import psycopg2.extras
import psycopg2.pool


class Database:
    """A pool of connections; a thread waits when all are in use."""

    def __init__(self, dsn, size):
        self._dsn, self._size = dsn, size
        self._slots = threading.BoundedSemaphore(size)
        self._pool = None
        self._lock = threading.Lock()

    def _connections(self):
        with self._lock:
            if self._pool is None:
                self._pool = psycopg2.pool.ThreadedConnectionPool(1, self._size, self._dsn, application_name="dten-lims")
            return self._pool

    @contextmanager
    def cursor(self):
        """A cursor in a transaction that commits at the end; a connection that broke is thrown away."""
        with self._slots:
            pool = self._connections()
            connection = pool.getconn()
            broken = True
            try:
                with connection, connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                    yield cursor
                broken = False
            except psycopg2.Error:
                broken = connection.closed != 0
                raise
            except Exception:
                broken = False
                raise
            finally:
                pool.putconn(connection, close=broken or connection.closed != 0)
