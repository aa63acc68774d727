"""Other tools that export from PostgreSQL, one file each; each takes a :class:`~polyglot_export.cli.bench.tool.Job`.

A peer reads the table as its own manual shows it, with its defaults, and writes one file. What it does to the values is
its own affair (docs/benchmarks.md tells); that all rows are there is checked.
"""
