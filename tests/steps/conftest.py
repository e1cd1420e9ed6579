"""A step done and undone on a real machine, with a picture of the machine before and after."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from fulldress.adapters.nspawn import Machine
from fulldress.adapters.transient import HOME, Job, Report, push_blobs, run_job
from fulldress.enginework import do_body
from fulldress.model.plan import Step, StepScripts
from fulldress.steps import StepContext, compile_step

LOOKED_AT = "/etc /opt /usr/local /lib/systemd/system /var/lib/dpkg /var/lib/systemd /srv"
_PICTURE = (
    f"find {LOOKED_AT} -xdev \\( -path /var/lib/systemd/random-seed -o -path /var/lib/systemd/timers \\) -prune -o "
    "-printf '%p|%y|%m|%U:%G|%l|%T@\\n' | sort; "
    f"find {LOOKED_AT} -xdev -type f ! -path '/var/lib/systemd/*' -print0 | sort -z | xargs -0 sha256sum"
)
_number = itertools.count(1)


class Done(NamedTuple):
    """A compiled step on a machine, with its do, undo and picture."""

    scripts: StepScripts
    do: Callable[[], Report]
    undo: Callable[[], Report]
    again: Callable[[], Report]


@pytest.fixture(scope="session")
def picture(pg_machine: Machine) -> Callable[[], str]:
    def take() -> str:
        done = pg_machine.run(["bash", "-c", _PICTURE], timeout_s=60)
        assert done.ok, done.stderr
        return done.stdout.decode()

    return take


@pytest.fixture(scope="session")
def step_on(pg_machine: Machine) -> Callable[..., Done]:
    """``step_on(kind, places={...}, **params)`` compiles a step for the machine and brings its contents there."""

    def make(kind: str, *, places: dict[str, bytes] | None = None, **params: Any) -> Done:
        import hashlib

        contents: dict[str, bytes] = {}

        def put(data: bytes) -> str:
            sha = hashlib.sha256(data).hexdigest()
            contents[sha] = data
            return sha

        ctx = StepContext({k: (put(v), 0o644) for k, v in (places or {}).items()}, put)
        ident = f"{kind}-{next(_number)}"
        step = Step(id=ident, kind=kind, title="t", params={k.replace("_", "-"): v for k, v in params.items()})
        scripts = compile_step(step, ctx)
        push_blobs(pg_machine, scripts.blobs, contents.__getitem__)
        env = {"FD_RUN": "t", "FD_STEP": ident, "FD_UNDO": f"{HOME}/undo/t/{ident}", "FD_BLOBS": f"{HOME}/blobs"}

        def job(what: str, body: str) -> Callable[[], Report]:
            def run() -> Report:
                name = f"t-{ident}-{what}-{next(_number)}"
                return run_job(pg_machine, Job(name=name, body=body, timeout_s=60, env=env))

            return run

        do = job("do", do_body(scripts))
        return Done(scripts, do, job("undo", scripts.undo), do)

    return make
