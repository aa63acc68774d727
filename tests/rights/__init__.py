"""What callers may read in the database, by login, role, settings, rows and masks."""
