"""A file a format: its name, endings, options and what the core is told."""
