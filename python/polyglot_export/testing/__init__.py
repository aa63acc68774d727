"""A throw-away PostgreSQL with records in it, and readers of files: for demo, benchmark and tests."""
