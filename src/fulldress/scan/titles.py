"""One rule for the titles of findings: a sentence's case. Pure.

A title begins with a capital, unless it begins with a name that is written small: a file, a key, a program. Rules write
their titles as parts of sentences; which first words are no names is told here, so that no file called ``run.sh`` becomes
``Run.sh``.
"""

from __future__ import annotations

import re

_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a all also an another backups certificate certificates cloud every it its job jobs keystore many more most "
        "no nobody old one package password passwords plain port private several some that the there these this those two "
        "adds changes disables enables flushes gives goes installs leaves lets lifts makes opens reads removes replaces "
        "rewrites runs sends sets stops switches takes turns writes ",
    )
)
"""First words of titles that are no names."""
_VERBS = ("is", "was", "has", "does", "runs", "may", "and")
NAMES = frozenset(re.findall(r"\w+", "nginx kubeconfig htpasswd netrc rsync openssh putty systemd sudo cron expect "))
"""Programs and formats that are written small and that titles begin with though no file or command of the package does."""


def sentence(title: str) -> str:
    """The title with a capital where its first word is no name: ``a token in x`` → ``A token in x``; ``a is gone`` stays."""
    first, _, rest = title.partition(" ")
    word = first.rstrip(",:").removesuffix("'s")
    if not rest or word not in _WORDS or (word in ("a", "an", "the") and rest.partition(" ")[0] in _VERBS):
        return title
    return title[0].upper() + title[1:]
