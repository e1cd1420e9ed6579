"""The nightly report: results by method and state of the last day, as a text file."""

import sys
from datetime import datetime
from pathlib import Path

from dten_lims.db import Database
from dten_lims.settings import load

TARGET = Path("/var/cache/dten-lims")
_SQL = """SELECT a.method, r.status, count(*) AS n FROM result r JOIN analysis a ON a.id = r.analysis_id
          WHERE r.entered_at > now() - interval '1 day' GROUP BY 1, 2 ORDER BY 1, 2"""


def main():
    """Write report-DATE.txt."""
    with Database(load().database, 1).cursor() as cursor:
        cursor.execute(_SQL)
        lines = [f"{row['method']:<12}{row['status']:<10}{row['n']:>8}" for row in cursor.fetchall()]
    path = TARGET / f"report-{datetime.now():%Y-%m-%d}.txt"
    path.write_text("\n".join([f"{'method':<12}{'state':<10}{'results':>8}", *lines, ""]))
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
