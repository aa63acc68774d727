"""A quicker import of psycopg, for a command that ends in a fifth of a second.

To learn its own version psycopg loads ``importlib.metadata``, and with it Python's parsers of e-mail, CSV and ZIP
files: a twentieth of what a short export costs. The version stands in the name of a folder as well.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["import_psycopg"]

_NAME = "importlib.metadata"


def import_psycopg() -> None:
    """Import psycopg, as ``import psycopg`` would; whoever needs ``importlib.metadata`` later gets the real one."""
    if "psycopg" in sys.modules or _NAME in sys.modules:
        return
    stand_in = _Versions(_NAME)
    sys.modules[_NAME] = stand_in
    try:
        import psycopg  # noqa: F401 - for the modules that follow
    finally:
        if sys.modules.get(_NAME) is stand_in:
            del sys.modules[_NAME]


class _Versions(ModuleType):
    """Stands in for ``importlib.metadata`` meanwhile: knows versions, and asks the real module for anything else."""

    def version(self, name: str) -> str:
        """The version in the name of the folder that the installer made (PEP 376): ``psycopg-3.2.1.dist-info``."""
        spec = find_spec("psycopg")
        places = spec.submodule_search_locations if spec is not None else None
        stem = name.replace("-", "_")
        found = [folder.name for place in places or () for folder in Path(place).parent.glob(f"{stem}-*.dist-info")]
        if len(found) == 1:
            return found[0].removeprefix(f"{stem}-").removesuffix(".dist-info")
        return str(self.__getattr__("version")(name))

    def __getattr__(self, name: str) -> Any:
        sys.modules.pop(_NAME, None)
        return getattr(import_module(_NAME), name)
