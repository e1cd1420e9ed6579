"""What is on the hosts now, and which of its settings the new version changes. Reads the hosts, never writes to one."""
