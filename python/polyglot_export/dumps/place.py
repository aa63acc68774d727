"""What is in the place of a dump before it begins, and what is removed after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from polyglot_export.destinations.store import Store
from polyglot_export.destinations.stores import store
from polyglot_export.dumps.claim import Claim
from polyglot_export.dumps.layout import Layout
from polyglot_export.dumps.request import DumpRequest
from polyglot_export.errors import ManifestError, PolyglotError, SpecError
from polyglot_export.manifest.document import RelationEntry
from polyglot_export.manifest.location import read_manifest

__all__ = ["Before", "holds", "layout_of", "look", "of_generation", "remove", "see_place"]

SHOWN = 3
"""How many files that are no dump's are named."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a place holds of earlier dumps, and of other things."""

    parts: frozenset[str]
    """Files that are called as parts are: those of the set that is replaced, or of one that was never complete. Where
    sets lie side by side, those that the manifest names; else those in folders of relations too."""
    generation: int
    """What the names of new parts need, so that none replaces an old one before the new manifest is there."""
    claims: tuple[int, ...]
    """The numbers of the claims, in their order."""
    others: tuple[str, ...]
    """The first of the files that are none of this dump's, and in its way."""
    alone: bool
    """Whether nothing but the set may be in its place."""
    complete: bool
    """There is a manifest."""
    manifest: str
    """Its path."""

    def see_writable(self, place: Store, *, overwrite: bool) -> None:
        """See that a dump may be written.

        Args:
            place: That was looked at.
            overwrite: Whether a set, or a half one, may be replaced.

        Raises:
            SpecError: It holds a set, half of one, or other files.
        """
        if self.others:
            shown = ", ".join(self.others[:SHOWN]) + (", …" if len(self.others) > SHOWN else "")
            if self.alone:
                reason = f"are no dump's: {shown}; name a place of its own"
            else:
                reason = (
                    f"no {self.manifest} names: {shown}; they may be of another set: name other folders, or remove them"
                )
            raise SpecError("output", f"{place.url} holds files that {reason}")
        if overwrite:
            return
        if self.complete:
            reason = f"{place.url} holds a dump already; --overwrite replaces it when the new one is complete"
            raise SpecError("output", reason)
        if self.parts:
            reason = (
                f"{place.url} holds {len(self.parts):,} files of a dump that was never complete (no {self.manifest})"
            )
            raise SpecError("output", f"{reason}; --overwrite removes them when the new one is complete")


def layout_of(request: DumpRequest) -> Layout:
    """Where the files of a dump go.

    Raises:
        SpecError: As :class:`Layout`.
    """
    form = request.form
    return Layout(request.destination, form.format, form.compression, request.manifest)


def see_place(request: DumpRequest, layout: Layout) -> tuple[Store, Claim]:
    """See that a dump may begin, and give its place and the claim that is to be made on it.

    Raises:
        SpecError: It is no place, another dump is being written into it, or it holds something.
        TargetFailed: It cannot be written, as far as that can be known, or does not answer.
    """
    place = store(layout.root)
    place.check()
    before = look(place, layout)
    claim = Claim(place, layout.claim, before.claims)
    claim.see_free()
    before.see_writable(place, overwrite=request.overwrite)
    return place, claim


def look(place: Store, layout: Layout, folders: frozenset[str] | None = None) -> Before:
    """List a place.

    Args:
        place: That is listed.
        layout: How the files of the dump are called.
        folders: Of its relations: files in others are not its own unless the manifest that is there names them or
            their folders, however they are called. ``None`` where the relations are not known yet.

    Raises:
        SpecError: There is a file of the manifest's name that is none.
        TargetFailed: The store does not answer.
    """
    parts: set[str] = set()
    claims: list[int] = []
    others: list[str] = []
    last = -1
    complete = place.size(layout.manifest) is not None
    own = _Own(place, layout, folders, complete=complete)
    for file in place.files("" if layout.is_alone else layout.below):
        generation = layout.generation_of(file.path)
        claim = layout.claim_number(file.path)
        if file.path == layout.manifest:
            continue
        if generation is not None:
            last = max(last, generation)
        if generation is not None and own.has(file.path):
            parts.add(file.path)
        elif claim is not None:
            claims.append(claim)
        elif (layout.is_alone or generation is not None) and len(others) <= SHOWN:
            others.append(file.path)
    return Before(
        frozenset(parts),
        last + 1,
        tuple(sorted(claims)),
        tuple(others),
        layout.is_alone,
        complete,
        layout.manifest,
    )


class _Own:
    """Which of the files that are called as parts are may be replaced."""

    def __init__(self, place: Store, layout: Layout, folders: frozenset[str] | None, *, complete: bool) -> None:
        self._all = layout.is_alone and folders is None
        self._paths: frozenset[str] = frozenset()
        self._folders: frozenset[str] = frozenset()
        if self._all:
            return
        relations = _named(place, layout.manifest) if complete else ()
        self._paths = frozenset(part.path for relation in relations for part in relation.parts)
        if folders is not None and layout.is_alone:
            self._folders = folders.union(each.folder for each in relations if _has_files_in_its_folder(each))

    def has(self, path: str) -> bool:
        """Whether one may."""
        folder = path.rpartition("/")[0]
        # That of a value or a partition is in that of its relation.
        return self._all or path in self._paths or not self._folders.isdisjoint((folder, folder.rpartition("/")[0]))


def _has_files_in_its_folder(relation: RelationEntry) -> bool:
    """Whether the folder that a manifest tells is the one that it has files in; that of a single file is none."""
    inside = f"{relation.folder}/"
    return bool(relation.folder) and any(part.path.startswith(inside) for part in relation.parts)


def _named(place: Store, manifest: str) -> tuple[RelationEntry, ...]:
    """The relations of the manifest that is there. It must be one, since it is replaced.

    Raises:
        SpecError: It is none.
    """
    try:
        return read_manifest(place, manifest).relations
    except ManifestError as error:
        reason = f"there is such a file already, which is no manifest: {error.message}"
        raise SpecError("manifest", reason) from None


def holds(place: Store, path: str, content: bytes) -> bool:
    """Whether a small file is there with this content; ``False`` also if the store does not say."""
    try:
        return place.size(path) == len(content) and place.read(path, 0, len(content)) == content
    except PolyglotError:
        return False


def of_generation(place: Store, layout: Layout, folders: Iterable[str], generation: int) -> frozenset[str]:
    """The files of a dump in folders of its relations, whoever wrote them; none if the store does not say.

    Args:
        place: That holds them.
        layout: How they are called.
        folders: Of the relations, relative to the set.
        generation: Of the names of the dump's own files.
    """
    found: set[str] = set()
    for folder in folders:
        try:
            paths = [each.path for each in place.files(folder)]
        except PolyglotError:
            continue
        found.update(path for path in paths if layout.generation_of(path) == generation)
    return frozenset(found)


def remove(place: Store, paths: frozenset[str]) -> tuple[str, ...]:
    """Remove files; gives those that could not be removed."""
    left = []
    for path in sorted(paths):
        try:
            place.remove(path)
        except PolyglotError:
            left.append(path)
    return tuple(left)
