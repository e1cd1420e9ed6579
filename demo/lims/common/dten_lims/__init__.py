"""DTEN LIMS: samples, analyses, results and their release."""
