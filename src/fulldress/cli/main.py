"""Entry point: answers ``--help`` and ``--version`` at once, runs the command, turns failures into exit codes.

Every failure becomes a diagnostic (what, why, fix, more) on stderr. Nothing heavy may be imported at the top.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING

from fulldress import __version__
from fulldress.errors import EXIT_BROKE, EXIT_INTERRUPTED, FileUnusable, FulldressError, StateDiskFull, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import click


RARELY = (200_000, 20, 20)
"""When Python looks for cycles: a command makes many objects that live to its end, and next to no cycles."""


def main() -> None:
    """Exit codes: 0 fine, 1 broke, 2 usage, 3 nothing to look at, 10 findings, 20 no-go, 21 stale, 30 rolled back,
    31 rollback incomplete, 130 interrupted."""
    _with_streams()
    gc.set_threshold(*RARELY)
    if sys.argv[1:] in (["--help"], ["-h"], []):
        from fulldress.cli.overview import text  # noqa: PLC0415 - only for this screen

        _say(text())
        sys.exit(0 if sys.argv[1:] else 2)
    if sys.argv[1:] == ["--version"]:
        _say(f"fulldress, version {__version__}")
        sys.exit(0)
    from fulldress.cli.app import cli  # noqa: PLC0415 - click costs four times a bare start

    code = guarded(lambda: cli.main(prog_name="fulldress", standalone_mode=False))
    sys.exit(code)


def run() -> None:
    """As :func:`main`, for a process of its own, which ends at once: what it has built is not taken down piece by piece."""
    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _leave(end.code or 0)
        raise


def _leave(code: int) -> None:
    """End the process; returns where something still has to be waited for."""
    if threading.active_count() > 1:
        return
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # Python says so when it ends by itself
        return
    os._exit(code)


def guarded(work: Callable[[], object]) -> int:
    """Run a command; print what went wrong, if anything, and return the exit code."""
    import click  # noqa: PLC0415 - as above

    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what is odd about a package is a finding, not a library's warning
    try:
        code = work()
        sys.stdout.flush()
    except FulldressError as error:
        click.echo(diagnostic(error), err=True)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        click.echo(diagnostic(_wrong_line(error)), err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _hush()
        return EXIT_BROKE
    except OSError as error:
        if not error.filename and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        _hush()
        click.echo(diagnostic(_unusable(error)), err=True)
        return EXIT_BROKE
    return code if isinstance(code, int) else 0


def _say(text: str) -> None:
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError:  # whoever read it has seen enough
        _hush()


def _with_streams() -> None:
    """A closed stdin, stdout or stderr must not become the number of a file that is opened next."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _hush() -> None:
    """What could not be written to stdout is not tried again when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _wrong_line(error: click.ClickException) -> FulldressError:
    """What click says of a command line, in our own form."""
    context = getattr(error, "ctx", None)
    asked = context.command_path if context is not None else "fulldress"
    return UsageError(error.format_message(), fix=f"`{asked} --help` shows what can be asked, with an example")


def _unusable(error: OSError) -> FulldressError:
    if not error.filename:
        return StateDiskFull(
            f"the output cannot be written: {error.strerror}",
            why="what was written there is not whole",
            fix="free some room there (df -h), then run the same command again",
        )
    return FileUnusable(
        f"{os.fsdecode(error.filename)}: {error.strerror}",
        why="the command needs this file or folder",
        fix="make it readable or writable for this user, or name another one",
    )


def diagnostic(error: FulldressError) -> str:
    """The failure as people read it: what, why, fix, more."""
    import click  # noqa: PLC0415 - as above

    from fulldress.report.sanitise import visible  # noqa: PLC0415 - only when something failed

    def safe(text: str) -> str:
        return "\n        ".join(visible(line) for line in text.split("\n"))

    lines = [click.style("error: ", fg="red", bold=True) + safe(error.what)]
    if error.why:
        lines.append(f"  why:  {safe(error.why)}")
    if error.fix:
        lines.append(f"  fix:  {safe(error.fix)}")
    lines.append(f"  more: fulldress explain {error.slug}")
    return "\n".join(lines)


if __name__ == "__main__":
    run()
