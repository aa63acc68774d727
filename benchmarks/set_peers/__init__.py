"""Other tools that write a table into several files, one file each, beside ``polyglot dump`` of the same.

A peer has two readers where it can have them, and else its defaults. What it does to the values is its own affair; that
all rows are there is checked where its files can be read.
"""
