"""How to install an optional part of the package, for messages."""

from __future__ import annotations

__all__ = ["install_hint"]


def install_hint(*extras: str) -> str:
    """The commands that bring these extras of ``pyproject.toml``: from the index, and in a clone of the repository."""
    names = ",".join(extras)
    return f"pip install 'polyglot-export[{names}]' (in a clone: make install, or pip install -e '.[{names}]')"
