"""Sizes, times, exact JSON and hints as text."""
