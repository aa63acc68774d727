"""The application as a whole: its middleware, its OpenAPI document and its page."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

from polyglot_export.errors import SpecError
from polyglot_export.service.app import create_app
from polyglot_export.service.config.environment import ServiceSettings
from tests.fixtures.process import Service, serve
from tests.formats.browser import PROGRAMS
from tests.service.client import call, create, post

HTTP_METHODS = {"get", "head", "post", "delete"}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The application without a server."""
    monkeypatch.chdir(tmp_path)
    return create_app(ServiceSettings.load(database_url="postgresql://localhost/none"))


def stack_of(app: FastAPI) -> list[Any]:
    """Every ASGI layer from the outside to the router."""
    layers: list[Any] = []
    layer: Any = app.build_middleware_stack()
    while layer is not None and layer is not app.router:
        layers.append(layer)
        layer = next((value for name in ("app", "_app") if (value := getattr(layer, name, None)) is not None), None)
    assert layer is app.router, "the walk reached the router, so it saw every layer"
    return layers


def test_no_middleware_can_hide_a_broken_stream(app: FastAPI) -> None:
    """Starlette's BaseHTTPMiddleware ends the body properly before it raises again."""
    layers = stack_of(app)
    assert len(layers) >= 3
    assert not [layer for layer in layers if isinstance(layer, BaseHTTPMiddleware)]
    for entry in app.user_middleware:
        assert not issubclass(entry.cls, BaseHTTPMiddleware)  # type: ignore[arg-type]


