"""A file a command; the folder is the list of commands."""
