"""HTTPS without a proxy: the files of a certificate, what is spoken with them, and bytes through it."""
