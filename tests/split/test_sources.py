"""What may be read in parts, and where the bounds come from: views, queries, tables of every kind, in every format."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from polyglot_export import Format, SpecError, explain, export
from tests.library.helpers import as_role, exported, exported_rows, new_role
from tests.split.samples import same_rows

SOURCES: dict[str, tuple[dict[str, Any], str]] = {
    "table": ({"source": "orders"}, "the statistics of the column"),
    "view": ({"source": "joined"}, "the statistics of the column"),
    "security barrier": ({"source": "guarded"}, "the statistics of the column"),
    "materialized view": ({"source": "kept"}, "the statistics of the column"),
    "inheritance": ({"source": "parent"}, "the statistics of the column"),
    "partitions": ({"source": "parts"}, "the statistics of the column"),
    "view of partitions": ({"source": "of_parts"}, "the statistics of the column"),
    "query": (
        {"query": "SELECT o.id, c.name FROM orders o LEFT JOIN customers c ON c.id = o.customer + 9"},
        "the stat",
    ),
    "few rows of a table": ({"source": "orders", "where": "id > 3500"}, "a look at all values"),
    "function": ({"query": "SELECT steady(g) AS id, g FROM generate_series(1, 500) AS g"}, "a look at all values"),
    "foreign table": ({"source": "foreign_rows"}, "a look at all values"),
    "union": ({"query": "SELECT id FROM orders UNION ALL SELECT id FROM customers"}, ""),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_parts_have_the_rows_of_the_whole(samples: str, kind: str) -> None:
    what, bounds = SOURCES[kind]
    assert same_rows(samples, **what, split_by="id:6")
    plan = explain(samples, **what, split_by="id:6")
    assert len(plan.scans) == 6
    assert f"bounds from {bounds}" in plan.notes[0]


def test_the_bytes_do_not_depend_on_the_workers_in_any_format(newer: str) -> None:
    for format_ in Format:
        files = [_file(newer, "joined", format=format_, split_by="customer:7", workers=workers) for workers in (1, 4)]
        assert files[0] == files[1], format_
    for compression in ("gzip", "zstd"):
        packed = [exported(newer, "joined", compression=compression, split_values="state", workers=n) for n in (1, 4)]
        assert packed[0] == packed[1], compression


def _file(dsn: str, source: str, **what: Any) -> bytes:
    """The footer of some formats names the snapshot, which is another one each time."""
    with export(dsn, source, **what) as chunks:
        return b"".join(chunks).replace(chunks.snapshot.encode(), b"")


def test_ordered_parts_are_the_ordered_whole(newer: str) -> None:
    for order in (["id"], ["id:desc"], ["customer", "id:desc"], ["customer:desc", "state", "id"]):
        column = order[0].partition(":")[0]
        for source in ({"source": "orders"}, {"query": "SELECT * FROM joined"}):
            split = exported(newer, **source, order_by=order, split_by=f"{column}:5", workers=3)
            assert split == exported(newer, **source, order_by=order), (order, source)


def test_values_have_a_part_each(samples: str) -> None:
    plan = explain(samples, "orders", split_values="state")
    assert len(plan.scans) == 4
    assert same_rows(samples, "orders", split_values="state")
    states = [row["state"] for row in exported_rows(samples, "orders", split_values="state")]
    assert list(dict.fromkeys(states)) == ["new", "paid", "sent", None]
    assert states == sorted(states, key=lambda state: (state is None, state))


def test_parts_are_made_by_themselves_only_where_they_are_cheap(newer: str) -> None:
    wide = "WITH x AS MATERIALIZED (SELECT o.*, g FROM orders AS o, generate_series(1, 200) AS g) SELECT * FROM x"
    plan = explain(newer, query=wide, split_by="id")
    assert len(plan.scans) == 1
    (remark,) = plan.remarks
    assert "not split" in remark
    assert "times what the whole does" in remark
    by_index = "SELECT o.*, g FROM orders AS o, generate_series(1, 200) AS g"
    plan = explain(newer, query=by_index, split_by="id")
    assert plan.scans[0].relation == f"query, part 1 of {len(plan.scans)}"
    assert "by the index orders_pkey" in plan.notes[1]
    assert plan.remarks == ()
    forced = explain(newer, query=wide, split_by="id:9")
    assert len(forced.scans) == 9
    assert "9 parts by 'id' cost the server" in forced.remarks[0]
    with pytest.raises(SpecError, match="may be at most 16"):
        explain(newer, query=wide, split_by="id:17")


def test_a_policy_holds_in_every_part(samples: str) -> None:
    with psycopg.connect(samples, autocommit=True) as conn, new_role(conn, "reader") as role:
        conn.execute(
            f"CREATE TABLE secret AS SELECT * FROM orders; ANALYZE secret; GRANT SELECT ON secret TO {role};"
            "ALTER TABLE secret ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON secret USING (customer < 10)".encode()
        )
        dsn = as_role(samples, role)
        try:
            assert same_rows(dsn, "secret", split_by="id:4")
            plan = explain(dsn, "secret", split_by="id:4")
            assert "statistics" not in plan.notes[0]
            (mine,) = conn.execute("SELECT count(*) FROM secret WHERE customer < 10").fetchone() or (0,)
            assert len(exported_rows(dsn, "secret", split_by="customer:4")) == mine
        finally:
            conn.execute("DROP TABLE secret")
