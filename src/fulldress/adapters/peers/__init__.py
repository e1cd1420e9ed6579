"""Other programs that look at a package too: one module each, with NAME, WANTS and ``ask``. Never needed, never trusted.

``NAMES`` in the order they are asked. They read copies of the relevant files in a private folder, without network, under
limits; what they say becomes findings of ours. Nothing they print is shown as they print it.
"""

from __future__ import annotations

NAMES = ("shellcheck", "squawk", "systemd-analyze", "kingfisher")
QUICK = ("shellcheck", "squawk", "systemd-analyze")
"""Those that ``--peers auto`` asks; kingfisher reads everything again and is asked by name."""
