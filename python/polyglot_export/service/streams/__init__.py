"""Bytes on their way to a client."""
