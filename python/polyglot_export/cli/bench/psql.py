"""psql's own copy, the measure of every export."""

from __future__ import annotations

__all__ = ["copy_command"]


def copy_command(psql: str, table: str, target: str) -> list[str]:
    r"""``\copy … csv`` of a table or view, into a file or to ``pstdout``."""
    where = target if target == "pstdout" else "'" + target.replace("'", "''") + "'"
    return [
        psql,
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-c",
        f"\\copy (select * from {table}) to {where} with (format csv, header)",  # noqa: S608 - Job.name quotes it
    ]
