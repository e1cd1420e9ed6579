"""Where things are kept: release folders, content by its SHA-256, journals, caches. No decisions, no stages."""
