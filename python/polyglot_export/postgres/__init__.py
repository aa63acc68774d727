"""The control connection: connecting, settings, locks, errors."""
