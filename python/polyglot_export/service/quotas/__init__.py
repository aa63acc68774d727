"""The limits of each caller: what it has used, and when it is refused."""
