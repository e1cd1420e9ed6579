"""Cures applied: patches over the package, the adapted package, the rescan.

Reads the package and the findings; the vendor's own bytes stay as they came. Knows no host and no other stage.
"""
