"""The name of the output: placeholders in it, and the folders that it stands in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from polyglot_export.destinations.file import FileDestination, local_path
from polyglot_export.destinations.registry import kind_of
from polyglot_export.errors import SpecError

__all__ = ["expanded", "made_folders"]

_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")


def expanded(name: str, dataset: str | None, *, field: str, now: datetime) -> str:
    """A name with the values of its placeholders.

    Args:
        name: As it was written.
        dataset: What is exported; ``None`` for a query.
        field: Where it was written, for an error.
        now: Local time.

    Raises:
        SpecError: A placeholder is not known.
    """
    values = {"date": f"{now:%Y-%m-%d}", "time": f"{now:%H%M%S}", "dataset": _as_name(dataset or "query")}

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            known = ", ".join(f"{{{each}}}" for each in values)
            raise SpecError(field, f"--expand knows {known}", given=name)
        return values[match[1]]

    return _BRACES.sub(value, name)


def _as_name(dataset: str) -> str:
    """The dataset as a part of a file's name, encoded as in the folders of a dump; the dot behind a schema stays."""
    from polyglot_export.dumps.layout import encoded

    return ".".join(encoded(part) for part in dataset.split("."))


@contextmanager
def made_folders(output: str) -> Iterator[None]:
    """Make the folders of a file that are missing. Where the block fails they go again, as far as they are empty.

    An object needs no folder.

    Raises:
        SpecError: One cannot be made.
    """
    made: list[Path] = []
    if kind_of(output) is FileDestination:
        folder = Path(os.path.abspath(local_path(output))).parent  # noqa: PTH100 - a link stays one
        try:
            for each in reversed([folder, *folder.parents]):
                if not each.exists():
                    each.mkdir(exist_ok=True)
                    made.append(each)
        except OSError as error:
            _remove(made)
            raise SpecError("output", f"the folder {folder} cannot be made: {error.strerror or error}") from None
    try:
        yield
    except BaseException:
        _remove(made)
        raise


def _remove(folders: list[Path]) -> None:
    for each in reversed(folders):
        with suppress(OSError):
            each.rmdir()
