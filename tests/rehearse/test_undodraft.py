"""Drafted undo steps are steps that compile."""

from __future__ import annotations

import tomllib

import msgspec

from fulldress.model.plan import Step
from fulldress.rehearse.undodraft import undo_step
from fulldress.steps import compile_step
from fulldress.steps._contract import StepContext


def step_of(text: str) -> Step:
    (written,) = tomllib.loads(text)["step"]
    step = msgspec.convert(written, Step)
    assert compile_step(step, StepContext({}, lambda _: "0" * 64)).undo
    return step


def test_what_was_created_is_deleted_by_an_id_of_the_day() -> None:
    text = undo_step("DELETE https://hooks.example/v1/hooks/wh_1", "webhook", "wh_1", created=True)
    assert text.startswith("# The id is the rehearsal's own")
    assert step_of(text).params == {"method": "DELETE", "url": "https://hooks.example/v1/hooks/wh_1"}


def test_a_flag_is_put_back_with_quotes_and_all() -> None:
    body = '{"name":"it\'s \\"x\\"","enabled":false}'
    step = step_of(undo_step(f"PUT https://flags.example/v1/f {body}", "flag", "f", created=False))
    assert (step.id, step.params["body"]) == ("undo-flag-f", body)


def test_what_no_http_call_undoes_gets_no_step() -> None:
    assert not undo_step("rm sftp://host:22/file", "upload", "/file", created=False)
    assert not undo_step("none: a mail cannot be recalled", "mail", "a@b", created=False)
    assert not undo_step("PUT https://f/x <the value from before: ask for it>", "flag", "x", created=False)
