"""One file, one command: its variable ``command`` is the command, its name is the file's.

A command reads its arguments, calls stages and prints; it is imported only when it is asked for.
"""
