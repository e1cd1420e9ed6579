"""What the two configuration rules share: where a key lives in the estate, and which drafted steps answer it. Pure."""

from __future__ import annotations

from fulldress.model.estate import Estate
from fulldress.model.finding import StepDraft
from fulldress.scan.rule import Context

KIND = "config-key"


def file_for(estate: Estate | None, key: str) -> str:
    """The file where a key belongs: one that holds the key, its section, or any key at all; "" when there is none.

    Only files that a step can write: YAML, JSON, XML and their like are for people.
    """
    known = [entry for host in estate.hosts for entry in host.config if not entry.format] if estate is not None else []
    section = key.rpartition(".")[0]
    for fits in (lambda k: k == key, lambda k: k.rpartition(".")[0] == section, lambda _: True):
        for entry in known:
            if fits(entry.key):
                return entry.file
    return ""


def set_key(file: str, key: str, value: str) -> StepDraft:
    """A step that sets a key."""
    return StepDraft(kind=KIND, title=f"Set {key} = {value} in {file}", params={"file": file, "key": key, "value": value})


def remove_key(file: str, key: str) -> StepDraft:
    """A step that removes a key."""
    return StepDraft(kind=KIND, title=f"Remove {key} from {file}", params={"file": file, "key": key, "remove": True})


def answered(context: Context, draft: StepDraft) -> bool:
    """True when an earlier adaptation drafted this very change."""
    return any(step.kind == draft.kind and step.params == draft.params for step in context.drafted)
