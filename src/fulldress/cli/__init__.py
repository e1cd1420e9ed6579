"""The command line: the only room that joins stages, prints, and ends the process.

``commands/`` holds one file for each command; the modules beside it are what several commands share.
"""
