"""Hosts that a package names and reaches, and the certificates that it brings."""
