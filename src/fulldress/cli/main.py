"""Entry point: answers ``--help`` and ``--version`` at once, runs the command, turns failures into exit codes.

Every failure becomes a diagnostic (what, why, fix, more) on stderr. Nothing heavy may be imported at the top.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

from fulldress import __version__
from fulldress.errors import EXIT_BROKE, EXIT_INTERRUPTED, FileUnusable, FulldressError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import click


def main() -> None:
    """Exit codes: 0 fine, 1 broke, 2 usage, 3 nothing to look at, 10 findings, 20 no-go, 21 stale, 30 rolled back,
    31 rollback incomplete, 130 interrupted."""
    if sys.argv[1:] in (["--help"], ["-h"], []):
        from fulldress.cli.overview import text  # noqa: PLC0415 - only for this screen

        sys.stdout.write(text() + "\n")
        sys.exit(0 if sys.argv[1:] else 2)
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"fulldress, version {__version__}\n")
        sys.exit(0)
    from fulldress.cli.app import cli  # noqa: PLC0415 - click costs four times a bare start

    sys.exit(guarded(lambda: cli.main(prog_name="fulldress", standalone_mode=False)))


def guarded(work: Callable[[], object]) -> int:
    """Run a command; print what went wrong, if anything, and return the exit code."""
    import click  # noqa: PLC0415 - as above

    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what is odd about a package is a finding, not a library's warning
    try:
        code = work()
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
        sys.stderr.close()
        return EXIT_BROKE
    except OSError as error:
        if not error.filename:
            raise
        click.echo(diagnostic(_unusable(error)), err=True)
        return EXIT_BROKE
    return code if isinstance(code, int) else 0


def _wrong_line(error: click.ClickException) -> FulldressError:
    """What click says of a command line, in our own form."""
    context = getattr(error, "ctx", None)
    asked = context.command_path if context is not None else "fulldress"
    return UsageError(error.format_message(), fix=f"`{asked} --help` shows what can be asked, with an example")


def _unusable(error: OSError) -> FulldressError:
    return FileUnusable(
        f"{error.filename}: {error.strerror}",
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
    main()
