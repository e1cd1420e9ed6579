"""The rules, and what they share: one read of every byte, then each rule looks at what was found for it.

Nothing here opens the package: rules see a ``Context``. The modules beside ``rules/`` are read by several of them.
"""
