"""One file, one rule: found by being here, known to nobody by name.

A rule imports nouns, formats and the shared readers of ``scan``; never another rule, never anything that does I/O.
"""
