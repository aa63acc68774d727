"""The OpenAPI document: FastAPI's, with the errors as they really are and the body of ``POST /exports``."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter

from polyglot_export.request.link import LinkRequest
from polyglot_export.request.schema import spec_schema
from polyglot_export.service.http import problems
from polyglot_export.service.http.problems import ProblemView

__all__ = ["describe", "json_answer", "other_answer", "problems_for"]

Responses = dict[int | str, dict[str, Any]]

_DESCRIPTION = (
    "Exports PostgreSQL tables and queries as CSV, TSV, JSON, NDJSON, XML, Parquet, XLSX and Arrow streams. "
    "Every error is problem+json (RFC 9457) with a code for programs and a sentence for people."
)
_REF = "#/components/schemas/{model}"
_EXAMPLE: dict[str, Any] = {
    "format": "csv",
    "columns": [{"source": "id", "target": "id"}, {"source": "value", "target": "amount"}],
}


def other_answer(status: int, description: str) -> Responses:
    """A successful answer that has no JSON, for OpenAPI."""
    return {status: {"description": description}}


def json_answer(model: type[BaseModel], status: int = 200) -> Responses:
    """The successful answer of a call, for OpenAPI."""
    return {status: {"model": model, "description": "Created" if status == 201 else "OK"}}


def problems_for(*statuses: int) -> Responses:
    """The error answers of a call, for OpenAPI."""
    titles: dict[int, list[str]] = {}
    for row in problems.PROBLEMS:
        titles.setdefault(row.status, []).append(row.title)
    return {
        status: {
            "description": "; ".join(dict.fromkeys(titles[status])),
            "content": {problems.CONTENT_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemView.__name__}"}}},
        }
        for status in statuses
    }


def describe(app: FastAPI, root_path: str = "", *, keys: bool = True, certificates: bool = False) -> None:
    """Let the application describe itself as it really is. The document is made once, when somebody asks for it.

    Args:
        app: The application.
        root_path: What clients put in front of every path.
        keys: Whether callers may have keys.
        certificates: Whether they may show certificates in place of them.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, root_path, keys=keys, certificates=certificates)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change the document


def _document(app: FastAPI, root_path: str, *, keys: bool, certificates: bool) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=_DESCRIPTION,
        routes=app.routes,
        webhooks=app.webhooks.routes,
        servers=[{"url": root_path}] if root_path else None,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    # FastAPI adds its own 422 to every call with parameters; here such an error is a 400 like the others.
    paths = [*document["paths"].values(), *document.get("webhooks", {}).values()]
    for call in (call for path in paths for call in path.values()):
        call["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _add(schemas, ProblemView.__name__, ProblemView.model_json_schema(ref_template=_REF))
    _add(schemas, "ExportRequest", _request_schema())
    _add(schemas, "LinkRequest", TypeAdapter(LinkRequest).json_schema(by_alias=True, ref_template=_REF))
    if keys:
        schemes = {"key": {"type": "http", "scheme": "bearer"}}
        if certificates:
            schemes["certificate"] = {"type": "mutualTLS"}
        document["components"]["securitySchemes"] = schemes
        document["security"] = [*({name: []} for name in schemes), {}]
    return document


def _request_schema() -> dict[str, Any]:
    """The members of a spec that are taken over HTTP; options depend on the format and have their own pages."""
    schema = spec_schema(_REF)
    for name in ("query", "sqlWhere"):
        schema["properties"].pop(name, None)
    schema.get("$defs", {}).pop("SqlText", None)
    # An expression is an object of Python.
    schema["properties"]["splitValues"]["anyOf"] = [{"type": "string"}, {"type": "null"}]
    schema["required"] = ["format"]
    schema["example"] = _EXAMPLE
    schema["description"] = "What to export; only format is required."
    return schema


def _add(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    schemas.update(schema.pop("$defs", {}))
    schemas[name] = schema
