"""``polyglot bench`` measures exports against psql's own copy.

Each run of a tool directly follows one of psql, so that a machine that is slow for a minute is slow for both. Every
file is read back by another reader.
"""
