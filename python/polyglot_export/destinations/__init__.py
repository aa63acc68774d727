"""Where the bytes of an export go: what a destination is, the kinds that there are, and what a name says."""
