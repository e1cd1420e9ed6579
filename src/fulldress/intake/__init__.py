"""The first stage: take the package apart, say who signed it, and what the vendor's channels say about it.

Writes nothing outside its release folder and the content store, and runs nothing of the package.
"""
