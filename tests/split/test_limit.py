"""``--limit`` with a complete order: the parts have the bytes that one statement with LIMIT has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from polyglot_export import SpecError, explain
from polyglot_export.postgres.catalogue.columns import NOT_VALID
from tests.library.helpers import as_role, exported, new_role

TABLES = b"""
CREATE SCHEMA few;
CREATE TABLE few.places (region text NOT NULL, town text NOT NULL, size float8, UNIQUE (town, region));
INSERT INTO few.places SELECT 'r' || g % 7, 't' || g, CASE g % 5 WHEN 0 THEN 'NaN'::float8 WHEN 1 THEN NULL ELSE g % 3 END
    FROM generate_series(1, 700) AS g;
CREATE TABLE few.numbers (n float8 NOT NULL UNIQUE, pad text);
INSERT INTO few.numbers SELECT g / 3.0, 'x' FROM generate_series(-250, 250) AS g;
INSERT INTO few.numbers VALUES ('NaN'), ('Infinity'), ('-Infinity');
CREATE TABLE few.events (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE few.events_1 PARTITION OF few.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE few.events_2 PARTITION OF few.events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO few.events SELECT g, date '2026-01-01' + g % 59 FROM generate_series(1, 600) AS g;
CREATE TABLE few.long (name text PRIMARY KEY);
INSERT INTO few.long SELECT repeat(chr(64 + g), CASE WHEN g % 2 = 1 THEN 1500 ELSE 1 END) FROM generate_series(1, 20) AS g;
CREATE TABLE few.nullable (id int UNIQUE);
CREATE TABLE few.unchecked (id int UNIQUE);
INSERT INTO few.unchecked VALUES (NULL), (NULL), (1);
CREATE TABLE few.partial (id int NOT NULL);
CREATE UNIQUE INDEX ON few.partial (id) WHERE id > 0;
CREATE UNIQUE INDEX ON few.partial ((id + 1));
CREATE INDEX ON few.partial (id);
CREATE TABLE few.behind (id int NOT NULL, code int NOT NULL);
CREATE UNIQUE INDEX ON few.behind (code) INCLUDE (id);
CREATE TABLE few.mother (id int PRIMARY KEY);
CREATE TABLE few.daughter () INHERITS (few.mother);
CREATE VIEW few.seen AS SELECT * FROM few.places;
CREATE TABLE few.alike (word citext NOT NULL);
CREATE UNIQUE INDEX ON few.alike (word text_ops);
CREATE TABLE few.broken (id int NOT NULL);
CREATE UNIQUE INDEX broken_id ON few.broken (id);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'few.broken_id'::regclass;
ANALYZE few.places, few.numbers, few.events
"""
SAME: tuple[tuple[str, list[str], str, tuple[int, ...]], ...] = (
    ("orders", ["id"], "id:4", (1, 2, 1001, 4000, 5000, 2**63 - 1)),
    ("orders", ["id:desc"], "id:4", (1001, 5000)),
    ("orders", ["customer"], "customer:4", (41, 42, 1003, 3999)),
    ("orders", ["customer:desc", "made"], "customer:4", (1003,)),
    ("orders", ["state"], "state:3", (5, 2500, 3500)),
    ("orders", ["state:desc"], "state:3", (900, 1005, 2500, 3500)),
    ("few.places", ["region", "town:desc"], "region:3", (55, 101, 555)),
    ("few.places", ["size:desc", "town", "region"], "size:3", (200, 333, 600)),
    ("few.places", ["size", "town", "region"], "size:3", (200, 333, 600)),
    ("few.numbers", ["n"], "n:3", (300, 503)),
    ("few.numbers", ["n:desc"], "n:3", (1, 300)),
    ("few.events", ["at"], "at:3", (300,)),
    ("few.events", ["id", "at:desc"], "id:3", (333,)),
    ("few.long", ["name"], "name:3", (9,)),
)
"""Table, order, split and limits."""
REFUSED: tuple[tuple[str, list[str], dict[str, Any]], ...] = (
    ("orders", ["id"], {"limit": 3, "query": "SELECT * FROM orders", "source": None}),
    ("few.places", ["size"], {}),
    ("few.places", ["region"], {}),
    ("few.nullable", ["id"], {}),
    ("few.unchecked", ["id"], {}),
    ("few.partial", ["id"], {}),
    ("few.behind", ["id"], {}),
    ("few.mother", ["id"], {}),
    ("few.seen", ["region", "town"], {}),
    ("few.broken", ["id"], {}),
    ("few.alike", ["word"], {}),
    ("parts", ["id"], {}),
)


@pytest.fixture(scope="module")
def limited(newer: str) -> Iterator[str]:
    """The newer database with tables whose rows are told apart in several ways, and some whose are not."""
    with psycopg.connect(newer, autocommit=True) as conn:
        conn.execute(TABLES)
        if conn.info.server_version >= NOT_VALID:
            conn.execute("ALTER TABLE few.unchecked ADD CONSTRAINT filled NOT NULL id NOT VALID")
        yield newer
        conn.execute("DROP SCHEMA few CASCADE")


def test_the_bytes_are_those_of_one_statement(limited: str) -> None:
    wrong = []
    for source, order, split, limits in SAME:
        whole = exported(limited, source, order_by=order).splitlines(keepends=True)
        for limit in limits:
            some = exported(limited, source, order_by=order, limit=limit, split_by=split, workers=3)
            if some != b"".join(whole[: limit + 1]):
                wrong.append((source, order, limit))
    assert wrong == []


def test_filters_hold_in_the_look_up_too(limited: str) -> None:
    for further in ({"where": "customer > 50"}, {"sql_where": "note <> 'n7' AND weight < 1200"}):
        for order in (["id:desc"], ["state"]):
            what: dict[str, Any] = {"source": "orders", "order_by": order, "limit": 1234, **further}
            column = order[0].partition(":")[0]
            assert exported(limited, **what, split_by=f"{column}:5") == exported(limited, **what)
            assert exported(limited, **what).count(b"\n") == 1235


def test_it_is_read_in_parts_and_explain_says_so(limited: str) -> None:
    plan = explain(limited, "orders", order_by=["id"], limit=1000, split_by="id:4")
    assert len(plan.scans) == 4
    assert "the limit is a bound of 'id' as well, which was looked up" in plan.notes
    assert "1000" not in " ".join((*plan.notes, *plan.remarks))
    assert plan.estimated_rows == 1000
    # The statistics are of all rows: by them the last part would be the smallest.
    assert "statistics" not in explain(limited, "orders", order_by=["id"], limit=3000, split_by="id:4").notes[0]
    tied = explain(limited, "orders", order_by=["customer"], limit=1000, split_by="customer:4")
    assert len(tied.scans) == 5
    with psycopg.connect(limited) as conn:
        query = "SELECT 1000 - count(*) FILTER (WHERE customer < last) FROM orders,"
        last = " (SELECT customer AS last FROM orders ORDER BY customer, id OFFSET 999 LIMIT 1) AS l"
        (rest,) = conn.execute((query + last).encode()).fetchone() or (0,)
    assert f"LIMIT {rest})" in tied.scans[-1].after
    for limit in (0, 5000):
        plan = explain(limited, "orders", order_by=["id"], limit=limit, split_by="id:4")
        assert not any("looked up" in note for note in plan.notes)
        assert len(plan.scans) == (4 if limit else 1)
    assert len(explain(limited, "few.long", order_by=["name"], limit=9, split_by="name:3").scans) == 1


def test_an_order_that_is_not_complete_is_refused(limited: str) -> None:
    for source, order, further in REFUSED:
        with pytest.raises(SpecError, match="unique together") as caught:
            explain(
                limited, **{"source": source, "order_by": order, "limit": 3, "split_by": f"{order[0]}:2", **further}
            )
        assert caught.value.field == "splitBy", source
    with pytest.raises(SpecError, match="without orderBy"):
        explain(limited, "orders", limit=3, split_by="id:2")


def test_an_index_that_tells_more_apart_than_the_order_does_not_count(older: str) -> None:
    with psycopg.connect(older, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE spelt (v text COLLATE blind NOT NULL, id int NOT NULL);"
            'CREATE UNIQUE INDEX ON spelt (v COLLATE "C"); INSERT INTO spelt SELECT x, n FROM'
            " (VALUES ('a', 1), ('A', 2), ('b', 3), ('B', 4), ('c', 5)) AS v(x, n)"
        )
        what: dict[str, Any] = {"source": "spelt", "order_by": ["v"], "limit": 3, "split_by": "v:2"}
        try:
            with pytest.raises(SpecError, match="unique together"):
                explain(older, **what)
            conn.execute("ALTER TABLE spelt ADD PRIMARY KEY (id)")
            whole = exported(older, "spelt", order_by=["v"], limit=3)
            assert exported(older, **what) == whole
            conn.execute("DELETE FROM spelt WHERE v IN ('A', 'B'); CREATE UNIQUE INDEX ON spelt (v)")
            assert exported(older, **what) == exported(older, "spelt", order_by=["v"], limit=3)
        finally:
            conn.execute("DROP TABLE spelt")


def test_a_policy_holds_in_the_look_up(limited: str) -> None:
    with psycopg.connect(limited, autocommit=True) as conn, new_role(conn, "limited") as role:
        conn.execute(
            f"CREATE TABLE few.secret (LIKE orders INCLUDING ALL); INSERT INTO few.secret SELECT * FROM orders;"
            f"ANALYZE few.secret; GRANT USAGE ON SCHEMA few TO {role}; GRANT SELECT ON few.secret TO {role};"
            "ALTER TABLE few.secret ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON few.secret USING (id % 2 = 0)".encode()
        )
        dsn = as_role(limited, role)
        for order in ("id", "state"):
            what: dict[str, Any] = {"source": "few.secret", "order_by": [order], "limit": 1501}
            assert exported(dsn, **what, split_by=f"{order}:4") == exported(dsn, **what)
