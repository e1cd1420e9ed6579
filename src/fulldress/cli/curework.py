"""Joins the scan's rules to ``adapt``'s patches: what each cure would write, shown beside its finding. Changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from fulldress.adapt.patch import Hide, patch
from fulldress.adapt.tree import Contents, edited
from fulldress.errors import PackageRefused
from fulldress.formats import shell
from fulldress.formats.redact import redacted
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import PackageLock
from fulldress.report.cure import ShownCure
from fulldress.scan.credentials import secrets
from fulldress.scan.credentials.commandsecrets import found_in
from fulldress.scan.cures import cured
from fulldress.scan.reading import MAX_PARSED
from fulldress.scan.rule import Context
from fulldress.scan.sweep import load_rules

MOST = 200
"""Cures that are worked out for one report; the rest is seen by ``adapt``."""


def _line(text: str) -> str:
    """No secret value is ever kept or shown, not even on the removed side of a patch.

    A line with a variable in a secret's place is what a reviewer must see, so it is hidden by the finer of the two means.
    """
    return secrets.hidden(text) if "${" in text else redacted(secrets.hidden(text))


def _values(place: str, text: str) -> set[str]:
    """What the commands of a script are given: in a here-document or here-string, no line shows that it is a secret."""
    if len(text) > MAX_PARSED or not shell.is_shell(place, text):
        return set()
    found = (secret.value for command in shell.commands(text) for secret in found_in(command))
    return {value for value in found if secrets.worth(value) == "real"}


hide_secrets = Hide(_line, _values)
"""For every patch that is kept or shown."""


class _Drafts:
    """Contents of the package, and new ones that nobody keeps."""

    def __init__(self, context: Context) -> None:
        self._entries = {e.sha256: e for e in context.files}
        self._context = context
        self._new: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        """Remember bytes; returns their SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._new[sha256] = data
        return sha256

    def read(self, sha256: str) -> bytes:
        """The bytes under a SHA-256."""
        return self._new[sha256] if sha256 in self._new else self._context.read(self._entries[sha256])


def shown_cures(context: Context, findings: Iterable[Finding]) -> dict[str, ShownCure]:
    """Fingerprint -> what its cure alone would change in the package as it is now."""
    drafts = _Drafts(context)
    rules = {rule.META.slug: rule for rule in load_rules()}
    shown: dict[str, ShownCure] = {}
    for finding in [f for f in findings if f.curable and f.rule in rules][:MOST]:
        cure = cured(rules[finding.rule], context, finding)
        if isinstance(cure, Finding):
            shown[finding.fingerprint] = ShownCure(note=cure.title, safety="review")
        elif cure is not None:
            shown[finding.fingerprint] = _shown(cure, context.package, drafts)
    return shown


def _shown(cure: Cure, lock: PackageLock, blobs: Contents) -> ShownCure:
    try:
        after = edited(lock, cure.edits, blobs)
    except (PackageRefused, KeyError) as error:
        return ShownCure(note=f"the cure does not fit the package: {error}", safety="review")
    return ShownCure(
        note=cure.note,
        safety=cure.safety,
        diff=patch(lock, after, blobs, hide_secrets),
        steps=tuple(step.title for step in cure.steps),
    )
