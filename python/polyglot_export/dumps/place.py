"""What is in the place of a dump before it begins, and what is removed after it."""

from __future__ import annotations

from dataclasses import dataclass

from polyglot_export.destinations.registry import store
from polyglot_export.destinations.store import Store
from polyglot_export.dumps.claim import Claim
from polyglot_export.dumps.layout import Layout
from polyglot_export.dumps.request import DumpRequest
from polyglot_export.errors import PolyglotError, SpecError
from polyglot_export.manifest.document import MANIFEST
from polyglot_export.manifest.location import claim_number

__all__ = ["Before", "holds", "look", "remove", "see_place"]

SHOWN = 3
"""How many files that are no dump's are named."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a place holds of earlier dumps, and of other things."""

    parts: frozenset[str]
    """Files that are called as parts are: those of the set that is replaced, or of one that was never complete."""
    generation: int
    """What the names of new parts need, so that none replaces an old one before the new manifest is there."""
    claims: tuple[int, ...]
    """The numbers of the claims, in their order."""
    others: tuple[str, ...]
    """The first of the files that are no dump's."""
    complete: bool
    """There is a manifest."""

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
            raise SpecError("output", f"{place.url} holds files that are no dump's: {shown}; name a place of its own")
        if overwrite:
            return
        if self.complete:
            reason = f"{place.url} holds a dump already; --overwrite replaces it when the new one is complete"
            raise SpecError("output", reason)
        if self.parts:
            reason = f"{place.url} holds {len(self.parts):,} files of a dump that was never complete (no {MANIFEST})"
            raise SpecError("output", f"{reason}; --overwrite removes them when the new one is complete")


def see_place(request: DumpRequest, layout: Layout) -> tuple[Store, Claim]:
    """See that a dump may begin, and give its place and the claim that is to be made on it.

    Raises:
        SpecError: It is no place, another dump is being written into it, or it holds something.
        TargetFailed: It cannot be written, as far as that can be known, or does not answer.
    """
    place = store(layout.root)
    place.check()
    before = look(place, layout)
    claim = Claim(place, before.claims)
    claim.see_free()
    before.see_writable(place, overwrite=request.overwrite)
    return place, claim


def look(place: Store, layout: Layout) -> Before:
    """List a place.

    Raises:
        TargetFailed: The store does not answer.
    """
    parts: set[str] = set()
    claims: list[int] = []
    others: list[str] = []
    last, complete = -1, False
    for file in place.files():
        generation = layout.generation_of(file.path)
        claim = claim_number(file.path)
        if file.path == MANIFEST:
            complete = True
        elif generation is not None:
            parts.add(file.path)
            last = max(last, generation)
        elif claim is not None:
            claims.append(claim)
        elif len(others) <= SHOWN:
            others.append(file.path)
    return Before(frozenset(parts), last + 1, tuple(sorted(claims)), tuple(others), complete)


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
