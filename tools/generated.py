"""What the generators share: a file is written, or compared with what would be written."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["keep"]


def keep(file: Path, made: str, module: str) -> int:
    """Write a generated file or, with ``--check``, say whether it is up to date; gives the exit code.

    Args:
        file: The file.
        made: What it has to hold.
        module: What makes it, for ``python -m``.
    """
    if "--check" not in sys.argv[1:]:
        file.write_text(made, encoding="utf-8")
        return 0
    if file.read_text(encoding="utf-8") == made:
        return 0
    print(f"{file} is stale: run python -m {module}", file=sys.stderr)
    return 1
