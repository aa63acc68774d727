"""The functions of PostGIS, wherever its extension is installed."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from polyglot_export.postgres.catalogue.relations import oid_array
from polyglot_export.postgres.leader import Leader

__all__ = ["EXTENSION", "postgis_functions"]

EXTENSION = "postgis"


def postgis_functions(leader: Leader, function: str, arguments: int, types: Iterable[int]) -> dict[int, str]:
    """The schema of the extension's function for each type that has it.

    Args:
        leader: In the export's transaction.
        function: Its name, in lower case.
        arguments: How many it is given; the second one is an integer.
        types: Of the first argument.
    """
    rows = leader.catalogue(
        sql.SQL(
            "SELECT p.proargtypes[0], n.nspname FROM pg_proc AS p"
            " JOIN pg_namespace AS n ON n.oid = p.pronamespace"
            " JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'"
            " AND d.refclassid = 'pg_extension'::regclass"
            " JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = {extension}"
            " WHERE p.proname = {function} AND p.proargtypes[0] = ANY ({types}::oid[])"
            " AND {arguments} BETWEEN p.pronargs - p.pronargdefaults AND p.pronargs"
            " AND ({arguments} < 2 OR p.proargtypes[1] = 'int4'::regtype)"
        ).format(
            extension=sql.Literal(EXTENSION),
            function=sql.Literal(function),
            types=oid_array(types),
            arguments=sql.Literal(arguments),
        )
    )
    return dict(rows)
