"""Fulldress: take a vendor's upgrade package apart, rehearse it full dress, run exactly what was rehearsed.

This module holds the version only. It imports nothing, so that ``fulldress --version`` starts at once.
"""

__version__ = "0.1.0"
