"""Everything that is asked of PostgreSQL's catalogue."""
