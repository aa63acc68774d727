"""Parts of a dump that are written by other processes and machines."""
