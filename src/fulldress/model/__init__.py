"""The nouns: packages, findings, estates, plans, reports. Types only: no I/O, no imports from other rooms."""
