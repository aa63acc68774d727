"""How often the control connection asks the server. On a network each time costs more than the question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import dump, export


def asked(monkeypatch: pytest.MonkeyPatch, run: Callable[[], object]) -> int:
    """Messages of statements that a run sends, those of the workers left out."""
    sent: list[object] = []
    execute = psycopg.Connection.execute

    def counted(self: psycopg.Connection, *args: Any, **kwargs: Any) -> Any:
        sent.append(args)
        return execute(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "execute", counted)
        run()
    return len(sent)


def test_what_belongs_together_is_asked_at_once(
    dsn: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(6):
        conn.execute(f"CREATE TABLE t{number} (id int PRIMARY KEY, n numeric, a text[]) WITH (fillfactor = 50)")
        conn.execute(f"INSERT INTO t{number} SELECT i, i, '{{x}}' FROM generate_series(1, 9) AS i")
    # Settings; name; relation; lock; catalogue; locks, snapshot and sizes; plan; whether the leader lived.
    once = 8 + (conn.info.server_version < 180000)

    def one() -> None:
        with export(dsn, "t0") as chunks:
            assert b"".join(chunks).count(b"\n") == 10

    assert asked(monkeypatch, one) == once

    def many(count: int) -> int:
        tables = [f"t{number}" for number in range(count)]
        return asked(monkeypatch, lambda: dump(dsn, tmp_path / str(count), tables=tables, format="csv"))

    # Each further table costs its plan alone.
    assert many(6) - many(3) == 3
