"""The contract of a step kind: its parameters, what it may see while it compiles, and how kinds are found.

A compiled step is bash for four phases (do, verify before and after, undo), each starting with ``set -euo pipefail``. At
run time it finds ``$FD_RUN``, ``$FD_STEP``, ``$FD_UNDO`` (a directory of its own that exists) and ``$FD_BLOBS``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fulldress.errors import UsageError
from fulldress.model.plan import Step, StepScripts

HOME = "/var/lib/fulldress"
"""Where the product keeps its own things on a host; never part of the proof of equality."""


class KindInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind says of itself: its slug, one line for people, and its parameters (name -> what it means)."""

    slug: str
    summary: str
    required: dict[str, str] = {}
    optional: dict[str, str] = {}
    needs_undo: bool = True
    """False for kinds that change nothing."""


class StepContext:
    """What a kind may use while it compiles: contents by place in the adapted package, and a store for inline contents.

    ``places`` maps place -> (sha256, mode); ``put`` stores bytes and returns their SHA-256.
    """

    def __init__(self, places: Mapping[str, tuple[str, int]], put: Callable[[bytes], str]) -> None:
        self.places = places
        self.put = put

    def content(self, step: Step, params: Mapping[str, Any], place: str = "place", inline: str = "content") -> str:
        """SHA-256 of the content that ``place`` (in the package) or ``content`` (inline text) names."""
        if inline in params:
            return self.put(str(params[inline]).encode())
        name = str(params.get(place, ""))
        found = self.places.get(name)
        if found is None:
            raise bad(step, f"there is no {name!r} in the adapted package" if name else f"give `{place}` or `{inline}`")
        return found[0]


def paths_param(step: Step, name: str) -> list[str]:
    """A parameter that lists absolute paths below /."""
    paths = [str(p) for p in step.params.get(name, [])]
    if any(not p.startswith("/") or p.strip("/") == "" for p in paths):
        raise bad(step, f"`{name}` must list absolute paths below /")
    return paths


class StepParams(UsageError):
    """A step of the plan does not say something that can be done: an unknown kind or parameter, a path that is no path.

    The message names the step. Correct ``05-plan/plan.toml`` and lock it again, or let it be drafted anew.
    """

    slug = "step-params"


class Kind(Protocol):
    """A module of ``steps/`` seen as an object."""

    KIND: KindInfo

    def compile(self, step: Step, ctx: StepContext) -> StepScripts:
        """The step as bash."""
        ...


def bad(step: Step, what: str) -> StepParams:
    """The error for a step whose parameters do not say something that can be done."""
    return StepParams(
        f"05-plan/plan.toml: step {step.id!r} ({step.kind}): {what}",
        why="the plan cannot be compiled",
        fix="correct the step, or draft the plan anew: fulldress plan --redraft",
    )


@cache
def kinds() -> dict[str, Kind]:
    """All kinds by slug, found by folder."""
    found: dict[str, Kind] = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        module: Any = importlib.import_module(f"fulldress.steps.{path.stem}")
        found[module.KIND.slug] = module
    return found


def compile_step(step: Step, ctx: StepContext) -> StepScripts:
    """Compile one step; UsageError names the step and what is wrong with it."""
    kind = kinds().get(step.kind)
    if kind is None:
        raise bad(step, f"unknown kind; known are {', '.join(kinds())}")
    info = kind.KIND
    unknown = [name for name in step.params if name not in info.required and name not in info.optional]
    if unknown:
        known = ", ".join([*info.required, *info.optional])
        raise bad(step, f"unknown parameter {unknown[0]!r}; known are {known}")
    missing = [name for name in info.required if name not in step.params]
    if missing:
        raise bad(step, f"parameter {missing[0]!r} is missing: {info.required[missing[0]]}")
    return kind.compile(step, ctx)
