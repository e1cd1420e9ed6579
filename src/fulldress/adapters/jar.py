"""Signed JARs, as ``jarsigner -verify -strict`` would judge them: every entry must be in the manifest, and that be signed.

An entry that was added later is not in the manifest: a verifier that looks only at what is listed calls such a JAR fine. The
mathematics of the block file are those of CMS; here the chain block → ``.SF`` → manifest → entries is walked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import structs

from fulldress.adapters.cms import X509
from fulldress.adapters.sigview import Offered, View
from fulldress.formats import manifest
from fulldress.formats.members import shown
from fulldress.model.package import Entry
from fulldress.model.signed import SignatureState, SignedBy

_SF = re.compile(r"(^|!/)META-INF/([^/]+)\.SF$", re.IGNORECASE)
_OWN = re.compile(r"META-INF/(MANIFEST\.MF|[^/]+\.(SF|RSA|DSA|EC)|SIG-[^/]*)$", re.IGNORECASE)
_BLOCKS = ("RSA", "EC", "DSA")
_WEAK = ("md5", "sha1")
MAX_SHOWN = 3
MAX_MANIFEST = 32 << 20


class _Jar(NamedTuple):
    """One signed JAR."""

    place: str
    """``""`` when the package itself is the JAR."""
    prefix: str
    entries: dict[str, Entry]
    """Name in the JAR -> entry, folders left out."""


class _Chain(NamedTuple):
    """From a signature file down to the entries."""

    state: SignatureState
    reason: str


class Jar:
    """JAR signatures over our own view of the ZIP."""

    def __init__(self, x509: X509 | None = None) -> None:
        self.x509 = x509 or X509()

    def look(self, view: View) -> Iterator[Offered]:
        """One answer for each signer of each signed JAR."""
        for place in view.files:
            if place[-3:].upper() == ".SF" and (match := _SF.search(place)):
                jar = _jar(view, place[: match.start()] + ("!/" if match[1] == "!/" else ""))
                yield from self._signer(view, jar, place, match[2])

    def _signer(self, view: View, jar: _Jar, place: str, base: str) -> Iterator[Offered]:
        block = next((b for b in _blocks(jar.prefix, place, base) if b in view.files), "")
        if not block:
            facts = SignedBy(format="jar", state="unreadable", reason=f"its block file (META-INF/{base}.RSA) is missing")
            yield Offered(place, jar.place, facts, counts=not jar.place)
            return
        signature = view.path(view.files[block]).read_bytes()
        path = view.path(view.files[place])
        signers = self.x509.detached(signature, path, view.pool, view.roots, view.now, view.stampers)
        chain = _walk(view, jar, view.files[place])
        for facts in signers:
            state, reason = facts.state, facts.reason
            if state in ("intact", "weak", "keyless") and chain.state == "altered":
                state = "altered"
            elif state == "intact":
                state = chain.state
            facts = structs.replace(
                facts, format="jar", state=state, reason="; ".join(r for r in (chain.reason, reason) if r)
            )
            yield Offered(block, jar.place, facts, counts=not jar.place or state == "altered")


def _jar(view: View, prefix: str) -> _Jar:
    inside = {
        place.removeprefix(prefix): entry
        for place, entry in view.files.items()
        if place.startswith(prefix) and "!/" not in place.removeprefix(prefix)
    }
    return _Jar(prefix.removesuffix("!/"), prefix, inside)


def _blocks(prefix: str, place: str, base: str) -> list[str]:
    folder = place.removeprefix(prefix).rpartition("/")[0]
    return [f"{prefix}{folder}/{base}.{kind}" for kind in (*_BLOCKS, *(b.lower() for b in _BLOCKS))]


def _walk(view: View, jar: _Jar, sf: Entry) -> _Chain:
    main = next((e for n, e in jar.entries.items() if n.upper() == "META-INF/MANIFEST.MF"), None)
    if main is None or main.size > MAX_MANIFEST or sf.size > MAX_MANIFEST:
        return _Chain("altered", "the manifest that it signs is not there")
    raw = view.path(main).read_bytes()
    listed, signed = manifest.parse(raw), manifest.parse(view.path(sf).read_bytes())
    if listed.twice or signed.twice:
        return _Chain("altered", f"the manifest lists {shown((listed.twice or signed.twice)[0])} twice")
    whole = manifest.digests(signed.main, "-digest-manifest")
    strong = _matches(raw, whole)
    weak = not strong and bool(whole)
    wrong, unsigned = [], []
    for name, entry in sorted(jar.entries.items()):
        if _OWN.match(name):
            continue
        section = listed.sections.get(name)
        if section is None or (not strong and name not in signed.sections):
            unsigned.append(name)
            continue
        if not strong:
            answer = _compare(section.raw, manifest.digests(signed.sections[name]))
            weak = weak or answer is None
            if answer is False:
                wrong.append(name)
                continue
        answer = _entry(view, entry, manifest.digests(section))
        weak = weak or answer is None
        if answer is False:
            wrong.append(name)
    gone = sorted(
        n for n in (signed.sections if not strong else listed.sections) if n not in jar.entries and not n.endswith("/")
    )
    return _said(wrong, unsigned, gone, weak and not strong)


def _said(wrong: list[str], unsigned: list[str], gone: list[str], weak: bool) -> _Chain:
    parts = []
    for names, what in ((wrong, "changed since it was signed"), (unsigned, "not signed: added later"), (gone, "missing")):
        if names:
            more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
            parts.append(f"{', '.join(shown(n) for n in names[:MAX_SHOWN])}{more} {what}")
    if parts:
        return _Chain("altered", "; ".join(parts))
    if weak:
        return _Chain("weak", "its digests are SHA-1 or MD5, which can be forged")
    return _Chain("intact", "")


def _strongest(recorded: dict[str, str]) -> str:
    order = ("sha512", "sha384", "sha256", "sha224", "sha1", "md5")
    return next((a for a in order if a in recorded), "")


def _compare(data: bytes, recorded: dict[str, str]) -> bool | None:
    """True and False by a strong digest, None when only a weak one is recorded and it matches."""
    algorithm = _strongest(recorded)
    if not algorithm:
        return False
    same = _b64(recorded[algorithm]) == hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return (None if algorithm in _WEAK else True) if same else False


def _matches(data: bytes, recorded: dict[str, str]) -> bool:
    return bool(recorded) and _compare(data, recorded) is True


def _entry(view: View, entry: Entry, recorded: dict[str, str]) -> bool | None:
    algorithm = _strongest(recorded)
    if algorithm == "sha256":
        return _b64(recorded[algorithm]).hex() == entry.sha256
    if not algorithm:
        return False
    with view.path(entry).open("rb") as stream:
        same = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).digest()
    matches = same == _b64(recorded[algorithm])
    return (None if algorithm in _WEAK else True) if matches else False


def _b64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
