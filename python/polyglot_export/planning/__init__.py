"""From a spec to a finished plan, at one moment of the database.

The way, file by file: ``relation`` (a name to a relation) or ``query`` (parsed alone) → ``make`` (locks and snapshot
through the leader, starting again where something moved) → ``attributes`` and ``types`` (what the catalogue says) →
``columns`` (decoder, Parquet type and expression of each) → ``filters`` → ``statement`` → ``explained`` (the planner's
answer) → ``segments`` (how it is cut) → ``encoder`` (the format's options) → a
:class:`polyglot_export.planning.plan.Plan`, which ``printing`` shows.
"""

from __future__ import annotations

from polyglot_export.planning.planner import Planned, make_plan

__all__ = ["Planned", "make_plan"]
