"""The key-change dossier: everything that speaks for or against a new key, each with its evidence or "not checked".

Collects; the decision is two people's. Pure over what was gathered before: no file, no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from fulldress.formats.fingerprints import of_pin, plain
from fulldress.formats.members import shown
from fulldress.intake.escalate import stamp
from fulldress.model.advisory import ChannelReport, KeyMention
from fulldress.model.package import PackageLock, Signature, TrustReport, VendorPin, VendorRecord
from fulldress.model.vendor import Dossier, DossierItem, DossierState, Escalation

MOST = 12


class Material(NamedTuple):
    """What the dossier is made from. None means that it is not at hand."""

    trust: TrustReport
    lock: PackageLock
    record: VendorRecord | None
    channels: ChannelReport | None
    asked: Escalation | None
    arrived: datetime
    facts: dict[str, str]
    """What is known of keys by fingerprint: algorithm, made, valid until, names."""
    second: str
    """SHA-256 of the same package over another way; empty when it was not fetched twice."""
    second_from: str
    previous: PackageLock | None


def dossier(given: Material, now: datetime) -> Dossier:
    """The whole dossier."""
    new = _new_keys(given.trust)
    pinned = tuple(p for p in given.record.pin if p.kind != "tsa") if given.record else ()
    items = (
        _old(given, pinned),
        _new(given, new),
        _vouched(given, new),
        _channels(given, new),
        _announced_before(given, new),
        _warned(given, new, pinned),
        _rotation_kept(given, new),
        _second(given),
        _previous(given),
        _asked(given),
    )
    return Dossier(
        package=given.lock.name,
        package_sha256=given.lock.sha256,
        verdict=given.trust.verdict,
        made=stamp(now),
        arrived=stamp(given.arrived),
        items=items,
        next_action=given.trust.next_action,
    )


def _new_keys(trust: TrustReport) -> list[Signature]:
    """One signature for each signer that is not pinned; plain certificates of servers are not signers."""
    found = {s.fingerprint.lower(): s for s in trust.signatures if s.fingerprint and s.covers != s.place}
    return [s for s in found.values() if s.verdict != "pinned-ok"]


def _item(question: str, state: DossierState, answer: str, evidence: Sequence[str] = (), how: str = "") -> DossierItem:
    return DossierItem(question=question, state=state, answer=answer, evidence=tuple(evidence[:MOST]), how=how)


def _old(given: Material, pinned: Sequence[VendorPin]) -> DossierItem:
    question = "Which keys were on record before the package arrived?"
    if given.record is None:
        return _item(question, "no", "There is no vendor record.", how="fill in vendor.toml and have it approved")
    lines = []
    for pin in pinned:
        valid = f", valid {pin.not_before or '…'} to {pin.not_after or '…'}" if pin.not_before or pin.not_after else ""
        known = given.facts.get(of_pin(pin.kind, pin.fingerprint), "no copy of this key is at hand")
        lines.append("; ".join(p for p in (f"{pin.kind} {pin.fingerprint}{valid}", shown(pin.note), known) if p))
    for before in given.record.release[-3:]:
        when = f", {before.received}" if before.received else ""
        lines.append(f"release {shown(before.version)} was signed by {before.signer or 'nobody'}{when}")
    return _item(question, "yes" if pinned else "no", f"{len(pinned)} pinned.", lines)


def _new(given: Material, new: Sequence[Signature]) -> DossierItem:
    question = "Which keys signed this package that were not on record?"
    lines = [
        f"{s.format} {s.fingerprint} ({shown(s.signer)}), {shown(s.place)} over {shown(s.covers) or 'the package'}, "
        f"{s.created or 'no date'}: {s.verdict}; {given.facts.get(s.fingerprint.lower(), s.issuer or 'nothing more known')}"
        for s in new
    ]
    return _item(question, "yes" if new else "no", f"{len(new)} not on record." if new else "None.", lines)


def _vouched(given: Material, new: Sequence[Signature]) -> DossierItem:
    question = "Does a key on record vouch for the new one?"
    void = given.asked is not None and bool(given.asked.compromised)
    rotated = [s for s in new if s.verdict == "rotated-by-chain"]
    if void:
        return _item(
            question,
            "no",
            "Void: the vendor said that the old key was compromised, so whatever it signed proves nothing.",
            [
                f"{a.recorded}: {shown(a.asked)} to {shown(a.by)}: {a.reason}"
                for a in (given.asked.answers if given.asked else ())
            ],
        )
    if rotated:
        return _item(
            question, "yes", "A pinned key signed it.", [f"{s.fingerprint}: {shown(s.reason, 300)}" for s in rotated]
        )
    if not new:
        return _item(question, "not-checked", "No new key.")
    return _item(
        question, "no", "No signature of a pinned key over the new key, or over a list that holds it, is in the package."
    )


def _mentions(given: Material, new: Sequence[Signature]) -> list[KeyMention]:
    """Where a new key is named; a place that warns of it does not vouch for it."""
    wanted = {plain(s.fingerprint) for s in new}
    named = given.channels.mentions if given.channels else ()
    return [m for m in named if m.fingerprint in wanted and m.tone != "warns"]


def _channels(given: Material, new: Sequence[Signature]) -> DossierItem:
    need = given.record.rotation.groups if given.record else 2
    question = f"Is the new key named at {need} or more independent channels?"
    if given.channels is None:
        return _item(question, "not-checked", "No channel was read.", how="fulldress vendor fetch")
    found = _mentions(given, new)
    groups = {s.fingerprint: sorted({m.group for m in found if m.fingerprint == s.fingerprint.lower()}) for s in new}
    failed = [f"{c.name} could not be read: {shown(e, 200)}" for c in given.channels.channels for e in c.errors[:2]]
    enough = bool(groups) and all(len(named) >= need for named in groups.values())
    answer = "; ".join(f"{key[:16]}… in {len(named)} groups ({', '.join(named) or 'none'})" for key, named in groups.items())
    return _item(question, "yes" if enough else "no", f"{answer or 'No new key'}.", [_said(m) for m in found] + failed)


def _announced_before(given: Material, new: Sequence[Signature]) -> DossierItem:
    question = "Was the change announced before the package arrived?"
    if given.channels is None:
        return _item(question, "not-checked", "No channel was read.", how="fulldress vendor fetch")
    found = _mentions(given, new)
    first: dict[str, str] = {}
    for mention in sorted((m for m in found if m.tone != "warns"), key=lambda m: m.dated):
        when = _when(mention.dated)
        if when is not None and when < given.arrived:
            first.setdefault(mention.fingerprint, mention.dated)
    late = [s.fingerprint for s in new if s.fingerprint.lower() not in first]
    parts = [f"{key[:16]}… first on {when}" for key, when in first.items()]
    parts += [f"{key[:16]}… nowhere with a date before that" for key in late]
    answer = f"The package arrived {stamp(given.arrived)}: {'; '.join(parts) or 'no new key'}."
    return _item(question, "yes" if first and not late else "no", answer, [_said(m) for m in found])


def _warned(given: Material, new: Sequence[Signature], pinned: Sequence[VendorPin]) -> DossierItem:
    question = "Does any channel warn of the new or the old key?"
    if given.channels is None:
        return _item(question, "not-checked", "No channel was read.", how="fulldress vendor fetch")
    ours = {plain(s.fingerprint) for s in new} | {of_pin(p.kind, p.fingerprint) for p in pinned}
    found = [m for m in given.channels.mentions if m.fingerprint in ours and m.tone == "warns"]
    return _item(
        question, "yes" if found else "no", f"{_count(found, 'place')}." if found else "None.", [_said(m) for m in found]
    )


def _rotation_kept(given: Material, new: Sequence[Signature]) -> DossierItem:
    question = "Was the change made as it was agreed beforehand?"
    rule = given.record.rotation if given.record else None
    if rule is None or (not rule.old_signs_new and not rule.announced_days):
        return _item(question, "not-checked", "Nothing was agreed.", how="[rotation] in vendor.toml, for the next time")
    broken = []
    if rule.old_signs_new and not any(s.verdict == "rotated-by-chain" for s in new):
        broken.append("the old key should have signed the new one")
    if rule.announced_days:
        latest = given.arrived - timedelta(days=rule.announced_days)
        dates = [w for m in _mentions(given, new) if (w := _when(m.dated)) is not None]
        if not any(w <= latest for w in dates):
            broken.append(f"it should have been announced {rule.announced_days} days before, by {stamp(latest)}")
    return _item(question, "no" if broken else "yes", "; ".join(broken) or "Yes.", [shown(rule.note)] if rule.note else [])


def _second(given: Material) -> DossierItem:
    question = "Is it the same package over a second path?"
    if not given.second:
        digest = [m for m in (given.channels.mentions if given.channels else ()) if m.fingerprint == given.lock.sha256]
        if digest:
            return _item(question, "yes", "A channel names this very digest.", [_said(m) for m in digest])
        how = "download it over another network and from another place: fulldress trust dossier --second FILE"
        return _item(question, "not-checked", "It was fetched once only.", how=how)
    same = given.second == given.lock.sha256
    lines = [f"here: {given.lock.sha256}", f"{shown(given.second_from)}: {given.second}"]
    return _item(
        question, "yes" if same else "no", "The same bytes." if same else "Other bytes: somebody got another package.", lines
    )


def _previous(given: Material) -> DossierItem:
    question = "What changed since the last release?"
    again = [r for r in (given.record.release if given.record else ()) if r.sha256.lower() == given.lock.sha256]
    if again:
        return _item(
            question, "yes", f"Nothing: these bytes came before, as {shown(again[0].version)}, {again[0].received}."
        )
    if given.previous is None:
        how = "fulldress trust dossier --previous ../last-release"
        return _item(question, "not-checked", "The last release is not at hand.", how=how)
    old = {e.place: e.sha256 for e in given.previous.entries if e.sha256}
    new = {e.place: e.sha256 for e in given.lock.entries if e.sha256}
    added, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    changed = sorted(p for p in new.keys() & old.keys() if new[p] != old[p])
    lines = [f"{sign} {shown(p)}" for sign, places in (("+", added), ("-", removed), ("~", changed)) for p in places[:4]]
    same = len(new) - len(added) - len(changed)
    answer = f"{len(added)} added, {len(removed)} removed, {len(changed)} changed, {same} the same."
    return _item(question, "yes", answer, lines)


def _asked(given: Material) -> DossierItem:
    question = "Was the recorded contact asked, and what was the answer?"
    if given.asked is None:
        return _item(question, "not-checked", "Nobody was asked.", how="fulldress trust escalate --by NAME")
    lines = [
        f"{a.recorded}: {shown(a.asked) or 'nobody'} to {shown(a.by)}: {a.outcome}, reason {a.reason}, fingerprint "
        f"{'as here' if a.matches else 'NOT as here' if a.fingerprint else 'not read'}, digest "
        f"{'as here' if a.digest == given.lock.sha256 else 'NOT as here' if a.digest else 'not read'}"
        f"{'; ' if a.text else ''}{shown(a.text, 300)}"
        for a in given.asked.answers
    ]
    if not lines:
        return _item(
            question, "not-checked", f"{shown(given.asked.contact)} was asked; no answer yet, due {given.asked.due}."
        )
    yes = [a for a in given.asked.answers if a.outcome == "confirmed"]
    good = any(a.matches or a.digest == given.lock.sha256 for a in yes) and not given.asked.refused
    return _item(question, "yes" if good else "no", given.asked.refused or f"{_count(lines, 'answer')}.", lines)


def _count(found: Sequence[object], what: str) -> str:
    return f"{len(found)} {what}" + ("" if len(found) == 1 else "s")


def _said(mention: KeyMention) -> str:
    when = mention.dated or "undated"
    return f"{shown(mention.channel)} [{shown(mention.group)}], {when}, {mention.tone}: {shown(mention.excerpt, 300)}"


def _when(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


MARKS: dict[DossierState, str] = {"yes": "yes", "no": "NO", "not-checked": "not checked"}


def markdown(found: Dossier) -> str:
    """The dossier for people, and for a signature on paper."""
    lines = [
        f"# Key change: {shown(found.package)}",
        "",
        f"- SHA-256: `{found.package_sha256}`",
        f"- verdict: **{found.verdict}**",
        f"- arrived: {found.arrived}; this dossier: {found.made}",
        "",
    ]
    for item in found.items:
        lines += [f"## {item.question}", "", f"**{MARKS[item.state]}.** {_plain(item.answer)}", ""]
        lines += [f"- {_plain(e)}" for e in item.evidence]
        if item.how:
            lines.append(f"- to check it: `{item.how}`")
        if item.evidence or item.how:
            lines.append("")
    return "\n".join([*lines, "## Next", "", _plain(found.next_action), ""])


def _plain(text: str) -> str:
    """Text of strangers inside Markdown: no links, no HTML, no headings."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|" else c for c in shown(text, 2000))
