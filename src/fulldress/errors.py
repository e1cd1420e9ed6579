"""Every failure of the product as one tree: what happened, why, how to fix it, and the exit code.

Lowest floor: imports nothing of ours and does no I/O. ``fulldress explain SLUG`` prints an error's page from its
docstring; a test fails when one is undocumented.

FulldressError
 ├─ UsageError (2)            the command line or a file that a person wrote is wrong
 ├─ NothingToDo (3)           zero inputs are never a success
 ├─ PackageRefused (1)        the package is hostile, damaged or ambiguous; nothing was written outside the store
 ├─ FileUnusable (1)         a file or folder cannot be read or written by this user
 ├─ CapabilityMissing (1)     this machine lacks what the command needs
 ├─ NoGo (20)                 a gate says no
 ├─ Stale (21)                an input changed since it was read, named by file
 ├─ TargetHeld (1)            another run holds the target
 ├─ StateDiskFull (1)         the state directory is full; free room, then the same command goes on
 ├─ StepFailed (1)            a step of the plan failed on the host
 ├─ RolledBack (30)           the run was aborted and everything was undone
 └─ RollbackIncomplete (31)   an undo failed: what is left is listed
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_BROKE = 1
EXIT_USAGE = 2
EXIT_NOTHING = 3
EXIT_FINDINGS = 10
EXIT_NO_GO = 20
EXIT_STALE = 21
EXIT_ROLLED_BACK = 30
EXIT_ROLLBACK_INCOMPLETE = 31
EXIT_INTERRUPTED = 130


class FulldressError(Exception):
    """Something failed; the message says what.

    ``slug`` is a stable kebab-case name (``fulldress explain SLUG``); ``why`` is the consequence or cause, ``fix`` what
    the reader can do next; ``exit_code`` what the process returns.
    """

    slug = "failed"
    exit_code = EXIT_BROKE

    def __init__(self, what: str, *, why: str = "", fix: str = "", slug: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        if slug is not None:
            self.slug = slug


class UsageError(FulldressError):
    """The command line, or a file that a person wrote, does not say something that can be done.

    Nothing was changed. The message names the argument or the file, the line and the key.
    """

    slug = "usage"
    exit_code = EXIT_USAGE


class NothingToDo(FulldressError):
    """There was nothing to look at, and nothing looked at is never reported as fine.

    For example: a package without entries, or a stage whose input files do not exist yet.
    """

    slug = "nothing-to-do"
    exit_code = EXIT_NOTHING


class PackageRefused(FulldressError):
    """The package is not what it claims, is damaged, or is built to mislead or exhaust its reader.

    ``slug`` names the reason (``zip-truncated``, ``path-traversal``, ``archive-bomb``, ...). Nothing was written outside
    the content store. Ask the vendor for a clean package; never unpack it by other means on a machine that matters.
    """

    slug = "package-refused"


class FileUnusable(FulldressError):
    """A file or folder that the command needs cannot be read or written: it is missing, or closed to this user.

    What was written before is whole; the file that is named was not written. Make it usable, or name another one.
    """

    slug = "file-unusable"


class CapabilityMissing(FulldressError):
    """This machine lacks something that the command needs (root, a kernel feature, a program).

    ``fulldress doctor`` tries every capability and says which are missing, what degrades and what to install.
    """

    slug = "capability-missing"


class NoGo(FulldressError):
    """A gate says no: for example no green rehearsal of exactly this plan exists."""

    slug = "no-go"
    exit_code = EXIT_NO_GO


class Stale(FulldressError):
    """An input changed after a later stage had read it; the message names the input.

    Run the stages again from the one whose input changed (``fulldress status`` shows which), then rehearse again.
    """

    slug = "stale"
    exit_code = EXIT_STALE


class TargetHeld(FulldressError):
    """Another run holds the target; one writer at a time.

    The message names the holder (run, operator, host, since). ``fulldress resume`` continues that run,
    ``fulldress rollback`` undoes it.
    """

    slug = "target-held"


class StateDiskFull(FulldressError):
    """The disk of the state directory is full. The work stopped before the step it could not record.

    Free some room and run the same command again: it goes on where it stopped.
    """

    slug = "state-disk-full"


class BlobCorrupt(FulldressError):
    """Stored bytes do not match the digest under which they are kept: nothing that came from them can be trusted.

    The package or the store was changed while it was read, or the disk is failing. Scan a copy that nobody writes to; for
    the store, delete the named file and run ``fulldress intake`` again.
    """

    slug = "blob-corrupt"


class SearchFailed(FulldressError):
    """The confined process that searches the package ended early. What was not searched is never called clean.

    Run the command again; if it stays, report it with the package's digest.
    """

    slug = "search-failed"


class StepFailed(FulldressError):
    """A step of the plan failed on the host: its exit code and last output are in the run's journal."""

    slug = "step-failed"


class RolledBack(FulldressError):
    """The run was aborted and every step that had been done was undone."""

    slug = "rolled-back"
    exit_code = EXIT_ROLLED_BACK


class RollbackIncomplete(FulldressError):
    """An undo failed, so the host is neither old nor new; the message lists what is left to do by hand.

    The plan's ``runbook.md`` holds the exact commands.
    """

    slug = "rollback-incomplete"
    exit_code = EXIT_ROLLBACK_INCOMPLETE
