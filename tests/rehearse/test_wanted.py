"""Options of a rehearsal as typed, and what they come to."""

from __future__ import annotations

import os

import pytest

from fulldress.errors import UsageError
from fulldress.rehearse.wanted import USUAL, wanted

STEPS = ["01-check", "02-migrate", "03-start", "03-stop"]


def test_nothing_asked_is_one_rehearsal_and_no_sweep() -> None:
    asked = wanted(STEPS)
    assert (asked.times, asked.undo_at, asked.crash, asked.sweeps) == (1, (), (), False)
    assert asked.workers == os.cpu_count()


def test_each_stands_for_every_step_and_every_moment() -> None:
    asked = wanted(STEPS, undo_at="each", crash="each")
    assert asked.undo_at == tuple(STEPS)
    assert asked.crash == ("before", "inside", "after")
    assert asked.faults == USUAL


def test_steps_are_named_by_their_beginning_and_put_in_the_order_of_the_plan() -> None:
    assert wanted(STEPS, undo_at="03-start,02").undo_at == ("02-migrate", "03-start")


def test_faults_are_put_in_a_fixed_order() -> None:
    assert wanted(STEPS, crash="inside", faults="power-cut, kill-step").faults == ("kill-step", "power-cut")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"times": 0}, "--times"),
        ({"points": 21}, "--points"),
        ({"workers": -1}, "--workers"),
        ({"crash": "during"}, "--crash: 'during'"),
        ({"faults": "kill-runner,earthquake"}, "--faults: 'earthquake'"),
        ({"undo_at": "03"}, "2 steps begin with '03'"),
        ({"undo_at": "nowhere"}, "no step begins with 'nowhere'"),
        ({"undo_at": "01-check,"}, "no step begins with ''"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        wanted(STEPS, **options)  # type: ignore[arg-type]


def test_several_loads_are_each_played_as_often_as_asked() -> None:
    asked = wanted(STEPS, load="0.5,1,2", times=2)
    assert asked.rounds == [(0.5, 0), (1.0, 0), (2.0, 0), (0.5, 1), (1.0, 1), (2.0, 1)]
    assert wanted(STEPS).rounds == [(1.0, 0)]


@pytest.mark.parametrize("load", ["", "0", "-1", "1,", "two", "101", "nan"])
def test_a_load_that_is_no_multiple_is_refused(load: str) -> None:
    with pytest.raises(UsageError, match="--load"):
        wanted(STEPS, load=load)
