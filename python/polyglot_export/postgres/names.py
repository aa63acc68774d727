"""Names that are not text: an SQL_ASCII database has no encoding, so a name in it may be any bytes.

:meth:`polyglot_export.postgres.leader.Leader.catalogue` reads such bytes as Python reads those of file names, by the
error handler ``surrogateescape``. Nobody can ask for such a name in UTF-8, and no file can have it.
"""

from __future__ import annotations

__all__ = ["is_text", "shown"]


def is_text(name: str) -> bool:
    """Whether a name of the catalogue is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(name: str) -> str:
    r"""The name for people, with bytes that are not UTF-8 as ``\xe9``."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
