"""How the bytes of an export reach a client: as a stream, or as a file that was prepared before."""
