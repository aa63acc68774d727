"""Names that a person may have meant."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean"]

MOST = 2


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """``did you mean 'name'?``, or ``None`` where nothing is similar.

    Args:
        name: What was written.
        known: What could have been.
    """
    from difflib import get_close_matches

    folded = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), folded, n=MOST)
    return f"did you mean {' or '.join(repr(folded[each]) for each in found)}?" if found else None
