"""Configuration from /etc/dten-lims/dten.conf; secrets come from the environment."""

import configparser
import os
from pathlib import Path
from typing import NamedTuple

from dten_lims.release import hybrid_mode

CONFIG = "/etc/dten-lims/dten.conf"


class Settings(NamedTuple):
    """What the service needs to know; seconds are floats."""

    port: int
    workers: int
    threads: int
    partner_url: str
    partner_timeout: float
    partner_retries: int
    webhook_url: str
    webhook_token: str
    writable: bool
    database: str
    timezone: str


def load(path=None):
    """Read the settings."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(Path(path or os.environ.get("DTEN_CONFIG", CONFIG)).read_text())
    http, partner, hook, database = (parser[s] for s in ("http", "partner", "webhook", "database"))
    zone = parser.get("site", "timezone", fallback="Europe/Vienna")
    dsn = f"host={database['host']} port={database['port']} dbname={database['name']} user={database['user']}"
    dsn += f" options='-c timezone={zone}'"
    return Settings(
        port=http.getint("port"),
        workers=http.getint("workers"),
        threads=http.getint("threads"),
        partner_url=partner["base_url"].rstrip("/"),
        partner_timeout=partner.getfloat("timeout"),
        partner_retries=partner.getint("retries"),
        webhook_url=hook["url"],
        webhook_token=os.environ.get("DTEN_WEBHOOK_TOKEN", ""),
        writable=hybrid_mode(dict(parser["hybrid"]) if parser.has_section("hybrid") else {}),
        database=dsn,
        timezone=zone,
    )
