"""Figures, printed with medians; never tests."""
