"""Exports that run without a client: whose turn it is, and what becomes of them."""
