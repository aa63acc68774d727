"""The manifest of one export into one file."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from polyglot_export._core import Sha256
from polyglot_export.destinations.registry import destination, kind_of
from polyglot_export.errors import InternalError, SpecError
from polyglot_export.execution.export import Export
from polyglot_export.execution.run import ExportResult
from polyglot_export.manifest.document import Manifest, PartEntry
from polyglot_export.manifest.location import ENDING, path_below
from polyglot_export.manifest.moment import TOOL, constraints_of, options_of, origin_of, relation_of

__all__ = ["SingleManifest"]


class SingleManifest:
    """Written when the file is complete; a context manager, which is entered before a row is read, so that what is
    wrong with its place is known early. Without :meth:`write`, nothing of it is left.

    Args:
        file: The file of the export, as the user writes it.
        manifest: The manifest.
        fingerprints: Ask the server for the fingerprints of all segments.

    Raises:
        SpecError: The manifest cannot say where the file is.
    """

    def __init__(self, file: str, manifest: str, *, fingerprints: bool = False) -> None:
        self._path = _relative(file, manifest)
        self._place = destination(manifest)
        self._fingerprints = fingerprints
        self.hasher = Sha256()
        """Gets the bytes of the file."""
        self._described: Manifest | None = None

    def __enter__(self) -> Self:
        self._place.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._place.__exit__(*exc_info)

    def describe(self, export: Export) -> None:
        """Ask what is to be said, while the moment of the export is held: before its first chunk is pulled.

        Raises:
            PolyglotError: The server does not answer; the export is closed.
        """
        try:
            self._described = self._ask(export)
        except BaseException:
            export.close()
            raise

    def _ask(self, export: Export) -> Manifest:
        relation = relation_of(
            export.moment,
            export.plan,
            export.spec,
            constraints_of(export.moment),
            with_fingerprints=self._fingerprints,
        )
        return Manifest(
            tool=TOOL,
            complete=True,
            source=origin_of(export.moment),
            options=options_of(export.spec),
            relations=(relation,),
        )

    def write(self, result: ExportResult) -> None:
        """The file is complete and in its place: write the manifest."""
        described = self._described
        if described is None:
            raise InternalError("a manifest of an export that was not described")
        part = PartEntry(path=self._path, bytes=result.bytes, rows=result.rows, sha256=self.hasher.hexdigest())
        relation = replace(described.relations[0], rows=result.rows, losses={**result.losses}, parts=(part,))
        self._place.write(replace(described, relations=(relation,)).to_json())
        self._place.commit()


def _relative(file: str, manifest: str) -> str:
    """The path of a file from the folder of its manifest.

    Raises:
        SpecError: There is none that leads down.
    """
    for name, what in ((file, "the export"), (manifest, "the manifest")):
        if not kind_of(name).capabilities.named_by_format:
            raise SpecError("manifest", f"tells of files that stay, and {what} goes into {name}, which is none")
    if not manifest.endswith(ENDING):
        raise SpecError("manifest", f"must be the name of a file that ends in {ENDING} (got {manifest!r})")
    below = path_below(file, manifest)
    if file == manifest or below == manifest.rpartition("/")[2]:
        raise SpecError("manifest", f"{manifest} is the file of the export; give the manifest another name")
    if not below:
        reason = f"must be in the folder of the file or above it, and the file's name must be text (got {manifest!r})"
        raise SpecError("manifest", reason)
    return below
