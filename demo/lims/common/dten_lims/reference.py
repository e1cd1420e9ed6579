"""Reference values of a method, asked from the partner with retries and kept in the table reference_value."""

import json
import logging
import random
import time
import urllib.error
import urllib.request

from dten_lims import backoff

log = logging.getLogger("dten.reference")
MAX_AGE_SECONDS = 2


class PartnerError(Exception):
    """The partner did not answer within all tries."""


def fetch(url, timeout, retries, *, opener=urllib.request.urlopen, sleep=time.sleep, rand=random.random):
    """The partner's JSON, retried after 5xx and connection errors."""
    waits = backoff.delays(retries, rand)
    for attempt in range(len(waits) + 1):
        try:
            with opener(url, timeout=timeout) as answer:
                return json.load(answer), attempt
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise PartnerError(f"partner answered {error.code}") from error
            cause = error
        except (OSError, ValueError) as error:
            cause = error
        if attempt < len(waits):
            log.warning("retry %d of %d at the partner (%s): %s", attempt + 1, len(waits), backoff.STRATEGY, cause)
            sleep(waits[attempt])
    raise PartnerError("partner does not answer")


def value(database, settings, method):
    """The reference value, from the table while it is fresh, else from the partner; stale rather than none."""
    with database.cursor() as cursor:
        query = "SELECT payload, extract(epoch FROM now() - fetched_at) AS age FROM reference_value WHERE method = %s"
        cursor.execute(query, (method,))
        known = cursor.fetchone()
    if known and known["age"] < MAX_AGE_SECONDS:
        return {**known["payload"], "source": "table"}
    try:
        url = f"{settings.partner_url}/reference/{method}"
        payload, tries = fetch(url, settings.partner_timeout, settings.partner_retries)
    except PartnerError:
        if known:
            return {**known["payload"], "source": "stale table"}
        raise
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reference_value (method, payload, fetched_at) VALUES (%s, %s, now())"
            " ON CONFLICT (method) DO UPDATE SET payload = excluded.payload, fetched_at = excluded.fetched_at",
            (method, json.dumps(payload)),
        )
    return {**payload, "source": "partner", "retries": tries}
