"""Secrets in packages: where they stand, how they are told from what only looks like one, and what cures write instead."""
