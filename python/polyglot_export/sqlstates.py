"""The SQLSTATEs that this package acts upon, by PostgreSQL's own names (manual, appendix "PostgreSQL Error Codes").

Which class of error each SQLSTATE becomes is told by :func:`polyglot_export.errors.statement_error`.
"""

from __future__ import annotations

__all__ = [
    "CANNOT_CONNECT_NOW",
    "CHARACTER_NOT_IN_REPERTOIRE",
    "CONNECTION_CLASS",
    "DATA_EXCEPTION_CLASS",
    "FEATURE_NOT_SUPPORTED",
    "IDLE_IN_TRANSACTION_SESSION_TIMEOUT",
    "INDETERMINATE_DATATYPE",
    "INSUFFICIENT_PRIVILEGE",
    "INSUFFICIENT_RESOURCES_CLASS",
    "INTERNAL_ERROR",
    "INVALID_NAME",
    "INVALID_PARAMETER_VALUE",
    "INVALID_REGULAR_EXPRESSION",
    "INVALID_SCHEMA_NAME",
    "LOCK_NOT_AVAILABLE",
    "QUERY_CANCELED",
    "SHUTDOWN_CLASS",
    "SYNTAX_ERROR",
    "SYNTAX_OR_ACCESS_CLASS",
    "TRANSACTION_TIMEOUT",
    "UNDEFINED_COLUMN",
    "UNDEFINED_OBJECT",
    "UNDEFINED_PARAMETER",
    "UNDEFINED_TABLE",
    "UNTRANSLATABLE_CHARACTER",
    "WRONG_OBJECT_TYPE",
]

FEATURE_NOT_SUPPORTED = "0A000"
CHARACTER_NOT_IN_REPERTOIRE = "22021"
INVALID_REGULAR_EXPRESSION = "2201B"
INVALID_PARAMETER_VALUE = "22023"
UNTRANSLATABLE_CHARACTER = "22P05"
IDLE_IN_TRANSACTION_SESSION_TIMEOUT = "25P03"
TRANSACTION_TIMEOUT = "25P04"
INVALID_SCHEMA_NAME = "3F000"
INSUFFICIENT_PRIVILEGE = "42501"
SYNTAX_ERROR = "42601"
INVALID_NAME = "42602"
UNDEFINED_COLUMN = "42703"
UNDEFINED_OBJECT = "42704"
WRONG_OBJECT_TYPE = "42809"
UNDEFINED_TABLE = "42P01"
UNDEFINED_PARAMETER = "42P02"
INDETERMINATE_DATATYPE = "42P18"
LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
CANNOT_CONNECT_NOW = "57P03"
"""The server is starting or stopping."""
INTERNAL_ERROR = "XX000"

CONNECTION_CLASS = "08"
"""First two characters of every SQLSTATE that says a connection ended or could not be made."""
DATA_EXCEPTION_CLASS = "22"
"""First two characters of every SQLSTATE that says a value is wrong."""
SYNTAX_OR_ACCESS_CLASS = "42"
"""First two characters of every SQLSTATE that says a statement is wrong, or that a right is missing."""
INSUFFICIENT_RESOURCES_CLASS = "53"
"""First two characters of every SQLSTATE that says the server lacks memory, disk or connections."""
SHUTDOWN_CLASS = "57P"
"""First three characters of every SQLSTATE by which the server ends a connection: it stops, starts or has crashed."""
