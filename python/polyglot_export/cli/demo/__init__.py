"""PostgreSQL from a wheel, a sample table, and the run that ``polyglot demo`` shows."""
