"""Sizes, times and exact JSON as text."""
