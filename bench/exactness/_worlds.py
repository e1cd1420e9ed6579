"""Makes vendor packages out of one text: as ``_unseen`` does, with RPM and deb inside, and comments of more languages.

A mark that stands alone in a comment is no line of the file, whatever the comment looks like.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from exactness._unseen import MADE, MARK, Truth, Unseen, _mark, _object, _token
from exactness._vendors import packed

MATERIAL = Path(__file__).parent.parent / "material"
ALONE = frozenset(("", "#", "//", "--", "rem", "<!-- -->"))


def package(folder: str, name: str, end: str) -> Unseen:
    """The package ``name`` of ``material/folder``, and what is known of it."""
    files: dict[str, bytes] = {}
    truth: list[Truth] = []
    chance = random.Random(name)
    text = (MATERIAL / folder / f"{name}.txt").read_text(encoding="utf-8")
    for part in re.split(r"^=== ", text, flags=re.M)[1:]:
        head, _, body = part.partition("\n")
        place = MARK.sub("", head)
        truth += [_mark(found, place, 0) for found in MARK.finditer(head)]
        kept: list[str] = []
        for line in body.splitlines():
            bare = MARK.sub("", line)
            alone = bare != line and bare.strip() in ALONE
            for found in MARK.finditer(line):
                told = _mark(found, place, len(kept) + 1)
                truth.append(told._replace(last=len(kept)) if alone else told)
            if not alone:
                kept.append(MADE.sub(lambda m: _token(chance, m[1]), bare))
        files[place] = ("\n".join(kept) + "\n").encode()
    made = {place: _object(data, place, files) for place, data in files.items()}
    return Unseen(name, end, packed(name + end, made), tuple(truth))
