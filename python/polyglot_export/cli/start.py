"""Where the process of ``polyglot`` begins: it prepares a quick start before anything large is imported."""

from __future__ import annotations

import gc
from typing import NoReturn

from polyglot_export.cli.quick import import_click

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    # What is imported does not become garbage; looking for some would only take time. The command that runs enables it.
    gc.disable()
    import_click()
    from polyglot_export.cli import main as command_line

    command_line.main()
