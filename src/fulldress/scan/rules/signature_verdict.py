"""The package is not signed by a key that is known to be the vendor's.

## What it does
Turns the trust report of `fulldress intake` into a finding for every verdict but `pinned-ok`, with the signature that
decided it, and says what no valid signature covers.

## Why it matters
A key that comes with the package proves only that the package is whole, not whose it is. Rotations of keys are real,
and so are attackers who announce one.

## Example
```
SHA256SUMS.asc: signed by 1A2B…, which no record of the vendor names
```

## Fix
Call the contact that was recorded before the package arrived; never one that the package or the ticket names. Record
the answer, by name, as a new pin in `vendor.toml` or as a waiver. No patch can decide this.

## References
- RFC 9580 OpenPGP; RFC 5652 Cryptographic Message Syntax
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Confidence, Finding, Severity
from fulldress.model.package import Signature, TrustReport, Verdict
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="signature-verdict",
    family="provenance",
    title="Not signed by a key known to be the vendor's",
    severity="high",
    confidence="certain",
    needs=("trust",),
)
SINCE = "has expired since"
"""How the judge says of an intact signature that its key has ended by now."""
SEVERITY: dict[Verdict, Severity] = {
    "bad": "critical",
    "revoked-or-weak": "critical",
    "unknown-key": "high",
    "unsigned": "high",
    "same-ca-new-leaf": "medium",
    "rotated-by-chain": "medium",
}


def check(context: Context) -> Iterator[Finding]:
    """One finding for the overall verdict, one when it is fine but parts are covered by nothing."""
    trust = context.trust
    assert trust is not None
    if context.acceptance is not None and context.acceptance.covers(trust):
        return  # two people have decided about exactly this digest; the record says who and why
    if trust.verdict != "pinned-ok":
        signature = next((s for s in trust.signatures if s.verdict == trust.verdict), None)
        yield _finding(trust, signature)
    elif trust.uncovered:
        yield Finding(
            rule=META.slug,
            severity="medium",
            confidence=_CERTAIN,
            title=f"{len(trust.uncovered)} files are covered by no signature",
            place=trust.uncovered[0],
            excerpt="; ".join(trust.uncovered[:6]),
            consequence="Anyone could have put them in.",
            fix="Ask the vendor for a package whose signed checksums cover every file.",
        )
    if trust.verdict == "pinned-ok":
        yield from _ended(trust)


def _ended(trust: TrustReport) -> Iterator[Finding]:
    """A key that was valid when it signed and has ended since: no fault of this package, but the next one needs another."""
    ended = [s for s in trust.signatures if s.verdict == "pinned-ok" and SINCE in s.reason]
    if ended:
        yield Finding(
            rule=META.slug,
            severity="low",
            confidence=_CERTAIN,
            title="the key that signed it has expired since",
            place=ended[0].place,
            excerpt=f"{ended[0].signer} {ended[0].fingerprint}".strip(),
            consequence="The signature holds, because it was made before; when, is the word of whoever signed.",
            fix="Ask the vendor for the prolonged key or its successor before the next package comes.",
        )


_CERTAIN: Confidence = "certain"


def _severity(trust: TrustReport) -> Severity:
    """Where no signature was ever expected (no vendor record), its absence tells little: most packages have none."""
    signed = any(s.format != "x509" for s in trust.signatures)  # a certificate among the files signs nothing
    if trust.verdict == "unsigned" and not trust.vendor and not signed:
        return "low"
    return SEVERITY[trust.verdict]


def _finding(trust: TrustReport, signature: Signature | None) -> Finding:
    signer = f"{signature.signer or 'no name'} {signature.fingerprint}".strip() if signature is not None else ""
    issuer = f", issued by {signature.issuer}" if signature is not None and signature.issuer else ""
    return Finding(
        rule=META.slug,
        severity=_severity(trust),
        confidence=_CERTAIN,
        title=f"{trust.verdict}: {trust.explanation.partition('. ')[0]}",
        place=signature.place if signature is not None else "",
        excerpt=f"{signer}{issuer}" if signer else "",
        consequence="Nobody knows yet whether this package is the vendor's.",
        fix=trust.next_action or "Ask the recorded contact of the vendor; record the decision with a name and a reason.",
    )


def _trust(verdict: Verdict, *, uncovered: tuple[str, ...] = (), reason: str = "") -> TrustReport:
    place = "SHA256SUMS"
    signature = Signature(
        format="openpgp", place=f"{place}.asc", covers=place, verdict=verdict, signer="V", fingerprint="1a2b", reason=reason
    )
    return TrustReport(
        package_sha256="0" * 64,
        verdict=verdict,
        explanation="signed by a key that no record of the vendor names",
        next_action="Call the recorded contact.",
        signatures=(signature,),
        uncovered=uncovered,
    )


BAD = (
    Sample(files={"SHA256SUMS.asc": "x"}, trust=_trust("unknown-key")),
    Sample(files={"SHA256SUMS.asc": "x"}, trust=_trust("bad")),
    Sample(files={"SHA256SUMS.asc": "x"}, trust=_trust("pinned-ok", uncovered=("bin/tool",))),
    Sample(files={"SHA256SUMS.asc": "x"}, trust=_trust("pinned-ok", reason=f"its key {SINCE}")),
)
GOOD = (Sample(files={"SHA256SUMS.asc": "x"}, trust=_trust("pinned-ok")),)
