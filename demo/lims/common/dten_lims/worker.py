"""Delivers the outbox to the partner's webhook, with retries, one event after the other."""

import json
import logging
import signal
import time
import urllib.request

import psycopg2

from dten_lims.db import Database
from dten_lims.settings import load

log = logging.getLogger("dten.worker")
POLL_SECONDS = 1.0
MAX_ATTEMPTS = 8
_NEXT = """SELECT id, payload FROM outbox WHERE delivered_at IS NULL AND attempts < %s AND due_at <= now()
           ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"""


def post(settings, payload):
    """Deliver one event; raises OSError."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {settings.webhook_token}"}
    request = urllib.request.Request(settings.webhook_url, json.dumps(payload).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=settings.partner_timeout) as answer:
        answer.read()


def deliver_one(database, settings, send=post):
    """Deliver the next event that is due; False when there is none."""
    with database.cursor() as cursor:
        cursor.execute(_NEXT, (MAX_ATTEMPTS,))
        found = cursor.fetchone()
        if found is None:
            return False
        try:
            send(settings, found["payload"])
        except OSError as error:
            log.warning("event %s not delivered: %s", found["id"], error)
            later = "attempts = attempts + 1, due_at = now() + interval '2 seconds' * 2 ^ attempts"
            cursor.execute(f"UPDATE outbox SET {later} WHERE id = %s", (found["id"],))
        else:
            cursor.execute("UPDATE outbox SET delivered_at = now() WHERE id = %s", (found["id"],))
    return True


def main():
    """Poll until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    settings = load()
    database = Database(settings.database, 1)
    while not stopped:
        try:
            busy = deliver_one(database, settings)
        except psycopg2.Error as error:
            log.warning("database: %s", error)
            busy = False
        if not busy:
            time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
