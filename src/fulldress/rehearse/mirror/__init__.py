"""The mirror: a consistent copy of a live production machine, kept up to date, never booted itself.

``refreshing`` makes it (``mounts``, ``files``, ``servers``, ``postgres`` and its three ways, ``mysql``, ``masking``);
``standing`` says whether it may be used. Reads production, writes only below the mirror's own directory.
"""

from fulldress.rehearse.mirror.masking import MaskFailed
from fulldress.rehearse.mirror.nouns import NEVER, AppliedMask, Cluster, Mirror, MirrorFailed
from fulldress.rehearse.mirror.refreshing import load, refresh
from fulldress.rehearse.mirror.standing import checks, facts, require_masks, require_still

__all__ = [
    "NEVER",
    "AppliedMask",
    "Cluster",
    "MaskFailed",
    "Mirror",
    "MirrorFailed",
    "checks",
    "facts",
    "load",
    "refresh",
    "require_masks",
    "require_still",
]
