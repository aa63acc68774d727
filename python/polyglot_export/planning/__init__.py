"""From a source and a spec to a finished plan, at one moment of the database.

The way, file by file: ``locate`` (a source to a relation or a wrapped query) → ``moment`` (locks and snapshot through
the leader, taken again where something moved) → ``planner``, which asks in turn ``choose`` (which columns), ``columns``
(decoder, Parquet type and expression of each), ``filters`` and ``order``, ``statement``, ``segments`` (how it is cut),
``session`` (what workers set) and ``row_bound`` → a :class:`polyglot_export.planning.plan.Plan`, which ``describe``
shows to people and ``reservation`` turns into memory.
"""
