"""``polyglot bench``: exports and other tools beside psql's own copy, in pairs that see the same machine, with every
file read back.
"""
