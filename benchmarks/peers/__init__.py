"""Other tools that export from PostgreSQL, one file each; each takes a :class:`~polyglot_export.cli.bench.tool.Job`.

A peer reads the table as its own manual shows it, with its defaults, and writes one file. ``install.sh`` installs those
that the registries have, with the versions of ``peers.txt``. What a peer does to the values is read back and compared
with the server (``benchmarks/losses.py``); that all rows are there is checked of every file.
"""
