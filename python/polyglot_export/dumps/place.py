"""What is in the place of a dump before it begins, and what is removed after it."""

from __future__ import annotations

from dataclasses import dataclass

from polyglot_export.destinations.store import Store
from polyglot_export.dumps.layout import is_part
from polyglot_export.errors import PolyglotError, SpecError
from polyglot_export.manifest.location import is_claim

__all__ = ["Before", "holds", "look", "remove"]

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Before:
    """What a place holds of earlier dumps."""

    parts: frozenset[str] = frozenset()
    """Files that are called as parts are: those of the set that is replaced, or of one that was never complete."""
    complete: bool = False
    """There is a manifest."""

    @property
    def generation(self) -> int:
        """What the names of new parts need, so that none replaces an old one before the new manifest is there."""
        last = [part.rpartition("/")[2].partition(".")[0].split("-")[2:] for part in self.parts]
        return max((int(numbers[0]) if numbers else 0 for numbers in last), default=-1) + 1


def look(place: Store, manifest: str, *, overwrite: bool) -> Before:
    """See that a dump may be written.

    Args:
        place: Where; with the claim held.
        manifest: The path of the manifest in it.
        overwrite: Whether a set, or a half one, may be replaced.

    Raises:
        SpecError: It holds a set, half of one, or other files.
        TargetFailed: The store does not answer.
    """
    parts, others, complete = set(), [], False
    for file in place.files():
        if file.path == manifest:
            complete = True
        elif is_part(file.path):
            parts.add(file.path)
        elif not is_claim(file.path):
            others.append(file.path)
    if others:
        shown = ", ".join(others[:SHOWN]) + (", …" if len(others) > SHOWN else "")
        raise SpecError("output", f"{place.url} holds files that are no dump's: {shown}; name a place of its own")
    if complete and not overwrite:
        raise SpecError(
            "output", f"{place.url} holds a dump already; --overwrite replaces it when the new one is complete"
        )
    if parts and not overwrite:
        reason = f"{place.url} holds {len(parts):,} files of a dump that was never complete (no {manifest})"
        raise SpecError("output", f"{reason}; --overwrite removes them when the new one is complete")
    return Before(frozenset(parts), complete)


def holds(place: Store, path: str, content: bytes) -> bool:
    """Whether a small file is there with this content; ``False`` also if the store does not say."""
    try:
        return place.size(path) == len(content) and place.read(path, 0, len(content)) == content
    except PolyglotError:
        return False


def remove(place: Store, paths: frozenset[str]) -> tuple[str, ...]:
    """Remove files; gives those that could not be removed."""
    left = []
    for path in sorted(paths):
        try:
            place.remove(path)
        except PolyglotError:
            left.append(path)
    return tuple(left)
