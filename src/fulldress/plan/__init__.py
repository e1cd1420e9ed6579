"""From the adapted package and the estate to a plan of steps, locked by its digests. Runs nothing."""