def test_the_walk_would_see_it(app: FastAPI) -> None:
    @app.middleware("http")
    async def passes_on(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    assert [layer for layer in stack_of(app) if isinstance(layer, BaseHTTPMiddleware)]


def test_the_document_lists_what_is_there_and_nothing_else(service: Service) -> None:
    document = call(service, "/openapi.json").json()
    listed = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert listed == {
        ("POST", "/exports"),
        ("GET", "/exports"),
        ("GET", "/exports/benchmark"),
        ("GET", "/exports/{export_id}"),
        ("DELETE", "/exports/{export_id}"),
        ("GET", "/exports/{export_id}/events"),
        ("GET", "/exports/{export_id}/files"),
        ("GET", "/exports/{export_id}/files/{number}"),
        ("HEAD", "/exports/{export_id}/files/{number}"),
        ("GET", "/exports/{export_id}/download"),
        ("HEAD", "/exports/{export_id}/download"),
        ("POST", "/exports/{export_id}/links"),
        ("GET", "/exports/{export_id}/links"),
        ("DELETE", "/exports/{export_id}/links/{link_id}"),
        ("GET", "/links/{token}"),
        ("HEAD", "/links/{token}"),
        ("GET", "/links/{token}/events"),
        ("GET", "/overview"),
        ("GET", "/caller"),
        ("GET", "/datasets"),
        ("GET", "/datasets/{name}"),
        ("GET", "/datasets/{name}/preview"),
        ("GET", "/datasets/{name}.{ending}"),
        ("HEAD", "/datasets/{name}.{ending}"),
        ("GET", "/health"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
    }
    text = json.dumps(document)
    assert "422" not in text
    assert "HTTPValidationError" not in text
    for reference in set(re.findall(r'"#/components/schemas/(\w+)"', text)):
        assert reference in document["components"]["schemas"], reference
    body = document["components"]["schemas"]["ExportRequest"]
    assert body["required"] == ["format"]
    assert not {"query", "sqlWhere"} & set(body["properties"])
    assert {
        "format",
        "dataset",
        "columns",
        "filter",
        "exclude",
        "orderBy",
        "limit",
        "splitBy",
        "splitValues",
        "compression",
        "compressionAs",
        "datasets",
        "delivery",
        "destination",
        "partSize",
        "filename",
        "webhook",
        "options",
        "parameters",
    } == set(body["properties"])


def test_every_call_is_described_and_every_error_is_a_problem(service: Service) -> None:
    document = call(service, "/openapi.json").json()
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert sorted(set(names)) == sorted(names)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in HTTP_METHODS
            assert operation["summary"], path
            assert operation["description"], path
            for status, answer in operation["responses"].items():
                assert answer["description"], (path, status)
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"]


def test_answers_have_the_members_that_the_document_says(service: Service) -> None:
    document = call(service, "/openapi.json").json()
    schemas = document["components"]["schemas"]
    export_id = create(service, dataset="small")
    call(service, f"/exports/{export_id}/download")
    for path, name in (
        (f"/exports/{export_id}", "JobView"),
        ("/exports", "ExportsView"),
        ("/datasets", "DatasetsView"),
        ("/datasets/small", "DatasetView"),
        ("/health", "HealthView"),
    ):
        assert_members(call(service, path).json(), schemas[name], schemas)
    problem = call(service, "/exports/x").json()
    assert set(problem) <= set(schemas["ProblemView"]["properties"])
    assert set(schemas["ProblemView"]["required"]) <= set(problem)


def assert_members(value: Any, schema: Any, schemas: Any) -> None:
    """Objects have exactly the members of their schema, all the way down."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        if value is None:
            assert {"type": "null"} in schema["anyOf"]
            return
        (schema,) = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
        assert_members(value, schema, schemas)
        return
    if "properties" in schema:
        assert set(value) == set(schema["properties"])
        for name, member in schema["properties"].items():
            assert_members(value[name], member, schemas)
    elif schema.get("type") == "array":
        assert isinstance(value, list)
        for item in value:
            assert_members(item, schema["items"], schemas)
    elif "type" in schema:
        kinds = {"string": str, "integer": int, "number": int | float, "boolean": bool, "object": dict}
        assert isinstance(value, kinds[schema["type"]]), (value, schema)


def test_the_page_works_without_the_internet(service: Service) -> None:
    page = call(service, "/docs")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b"://" not in page.body, "nothing comes from elsewhere"
    assets = re.findall(r'(?:href|src)="([^"]+)"', page.body.decode())
    assert assets == ["docs/docs.css", "docs/docs.js", "openapi.json"]
    for asset in assets:
        answer = call(service, f"/{asset}")
        assert answer.status == 200
        assert b"://" not in answer.body or asset == "openapi.json"
    assert call(service, "/docs/nope").status == 404
    assert call(service, "/docs/..%2fapp.py").status == 404


def test_a_prefix_that_a_proxy_takes_off(records: str) -> None:
    with serve(records, root_path="/reports/", workers=1) as prefixed:
        answer = post(prefixed, {"format": "csv", "dataset": "small"})
        assert answer.headers["location"] == f"/reports/exports/{answer.json()['exportId']}"
        assert call(prefixed, "/openapi.json").json()["servers"] == [{"url": "/reports"}]
        # The page of the calls has only relative addresses, so it needs no setting.
        assert call(prefixed, answer.headers["location"].removeprefix("/reports")).status == 200


@pytest.mark.parametrize("path", ["reports", "/", "//host", "/a b", "https://host/reports", "/a?b"])
def test_a_prefix_that_is_none(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("POLYGLOT_ROOT_PATH", path)
    with pytest.raises(SpecError, match="POLYGLOT_ROOT_PATH: must be a path that begins with /"):
        ServiceSettings.load()


def test_the_example_of_the_page_is_a_request_that_works(service: Service) -> None:
    """In a browser, since a script asks which datasets there are."""
    body = json.loads(page_of(f"{service.url}/docs", "textarea"))
    assert body == {"format": "csv", "dataset": "records", "columns": ["id", "name"], "limit": 1000}
    answer = post(service, body)
    assert answer.status == 201
    assert call(service, f"/exports/{answer.json()['exportId']}/download").body.count(b"\n") == 1001


def page_of(address: str, element: str) -> str:
    """The text of the first such element once the scripts of a page have run."""
    program = next(found for name in PROGRAMS if (found := shutil.which(name)))
    with tempfile.TemporaryDirectory(prefix="polyglot-browser-") as profile:
        done = subprocess.run(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
             "--virtual-time-budget=20000", "--dump-dom", address],
            capture_output=True, timeout=120, check=True,
        )  # fmt: skip
    text = re.search(rf"<{element}[^>]*>(.*?)</{element}>", done.stdout.decode(), re.DOTALL)
    assert text is not None, done.stdout
    return html.unescape(text[1])
