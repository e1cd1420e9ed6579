"""Formats of others, read and rewritten: archives, configuration, SQL, shell, keys, feeds. Bytes or text in, values out.

Pure: no files, no network, no clock. What is read here was written by strangers, so every size and depth is bounded.
"""
