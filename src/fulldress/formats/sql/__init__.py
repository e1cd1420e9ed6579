"""PostgreSQL migrations as text: read, judged for locks, rewritten to run online, reverted. Pure, no I/O.

``parse`` reads, ``locks`` says what each statement locks, ``hazards`` names what goes wrong under load, ``rewrite`` writes
the online form, ``down`` the way back.
"""

from fulldress.formats.sql.catalogue import Catalogue
from fulldress.formats.sql.down import derive_down
from fulldress.formats.sql.hazards import has_mutex, hazards, script_hazards
from fulldress.formats.sql.kinds import ONLINE, Hazard, HazardKind, rows_of
from fulldress.formats.sql.locks import Effect, lock_effects
from fulldress.formats.sql.online import MUTEX
from fulldress.formats.sql.parse import Script, Session, Statement, script, statements
from fulldress.formats.sql.rewrite import Rewrite, online_rewrite

__all__ = [
    "MUTEX",
    "ONLINE",
    "Catalogue",
    "Effect",
    "Hazard",
    "HazardKind",
    "Rewrite",
    "Script",
    "Session",
    "Statement",
    "derive_down",
    "has_mutex",
    "hazards",
    "lock_effects",
    "online_rewrite",
    "rows_of",
    "script",
    "script_hazards",
    "statements",
]
