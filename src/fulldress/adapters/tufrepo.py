"""TUF repositories inside a package, checked offline: roots chained by both of their keys, then timestamp to targets.

Needs the extra ``tuf`` (its public Metadata API; nothing is fetched). A repository is known by the SHA-256 of one of its
root files, recorded beforehand as a pin of the kind ``tuf``; without one the oldest root that came along is taken, and is
unknown.
"""

from __future__ import annotations

import hashlib
import importlib.util
import posixpath
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from fulldress.adapters.sigview import Offered, View
from fulldress.formats.members import shown
from fulldress.model.package import Entry
from fulldress.model.signed import SignatureState, SignedBy

T = TypeVar("T")
Read = Callable[[str], bytes | None]
MISSING = "the extra `tuf` is not installed (pip install 'fulldress[tuf]'), so it was not checked"
MAX_METADATA = 16 << 20
MAX_ROOTS = 1024
_ROOT = re.compile(r"(\d+)\.root\.json$")
_HASHED = re.compile(r"^[0-9a-f]{64,128}\.")


class Broken(Exception):
    """The metadata do not prove anything; ``state`` says in which way."""

    def __init__(self, state: SignatureState, reason: str) -> None:
        super().__init__(reason)
        self.state, self.reason = state, reason


class Repository(NamedTuple):
    """Metadata that hold together at one moment."""

    root: Any
    targets: Any
    read: Callable[[str, Any], Any]
    """(role, the role above it) -> its verified targets."""

    def verify_all(self, there: Callable[[str], bool]) -> None:
        """Read every delegated role whose file is there. Raises Broken."""
        todo, seen = [("targets", self.targets)], {"targets"}
        while todo:
            _, signed = todo.pop()
            for name in (signed.delegations and signed.delegations.roles) or ():
                if name not in seen and there(name):
                    seen.add(name)
                    todo.append((name, self.read(name, signed)))

    def find(self, path: str) -> Any | None:
        """The description of a target: delegations are searched in their order, a terminating one ends the search."""
        todo = [("targets", self.targets)]
        seen: set[str] = set()
        while todo:
            role, signed = todo.pop()
            if role in seen:
                continue
            seen.add(role)
            if path in signed.targets:
                return signed.targets[path]
            if signed.delegations is None:
                continue
            below = []
            for name, terminating in signed.delegations.get_roles_for_target(path):
                below.append((name, self.read(name, signed)))
                if terminating:
                    todo = []
                    break
            todo.extend(reversed(below))
        return None


def load(read: Read, start: bytes, now: datetime) -> Repository:
    """The repository that ``start`` (bytes of a root file that is trusted) leads to. Raises Broken, and so does its use."""
    return _proved(lambda: _load(read, start, now))


