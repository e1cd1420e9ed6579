"""Where this machine keeps what is not part of a release folder: blobs, images, mirrors, clones, run databases.

Resolves and makes directories; knows nothing of their content.
"""

from __future__ import annotations

import os
from pathlib import Path


def state_dir() -> Path:
    """``$FULLDRESS_STATE``, else ``/var/lib/fulldress`` for root, else ``$XDG_STATE_HOME/fulldress``; made if missing."""
    named = os.environ.get("FULLDRESS_STATE")
    if named:
        path = Path(named).absolute()
    elif os.geteuid() == 0:
        path = Path("/var/lib/fulldress")
    else:
        path = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "fulldress"
    path.mkdir(parents=True, exist_ok=True, mode=0o750)
    return path
