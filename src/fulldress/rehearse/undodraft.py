"""The call that undoes a side effect as a step for ``plan.toml``, ready to be pasted. Pure; decides nothing by itself."""

from __future__ import annotations

import re

from fulldress.formats.tomltext import toml_string

_CALL = re.compile(r"(?P<method>DELETE|PUT) (?P<url>https?://[^\s\"']+)(?: (?P<body>.+))?\Z", re.DOTALL)


def undo_step(undo: str, kind: str, resource: str, *, created: bool) -> str:
    """The ``[[step]]`` for a drafted call (``DELETE https://host/path/id``); empty when no HTTP call undoes it.

    ``created``: the resource's id was given out in the rehearsal, so on the day it will be another.
    """
    match = _CALL.match(undo)
    if match is None or (match["body"] or "").startswith("<"):
        return ""
    name = re.sub(r"[^a-z0-9]+", "-", f"undo-{kind}-{resource}".lower()).strip("-")[:60]
    lines = ["# The id is the rehearsal's own: put in the one of the day."] if created else []
    lines += ["[[step]]", f"id = {toml_string(name)}", 'kind = "http"']
    lines += [f"title = {toml_string(f'take back the {kind} {resource}')}", "[step.params]"]
    lines += [f"method = {toml_string(match['method'])}", f"url = {toml_string(match['url'])}"]
    if match["body"]:
        lines.append(f"body = {toml_string(match['body'])}")
    return "\n".join(lines) + "\n"