def _proved(work: Callable[[], T]) -> T:
    """Whatever the library says of metadata that do not hold together, as Broken."""
    from tuf.api.exceptions import RepositoryError  # noqa: PLC0415 - loaded when needed: an extra

    try:
        return work()
    except (RepositoryError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Broken("altered", shown(str(error) or type(error).__name__, 200)) from error


def _load(read: Read, start: bytes, now: datetime) -> Repository:
    from tuf.api.metadata import Metadata  # noqa: PLC0415 - loaded when needed: an extra

    def checked(name: str, role: str, above: Any, described: Any) -> Any:
        data = read(name)
        if data is None:
            raise Broken("altered", f"{shown(name)} is missing")
        if described is not None:
            described.verify_length_and_hashes(data)
        found = Metadata.from_bytes(data)
        above.verify_delegate(role, found.signed_bytes, found.signatures)
        if described is not None and found.signed.version != described.version:
            raise Broken("altered", f"{shown(name)} is not the version that the snapshot names")
        if found.signed.is_expired(now):
            raise Broken("weak", f"{shown(name)} expired on {found.signed.expires:%Y-%m-%d}")
        return found.signed

    root = _newest_root(read, start)
    if root.is_expired(now):
        raise Broken("weak", f"its root expired on {root.expires:%Y-%m-%d}")
    timestamp = checked("timestamp.json", "timestamp", root, None)
    snapshot = checked(_versioned(read, "snapshot", timestamp.snapshot_meta), "snapshot", root, timestamp.snapshot_meta)

    def below(role: str, above: Any) -> Any:
        described = snapshot.meta[f"{role}.json"]
        return checked(_versioned(read, role, described), role, above, described)

    def targets(role: str, above: Any) -> Any:
        return _proved(lambda: below(role, above))

    return Repository(root, targets("targets", root), targets)


def _newest_root(read: Read, start: bytes) -> Any:
    from tuf.api.metadata import Metadata  # noqa: PLC0415 - loaded when needed: an extra

    current: Any = Metadata.from_bytes(start)
    current.signed.verify_delegate("root", current.signed_bytes, current.signatures)
    for _ in range(MAX_ROOTS):
        data = read(f"{current.signed.version + 1}.root.json")
        if data is None:
            return current.signed
        new: Any = Metadata.from_bytes(data)
        current.signed.verify_delegate("root", new.signed_bytes, new.signatures)
        new.signed.verify_delegate("root", new.signed_bytes, new.signatures)
        if new.signed.version != current.signed.version + 1:
            raise Broken("altered", "a root file has another version than its name")
        current = new
    raise Broken("altered", f"more than {MAX_ROOTS} roots follow one another")


def _versioned(read: Read, role: str, described: Any) -> str:
    name = f"{described.version}.{role}.json"
    return name if read(name) is not None else f"{role}.json"


class Tuf:
    """Every repository in the package: a folder of metadata beside a folder ``targets``."""

    def look(self, view: View) -> Iterator[Offered]:
        """One answer for each target and each file of metadata; one for a repository that does not hold together."""
        for place in view.files:
            if not place.endswith("timestamp.json"):
                continue
            folder, name = posixpath.split(place)
            if name == "timestamp.json" and any(_ROOT.fullmatch(p.removeprefix(f"{folder}/")) for p in view.files):
                yield from self._repository(view, folder, place)

    def _repository(self, view: View, folder: str, place: str) -> Iterator[Offered]:
        start = _start(view, folder)
        if importlib.util.find_spec("tuf") is None:
            yield Offered(place, place, _facts("keyless", start, MISSING))
            return
        checked: dict[str, None] = {}

        def read(name: str) -> bytes | None:
            data = _read(view, f"{folder}/{name}")
            if data is not None:
                checked[f"{folder}/{name}"] = None
            return data

        try:
            repository = load(read, view.path(start).read_bytes(), view.now)
            repository.verify_all(lambda role: _lies_in(view, folder, role))
        except Broken as broken:
            yield Offered(place, place, _facts(broken.state, start, broken.reason))
            return
        base = f"{posixpath.dirname(folder)}/targets/".removeprefix("/")
        for target, entry in view.files.items():
            if target.startswith(base) and "!/" not in target.removeprefix(base):
                yield Offered(place, target, self._target(view, repository, start, target.removeprefix(base), entry))
        for name in (start.place, *(c for c in checked if c != place)):  # what was read was verified, or it had raised
            yield Offered(place, name, _facts("intact", start, "", f"TUF root {repository.root.version}"))

    def _target(self, view: View, repository: Repository, start: Entry, path: str, entry: Entry) -> SignedBy:
        folder, name = posixpath.split(path)
        try:
            described = repository.find(path) or repository.find(posixpath.join(folder, _HASHED.sub("", name)))
        except Broken as broken:
            return _facts(broken.state, start, broken.reason)
        if described is None:
            return _facts("altered", start, "no targets file names it")
        if described.length != entry.size or not _matches(view, entry, described.hashes):
            return _facts("altered", start, "it has another length or digest than its targets file says")
        return _facts("intact", start, "", f"TUF root {repository.root.version}")


def _start(view: View, folder: str) -> Entry:
    """The root file that was recorded, else the oldest one that came along."""
    recorded = {p.fingerprint.lower() for p in view.pins if p.kind == "tuf"}
    roots = [(int(m[1]), e) for p, e in view.files.items() if (m := _ROOT.fullmatch(p.removeprefix(f"{folder}/")))]
    return next((e for _, e in sorted(roots, key=lambda r: r[0]) if e.sha256 in recorded), min(roots, key=lambda r: r[0])[1])


def _lies_in(view: View, folder: str, role: str) -> bool:
    named = re.compile(rf"(\d+\.)?{re.escape(role)}\.json")
    return any(named.fullmatch(p.removeprefix(f"{folder}/")) for p in view.files if p.startswith(f"{folder}/"))


def _read(view: View, place: str) -> bytes | None:
    entry = view.files.get(place)
    return view.path(entry).read_bytes() if entry is not None and entry.size <= MAX_METADATA else None


def _matches(view: View, entry: Entry, hashes: dict[str, str]) -> bool:
    """All digests that are strong must fit, and there must be one."""
    strong = {a: d for a, d in hashes.items() if a in ("sha256", "sha384", "sha512")}
    if not strong:
        return False
    data = view.path(entry)
    for algorithm, digest in strong.items():
        with data.open("rb") as stream:
            if hashlib.file_digest(stream, algorithm).hexdigest() != digest:
                return False
    return True


def _facts(state: SignatureState, start: Entry, reason: str, signer: str = "a TUF repository") -> SignedBy:
    return SignedBy(format="tuf", state=state, fingerprint=start.sha256, signer=signer, reason=reason)
