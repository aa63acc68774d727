"""What a Python session shows of plans and results: what they came to, in one line, and no password."""

from __future__ import annotations

from pathlib import Path

import psycopg

from polyglot_export import dump, explain, export_to_file, verify
from polyglot_export.integrations.opening import wanted
from polyglot_export.library.asked import asked
from polyglot_export.postgres.borrowed import borrow
from tests.cli.helpers import ITEMS


def test_results_tell_what_they_came_to(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(ITEMS + "; ANALYZE items")
    file = tmp_path / "items.csv"
    result = export_to_file(dsn, "items", file)
    assert repr(result).startswith(f"ExportResult(rows=1000, bytes={file.stat().st_size}, seconds=")
    written = dump(dsn, tmp_path / "set", format="csv")
    place = repr(str(tmp_path / "set"))
    told = f"rows=1000, bytes={written.bytes}, seconds={written.seconds:.3f}"
    assert repr(written) == f"DumpResult(destination={place}, complete=True, relations=1, files=1, {told})"
    report = verify(tmp_path / "set")
    told = f"files=1, rows=1000, bytes={written.bytes}, seconds={report.seconds:.3f}"
    assert repr(report) == f"VerifyReport(destination={place}, ok=True, {told}, faults=(), unchecked=())"
    plan = explain(dsn, "items", columns=["id", "name"], workers=1)
    assert repr(plan) == (
        "Plan(source='public.items', format='csv', columns=(id, name), estimated_rows=1000, segments=1, workers=1,"
        " notes=('one segment: the table is too small to share',))"
    )


def test_what_holds_a_connection_string_does_not_show_it() -> None:
    """Pages and logs of errors show the local variables of each frame."""
    dsn = "postgresql://me:of my own@localhost/x"
    for each in (asked(dsn, "items"), borrow(dsn), wanted(dsn, "items")):
        assert "of my own" not in repr(each)
