"""Tests against a real PostgreSQL. ``fixtures/`` starts it; each folder is one surface or one promise."""
