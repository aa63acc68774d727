"""What the peers that are Python libraries run, as their manuals show it; each in a process of its own.

They import nothing of polyglot_export and as little as they can of anything else, since what a process imports is part
of its time.
"""
