"""The command line: ``main.py`` runs a command and turns its errors into exit codes, ``commands/`` has the commands."""
