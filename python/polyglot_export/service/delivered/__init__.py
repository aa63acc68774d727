"""Exports that become a set of files in a configured destination, with a manifest."""
