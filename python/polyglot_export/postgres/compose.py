"""SQL and its parameters become one text: psycopg puts the values in, quoted as this server reads them."""

from __future__ import annotations

import psycopg

from polyglot_export.errors import SpecError
from polyglot_export.postgres.leader import Leader
from polyglot_export.request.sql_text import Parameters

__all__ = ["composed"]


def composed(leader: Leader, text: str, parameters: Parameters | None, field: str) -> str:
    """The text with its values (psycopg manual, "Client-side-binding cursors").

    Args:
        leader: For the server's rules of quoting; nothing is sent to it.
        text: With ``%s`` or ``%(name)s`` for values, and ``%%`` for a percent sign; without parameters, as it stands.
        parameters: The values.
        field: What wrote them.

    Raises:
        SpecError: Placeholders and values do not fit, or a value is of a type that psycopg does not know.
    """
    if parameters is None:
        return text
    try:
        return psycopg.ClientCursor(leader.connection).mogrify(text.encode(), parameters)
    except (psycopg.Error, ValueError, TypeError, KeyError, IndexError) as error:
        raise SpecError(field, " ".join(str(error).split())) from None
