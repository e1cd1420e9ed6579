"""What the demo says on screen: scenes, the commands it types, and the minutes it took."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from fulldress.errors import FulldressError

FULLDRESS = (sys.executable, "-m", "fulldress.cli.main")
BEGAN = time.monotonic()


class DemoFailed(FulldressError):
    """A command of the demo did not end as the story tells."""

    slug = "demo-failed"


def scene(number: int, title: str) -> None:
    """A new scene begins."""
    minutes, seconds = divmod(int(time.monotonic() - BEGAN), 60)
    click.echo(click.style(f"\n── {number}. {title} ", bold=True) + click.style(f"({minutes}:{seconds:02d})", dim=True))


def say(text: str) -> None:
    """A line of the story."""
    click.echo(click.style(text, fg="cyan"))


def typed(words: Sequence[str], cwd: Path) -> None:
    """Show a command as a person would type it in the release folder."""
    click.echo(click.style(f"{cwd.name}$ ", fg="green") + " ".join(["fulldress", *words]))


def fulldress(*words: str, cwd: Path, expect: Sequence[int] = (0,)) -> None:
    """Type a command and show what it prints; DemoFailed when its exit code is not one of ``expect``."""
    typed(words, cwd)
    sys.stdout.flush()
    code = subprocess.run([*FULLDRESS, *words], cwd=cwd, check=False).returncode
    if code not in expect:
        raise DemoFailed(f"`fulldress {' '.join(words)}` ended with exit code {code}, expected {expect}")


def background(*words: str, cwd: Path) -> subprocess.Popen[bytes]:
    """Type a command that goes on by itself; its output appears on screen."""
    typed(words, cwd)
    sys.stdout.flush()
    return subprocess.Popen([*FULLDRESS, *words], cwd=cwd, stdin=subprocess.DEVNULL, env=dict(os.environ))
