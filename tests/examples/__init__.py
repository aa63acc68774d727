"""The programs of ``examples/``, run as their heads say."""
