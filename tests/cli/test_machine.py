"""Machines on the command line: booted, listed, stopped; what is no root tree is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.conftest import lay_over

from fulldress.adapters import nspawn
from fulldress.adapters.scope import Scope
from fulldress.cli.commands.machine import command
from fulldress.errors import FulldressError, UsageError


def said(*words: str) -> str:
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_directory_without_a_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no root tree"):
        said("boot", "m", "--root", str(tmp_path))


def test_stopping_what_does_not_run_says_how_to_boot_it() -> None:
    with pytest.raises(FulldressError) as caught:
        said("stop", "no-such-machine")
    assert "fulldress machine boot no-such-machine" in caught.value.fix


@pytest.mark.machine
def test_a_machine_is_booted_listed_and_stopped(base_root: Path, scratch: Path, keeper: Scope) -> None:
    name = f"t-cli-{os.getpid()}"
    root = lay_over(base_root, scratch / "clones" / name, keeper)
    keeper.keep("machine", name)
    assert f"machine:{name} is up" in said("boot", name, "--root", str(root))
    assert name in said("list")
    assert nspawn.attach(name).run(["systemctl", "is-active", "postgresql@15-main"]).stdout == b"active\n"
    assert f"machine:{name} is down" in said("stop", name)
    assert name not in said("list")
