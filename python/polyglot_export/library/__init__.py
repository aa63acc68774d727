"""The face to Python callers."""
