"""Joins the scan's rules to ``adapt``'s patches: what each cure would write, shown beside its finding. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from fulldress.adapt.patch import patch
from fulldress.adapt.tree import edited
from fulldress.errors import PackageRefused
from fulldress.formats.redact import redacted
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import PackageLock
from fulldress.report.cure import ShownCure
from fulldress.scan import secrets
from fulldress.scan.cures import cured
from fulldress.scan.rule import Context
from fulldress.scan.sweep import load_rules
from fulldress.store.blobs import BlobStore

MOST = 200
"""Cures that are worked out for one report; the rest is seen by ``adapt``."""


def hide_secrets(text: str) -> str:
    """No secret value is ever kept or shown, not even on the removed side of a patch.

    A line with a variable in a secret's place is what a reviewer must see, so it is hidden by the finer of the two means.
    """
    return secrets.hidden(text) if "${" in text else redacted(secrets.hidden(text))


def shown_cures(context: Context, findings: Iterable[Finding], blobs: BlobStore) -> dict[str, ShownCure]:
    """Fingerprint -> what its cure alone would change in the package as it is now."""
    rules = {rule.META.slug: rule for rule in load_rules()}
    shown: dict[str, ShownCure] = {}
    for finding in [f for f in findings if f.curable and f.rule in rules][:MOST]:
        cure = cured(rules[finding.rule], context, finding)
        if isinstance(cure, Finding):
            shown[finding.fingerprint] = ShownCure(note=cure.title, safety="review")
        elif cure is not None:
            shown[finding.fingerprint] = _shown(cure, context.package, blobs)
    return shown


def _shown(cure: Cure, lock: PackageLock, blobs: BlobStore) -> ShownCure:
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
