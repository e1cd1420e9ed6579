"""PostgreSQL migrations as text: read, judged for locks, rewritten to run online, reverted. Pure, no I/O.

``parse`` reads, ``locks`` says what each statement locks, ``hazards`` names what goes wrong under load, ``rewrite`` writes
the online form, ``down`` the way back.
"""

from fulldress.formats.sql.locks import Effect, lock_effects
from fulldress.formats.sql.parse import Script, Statement, script, statements

__all__ = ["Effect", "Script", "Statement", "lock_effects", "script", "statements"]
