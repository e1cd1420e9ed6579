"""The plan run full dress on a clone of production: traffic, faults, rollback, and the proof that all came back.

Production is only read. What the clone sends outside ends in the sink.
"""
