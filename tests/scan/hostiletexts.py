"""Texts made to make a parser raise or run for ever, from one seed; and samples with them in the places of others."""

from __future__ import annotations

import random

import msgspec

from fulldress.scan.rule import Sample
from fulldress.scan.samples import as_sample

SEED = 20261122
LARGE = 1 << 20
DEEP = 20_000


def texts() -> dict[str, bytes]:
    """Each kind of text by its name."""
    rng = random.Random(SEED)
    noise = rng.randbytes(200_000)
    return {
        "empty": b"",
        "one NUL": b"\0",
        "random bytes": noise,
        "random ASCII": bytes(b % 95 + 32 for b in noise),
        "random lines": bytes(10 if b < 8 else b % 95 + 32 for b in noise),
        "random marks": bytes(rng.choice(b"\"'`\\${}()[]<>|&;#=:,.!*?~%@/-+ \n\t") for _ in range(100_000)),
        "one line of a megabyte": b"x" * LARGE,
        "one line of words": b"word " * (LARGE // 20),
        "one line of keys": b"password=a1B2c3D4 " * (LARGE // 144),
        "blanks": b" " * LARGE,
        "newlines": b"\n" * (LARGE // 16),
        "carriage returns": b"a\r" * (LARGE // 32),
        "quotes": b"\"'" * 50_000,
        "quotes that never end": b'a = "b\n' * 6_000,
        "quotes in quotes": b"".join(b"\\" * (n % 60) + b'"' for n in range(5_000)),
        "NULs between": b"\0".join(b"key=value" for _ in range(5_000)),
        "NULs behind text": b"#!/bin/sh\necho ok\n" + bytes(5_000),
        "lone surrogates": "a\ud800b\udfff=\udc80\n".encode("utf-8", "surrogatepass") * 3_000,
        "UTF-16 that is cut": ("key=välue\n" * 3_000).encode("utf-16")[:-1],
        "UTF-16 of surrogates": b"\xff\xfe" + b"\x00\xd8" * 5_000,
        "UTF-32 that is cut": ("key=value\n" * 3_000).encode("utf-32")[:-3],
        "UTF-8 that is cut": ("ключ=值🂡\n" * 3_000).encode()[:-6],
        "marks of order": b"\xef\xbb\xbf" * 3_000,
        "deep braces": b"{" * DEEP + b"}" * DEEP,
        "deep brackets": b"[" * DEEP,
        "deep round brackets": b"(" * DEEP + b")" * DEEP,
        "deep substitution": b"$(" * 2_000 + b")" * 2_000,
        "deep tags": b"<a>" * DEEP,
        "deep keys": b'{"a":' * DEEP,
        "deep lists": b"- " * 5_000 + b"a",
        "anchors": b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 300)),
        "entities": b'<!DOCTYPE a [<!ENTITY a "b">' + b'<!ENTITY a "&a;&a;">' * 500 + b"]><a>&a;</a>",
        "here-documents": b"cat <<E\n" * 5_000,
        "pipes": b"a | " * 20_000 + b"b\n",
        "assignments": b"A=$A$A\n" * 10_000,
        "sections": b"[Service]\nExecStart=\n" * 10_000,
        "continued lines": b"a \\\n" * 8_000,
        "stars": b"* * * * * root " * 5_000,
        "SQL words": b"SELECT * FROM a WHERE " * 10_000,
        "SQL comments": b"/* " * 20_000,
        "SQL dollars": b"DO $a$ BEGIN " * 5_000,
        "URLs": b"https://a:b@c.example/?password=d " * 1_000,
        "numbers": b"9" * 100_000 + b"." + b"9" * 100_000,
        "dots": b"../" * 50_000,
        "base64": b"QUtJ" * 100_000,
        "digests": b"%064x  a/b\n" % 7 * 3_000,
        "PEM without end": b"-----BEGIN CERTIFICATE-----\n" * 1_500,
        "ASN.1 without end": b"\x30\x80" * 20_000,
    }


def hostile(bad: object, text: bytes) -> Sample:
    """The sample with this text in all its places: what a rule looks at, and nothing that it hopes for."""
    sample = as_sample(bad)  # type: ignore[arg-type]
    return msgspec.structs.replace(sample, files=dict.fromkeys(sample.files, text))


def spliced(bad: object, text: bytes, rng: random.Random) -> Sample:
    """The sample with the text in the middle of each of its files, so that the rule's own patterns still match."""
    sample = as_sample(bad)  # type: ignore[arg-type]
    files: dict[str, str | bytes] = {}
    for place, content in sample.files.items():
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        at = rng.randrange(len(data) + 1)
        files[place] = data[:at] + text + data[at:]
    return msgspec.structs.replace(sample, files=files)
