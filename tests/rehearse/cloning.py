"""A base image taken for a mirror, for tests of clones."""

from __future__ import annotations

import time
from pathlib import Path

from fulldress.rehearse.mirror import Cluster, Mirror

CLUSTER = Cluster(version="15", name="main", port=5432, online=True, owner="postgres", data="/var/lib/postgresql/15/main")


def mirror_of(tree: Path) -> Mirror:
    """A base image taken for a mirror: complete, and never written."""
    return Mirror(
        host="machine:made-up",
        tree=str(tree),
        refreshed=time.time(),
        seconds=0,
        clusters=(CLUSTER,),
        files=1,
        file_bytes=1,
        database_bytes=0,
        copied_bytes=0,
        digest="",
    )
