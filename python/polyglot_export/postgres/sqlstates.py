"""The SQLSTATEs that this package acts upon, by PostgreSQL's own names (manual, appendix "PostgreSQL Error Codes").

Which class of error each SQLSTATE becomes is told by :func:`polyglot_export.errors.statement_error`.
"""

from __future__ import annotations

__all__ = [
    "DATA_EXCEPTION_CLASS",
    "FEATURE_NOT_SUPPORTED",
    "INDETERMINATE_DATATYPE",
    "INSUFFICIENT_PRIVILEGE",
    "INTERNAL_ERROR",
    "INVALID_NAME",
    "INVALID_PARAMETER_VALUE",
    "INVALID_SCHEMA_NAME",
    "LOCK_NOT_AVAILABLE",
    "QUERY_CANCELED",
    "SYNTAX_ERROR",
    "SYNTAX_OR_ACCESS_CLASS",
    "UNDEFINED_COLUMN",
    "UNDEFINED_OBJECT",
    "UNDEFINED_PARAMETER",
    "UNDEFINED_TABLE",
    "WRONG_OBJECT_TYPE",
]

FEATURE_NOT_SUPPORTED = "0A000"
INVALID_PARAMETER_VALUE = "22023"
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
INTERNAL_ERROR = "XX000"

DATA_EXCEPTION_CLASS = "22"
"""First two characters of every SQLSTATE that says a value is wrong."""
SYNTAX_OR_ACCESS_CLASS = "42"
"""First two characters of every SQLSTATE that says a statement is wrong, or that a right is missing."""
