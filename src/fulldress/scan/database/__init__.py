"""What a package does to databases: its migrations, who runs them, in which order, on what."""
