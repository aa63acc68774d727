"""What is always asked together of the relations of an export: themselves, their columns, the types of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from psycopg import sql

from polyglot_export.postgres.catalogue.columns import SourceColumn, columns_of, columns_query
from polyglot_export.postgres.catalogue.relations import Relation, oid_array, relations_of, relations_query
from polyglot_export.postgres.catalogue.types import Types, types_of, types_query
from polyglot_export.postgres.leader import Leader

__all__ = ["Tables", "read_tables"]

_THEIR_TYPES = sql.SQL(
    "SELECT atttypid FROM pg_attribute WHERE attrelid = ANY ({}::oid[]) AND attnum > 0 AND NOT attisdropped"
)


class Tables(NamedTuple):
    """The relations by their OIDs; those that are gone are left out, and have no columns."""

    relations: Mapping[int, Relation]
    columns: Mapping[int, tuple[SourceColumn, ...]]
    types: Types
    """Of all the columns, with those that they are made of."""


def read_tables(leader: Leader, oids: Sequence[int]) -> Tables:
    """Read all of it, by one message.

    Raises:
        PolyglotError: The server does not answer.
    """
    if not oids:
        return Tables({}, {}, Types(()))
    relations, columns, types = leader.catalogue_at_once(
        [
            relations_query(oids),
            columns_query(leader.version, oids),
            types_query(_THEIR_TYPES.format(oid_array(oids))),
        ]
    )
    return Tables(relations_of(relations), columns_of(oids, columns), types_of(types))
