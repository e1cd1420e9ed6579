"""CSAF 2.0: are the rules of the standard kept, what does a document say, where does a provider keep its documents.

Pure and offline: schemas come with the ``csaf`` library, nothing is ever fetched to check a document.
"""
