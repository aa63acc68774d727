"""What a start of the command costs, as far as it can be counted without a clock: what is imported, and that it is the
same export.
"""

from __future__ import annotations

import subprocess
import sys

import psycopg
import pytest

from polyglot_export.compressions import Compression
from polyglot_export.formats.names import Format
from polyglot_export.request.bare import bare_spec
from polyglot_export.request.spec import ExportSpec, parse_spec
from tests.cli.helpers import ITEMS, succeeded
from tests.fixtures.process import Cli, environment

PROGRAM = "import sys; sys.argv[0] = 'polyglot'; from polyglot_export.cli.main import main; main()"
SLOW = {
    "pydantic",
    "pydantic_core",
    "rich",
    "typer",
    "hmac",
    "polyglot_export.request.spec",
    "polyglot_export.formats.options",
}
"""What an export without columns, filter, order and options has no use for."""
VALIDATED = (
    "format",
    "dataset",
    "query",
    "limit",
    "compression",
    "columns",
    "filter",
    "order_by",
    "compression_as",
    "delivery",
)


@pytest.mark.parametrize("format_", list(Format))
def test_a_bare_spec_is_the_validated_one(format_: Format) -> None:
    """Each member and each default of each format."""
    compression = None if format_ is Format.PARQUET else Compression.ZSTD
    given = {"dataset": "public.items", "query": None, "limit": 7, "compression": compression}
    bare = bare_spec(
        format_.value, dataset="public.items", query=None, limit=7, compression=compression and compression.value
    )
    model = parse_spec({"format": format_.value, "options": {}, **given})
    assert bare is not None
    assert {*VALIDATED, "options"} == set(ExportSpec.model_fields)
    assert [getattr(bare, name) for name in VALIDATED] == [getattr(model, name) for name in VALIDATED]
    assert vars(bare.options) == model.options.model_dump()
    assert type(bare.format) is Format


@pytest.mark.parametrize(
    "wrong",
    [
        {"dataset": ""},
        {"dataset": None},
        {"dataset": None, "query": ""},
        {"query": "SELECT 1"},
        {"limit": -1},
        {"limit": 2**63},
        {"format_name": "parquet", "compression": "gzip"},
    ],
)
def test_what_is_wrong_is_left_to_the_model(wrong: dict[str, object]) -> None:
    given: dict[str, object] = {
        "format_name": "csv",
        "dataset": "items",
        "query": None,
        "limit": None,
        "compression": None,
        **wrong,
    }
    assert bare_spec(**given) is None  # type: ignore[arg-type]


def test_a_plain_export_imports_no_models(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ITEMS)
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-c",
        PROGRAM,
        "export",
        "items",
        "-f",
        "csv",
        "--dsn",
        dsn,
        "--quiet",
    ]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True, timeout=60)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "psycopg" in imported
    assert not imported & SLOW


def test_the_same_bytes_with_and_without_the_models(cli: Cli, dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ITEMS)
    for format_ in Format:
        plain = succeeded(cli("export", "items", "-f", format_.value, "-o", "-", dsn=dsn))
        modelled = succeeded(
            cli("export", "items", "-f", format_.value, "-o", "-", "--option", "timeZone=UTC", dsn=dsn)
        )
        # The footer of Parquet names the snapshot.
        assert plain == modelled or format_ is Format.PARQUET
        assert len(plain) == len(modelled)
