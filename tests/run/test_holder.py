"""One writer per target, written on the target itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fulldress.adapters.nspawn import Machine
from fulldress.errors import TargetHeld
from fulldress.run.holder import PATH, Holder, give_back, take

pytestmark = pytest.mark.machine


def wanted(run: str) -> Holder:
    return Holder(run=run, operator='erika\'s "x" $(id)', since="2026-01-01T00:00:00Z", folder="/r/1")


@pytest.fixture(autouse=True)
def free(pg_machine: Machine) -> Iterator[None]:
    yield
    pg_machine.run(["rm", "-f", PATH])


def test_taken_once_and_taken_again_by_the_same_run(pg_machine: Machine) -> None:
    first = take(pg_machine, wanted("r1"))
    assert take(pg_machine, wanted("r1")) == first
    assert first.operator == 'erika\'s "x" $(id)'


def test_another_is_refused_with_the_holders_name(pg_machine: Machine) -> None:
    take(pg_machine, wanted("r1"))
    with pytest.raises(TargetHeld, match=r"held by run r1 of erika's .* since 2026"):
        take(pg_machine, wanted("r2"))


def test_of_many_at_once_one_gets_it(pg_machine: Machine) -> None:
    def attempt(number: int) -> bool:
        try:
            take(pg_machine, wanted(f"r{number}"))
        except TargetHeld:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1


def test_only_the_holder_gives_it_back_and_no_token_comes_twice(pg_machine: Machine) -> None:
    first = take(pg_machine, wanted("r1"))
    give_back(pg_machine, "r2")
    assert take(pg_machine, wanted("r1")) == first
    give_back(pg_machine, "r1")
    assert take(pg_machine, wanted("r1")).token != first.token


def test_a_damaged_holder_file_refuses(pg_machine: Machine) -> None:
    pg_machine.write_file(PATH, b"rubbish")
    with pytest.raises(TargetHeld, match="cannot be read"):
        take(pg_machine, wanted("r1"))
