"""The command line: ``main.py`` has what all commands share, each command has its file."""
