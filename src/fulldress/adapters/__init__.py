"""The world behind the Protocols of ``ports``: hosts, machines, child processes, signatures, the network.

Whoever touches something outside a release folder does it here. Adapters decide nothing: they do what a stage asks.
"""
