"""Sizes, times, tables and exact JSON as text; imports nothing of this package."""
