"""Nouns of the vendor record and of the people who answer for it: channels, approvals, questions and answers. No I/O."""

from __future__ import annotations

import unicodedata
from typing import Literal

import msgspec

ChannelKind = Literal[
    "csaf", "rolie", "aggregator", "csaf-directory", "csaf-document", "security-txt", "feed", "text", "folder"
]


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``[[channel]]``: where the vendor speaks. Channels of one ``group`` fall together, so they count as one witness."""

    name: str
    kind: ChannelKind
    url: str
    """``https://…``; for a folder, its path, relative to the record."""
    group: str
    """Who runs it: what one break-in can change at once is one group."""
    hosts: tuple[str, ...] = ()
    """Further hosts (``name`` or ``name:port``) that the channel's own documents may name."""
    private_networks: tuple[str, ...] = ()
    """Networks that are not public and that this channel may lead to: a mirror inside."""
    ca: str = ""
    """PEM of the roots that this channel's TLS may end at; the machine's own when empty."""
    keys: tuple[str, ...] = ()
    """Fingerprints of OpenPGP keys that sign this channel's documents."""


class KnownRelease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``[[release]]``: a package that came before."""

    version: str
    sha256: str
    signer: str = ""
    """Fingerprint of the key that signed it."""
    received: str = ""


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``[rotation]``: what the vendor promised about changes of keys, as agreed beforehand."""

    old_signs_new: bool = False
    announced_days: int = 0
    """Days between announcement and first use."""
    groups: int = 2
    """Independent groups of channels that must name the new key."""
    note: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """``[[decision]]`` of ``acceptance.toml``: one person, in their own words."""

    by: str
    recorded: str
    reason: str


def person(name: str) -> str:
    """A name as it is compared: case, blanks and forms of letters do not make another person."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


Outcome = Literal["confirmed", "denied", "no-answer"]
Reason = Literal["unknown", "planned", "expired", "compromised", "lost", "ca-change"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the contact said, and who took it down."""

    by: str
    recorded: str
    asked: str
    """The person spoken to."""
    outcome: Outcome
    reason: Reason = "unknown"
    """Why the key changed."""
    fingerprint: str = ""
    """As the contact read it aloud, lower-case hex."""
    matches: bool = False
    """True when the fingerprint read aloud is the one that signed the package."""
    digest: str = ""
    """SHA-256 of the package as the contact read it aloud, lower-case hex."""
    text: str = ""


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """``01-package/escalation.json``: what is asked of whom, by when, and what came back."""

    schema_version: int = 1
    package_sha256: str
    verdict: str
    contact: str
    """From the vendor record alone."""
    contact_recorded: str = ""
    asked_by: str
    opened: str
    due: str
    """ISO 8601 with zone."""
    questions: tuple[str, ...]
    signers: tuple[str, ...] = ()
    """Fingerprints that the questions are about."""
    pinned: tuple[str, ...] = ()
    """Fingerprints on record when it was asked."""
    answers: tuple[Answer, ...] = ()

    @property
    def compromised(self) -> frozenset[str]:
        """Keys on record whose word is void, because an answer says that the old key was compromised."""
        return frozenset(self.pinned) if any(a.reason == "compromised" for a in self.answers) else frozenset()

    @property
    def refused(self) -> str:
        """Why the package cannot be accepted after these answers; ``""`` when it can."""
        for answer in self.answers:
            if answer.outcome == "denied":
                return f"{answer.asked} said that the package or its key is not theirs"
            if answer.digest and answer.digest != self.package_sha256:
                return f"the SHA-256 that {answer.asked} read aloud is not that of this package"
            if answer.outcome == "confirmed" and self.signers and not answer.matches:
                return f"the fingerprint that {answer.asked} read aloud is not the one that signed the package"
        return ""


DossierState = Literal["yes", "no", "not-checked"]


class DossierItem(msgspec.Struct, frozen=True, kw_only=True):
    """One question about a change of keys, with its evidence."""

    question: str
    state: DossierState
    answer: str
    evidence: tuple[str, ...] = ()
    how: str = ""
    """How it can be checked, where it was not."""


class Dossier(msgspec.Struct, frozen=True, kw_only=True):
    """``01-package/key-change.json``."""

    schema_version: int = 1
    package: str
    package_sha256: str
    verdict: str
    made: str
    arrived: str
    items: tuple[DossierItem, ...]
    next_action: str
