"""Signatures of public suites: sigstore's conformance bundles and a TUF repository, checked offline.

Needs ``sigstore/`` and ``tuf/`` of ``$FULLDRESS_CORPORA`` or ``../shared/corpora``, and the extras ``sigstore`` and ``tuf``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from datetime import datetime
from pathlib import Path

from exactness import NotHere, Row
from fulldress.adapters.sigstore import Sigstore
from fulldress.adapters.tufrepo import Broken, load
from fulldress.model.package import Entry

HERE = Path(__file__).parents[2]
WHO = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
    "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
ALLOWED = 4
"""Good bundles that may fail: two are signed with a key of their own (named, not checked), two the library refuses."""


def measure() -> list[Row]:
    """Bad bundles refused, good ones verified, one repository followed."""
    corpora = Path(os.environ.get("FULLDRESS_CORPORA", HERE.parent / "shared" / "corpora"))
    bundles, repository = corpora / "sigstore/test/assets/bundle-verify", corpora / "tuf/static_data/tuf-on-ci-0.11"
    for folder in (bundles, repository):
        if not folder.is_dir():
            raise NotHere(f"{folder} is missing (sigstore/sigstore-conformance, theupdateframework/tuf-conformance)")
    for extra in ("sigstore", "tuf"):
        if importlib.util.find_spec(extra) is None:
            raise NotHere(f"the extra {extra} is not installed: pip install 'fulldress[{extra}]'")
    verdicts = {p.name: _verifies(p, bundles / "a.txt") for p in sorted(bundles.iterdir()) if p.is_dir()}
    bad = {n: v for n, v in verdicts.items() if n.endswith("_fail")}
    good = {n: v for n, v in verdicts.items() if not n.endswith("_fail")}
    passed, failed = [n for n, v in bad.items() if v], [n for n, v in good.items() if not v]
    found, of = _repository(repository)
    return [
        Row("sigstore: bundles that must fail do", len(bad) - len(passed), len(bad), not passed, "all", ", ".join(passed)),
        Row(
            "sigstore: bundles that must verify do",
            len(good) - len(failed),
            len(good),
            len(failed) <= ALLOWED,
            f"all but {ALLOWED} that the library does not take",
            ", ".join(failed),
        ),
        Row("TUF: files of a repository bound to its root", found, of, found == of > 0, "all"),
    ]


def _verifies(folder: Path, usual: Path) -> bool:
    artifact = folder / "artifact" if (folder / "artifact").is_file() else usual
    root = folder / "trusted_root.json"
    identity = folder / "identity"
    entry = Entry(place="a", kind="file", sha256=hashlib.sha256(artifact.read_bytes()).hexdigest())
    facts = Sigstore(root.read_bytes() if root.is_file() else b"").judge(
        (folder / "bundle.sigstore.json").read_bytes(), entry
    )
    return facts.state == "intact" and facts.signer == (identity.read_text().strip() if identity.is_file() else WHO)


def _repository(folder: Path) -> tuple[int, int]:
    def read(name: str) -> bytes | None:
        path = folder / "metadata" / name
        return path.read_bytes() if path.is_file() else None

    now = datetime.fromisoformat((folder / "faketime").read_text().strip())
    wanted = (folder / "targetpath").read_text().split()
    try:
        repository = load(read, (folder / "initial_root.json").read_bytes(), now)
    except Broken:
        return 0, len(wanted)
    files = {hashlib.sha256(p.read_bytes()).hexdigest() for p in (folder / "targets").rglob("*") if p.is_file()}
    found = [t for w in wanted if (t := repository.find(w)) is not None and t.hashes.get("sha256") in files]
    return len(found), len(wanted)
