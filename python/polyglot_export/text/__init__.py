"""Sizes, times, tables, hints and exact JSON as text; imports nothing of this package."""
