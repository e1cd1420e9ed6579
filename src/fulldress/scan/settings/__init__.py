"""Settings in the package and the estate: keys that change with versions, lines that nobody would leave as they are."""
