"""Entry point: answers ``--help`` and ``--version`` at once, runs the command, turns failures into exit codes.

Every failure becomes a diagnostic (what, why, fix, more) on stderr. Nothing heavy may be imported at the top.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING

from fulldress import __version__
from fulldress.errors import EXIT_BROKE, EXIT_INTERRUPTED, FulldressError

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Exit codes: 0 fine, 1 broke, 2 usage, 3 nothing to look at, 10 findings, 20 no-go, 21 stale, 30 rolled back,
    31 rollback incomplete, 130 interrupted."""
    _with_streams()
    if sys.argv[1:] in (["--help"], ["-h"], []):
        from fulldress.cli.overview import text  # noqa: PLC0415 - only for this screen

        _say(text())
        sys.exit(0 if sys.argv[1:] else 2)
    if sys.argv[1:] == ["--version"]:
        _say(f"fulldress, version {__version__}")
        sys.exit(0)
    from fulldress.cli.app import cli  # noqa: PLC0415 - click costs four times a bare start

    sys.exit(guarded(lambda: cli.main(standalone_mode=False)))


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
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _hush()
        return EXIT_BROKE
    except OSError as error:
        _hush()
        click.echo(diagnostic(_of_machine(error)), err=True)
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


def _of_machine(error: OSError) -> FulldressError:
    """What the operating system refused: a full disk, a folder that may not be written."""
    name = error.filename
    where = os.fsdecode(name) if isinstance(name, (str, bytes)) else "the output"
    return FulldressError(
        f"{where}: {error.strerror or error}",
        why="the machine refused it; what was written before is whole",
        fix="make room or give the right to write there, then run the same command again",
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
    main()
