"""How rows are stored: out of line, compressed, bloated, in segments without a row; and a table that changes
meanwhile.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pyarrow.parquet as pq
import pytest

from polyglot_export import RowTooLarge, RunSettings, export, open_export, parse_spec
from polyglot_export.execution.opening import explain
from polyglot_export.limits import PAGES_PER_SEGMENT
from polyglot_export.testing.postgres import EmbeddedServer, PostgresServer
from tests.fixtures.debian import newest_installation
from tests.library.helpers import copied, exported, filled, ndjson
from tests.tables.conftest import Tables

MEGABYTE = 1 << 20


def test_toasted_and_compressed_values(both: Tables) -> None:
    """In line, compressed with either method, out of line, both; and lz4 where the server has it."""
    both.make(
        "CREATE TABLE toasted (id int, plain text, main text, external text, extended text, wide bytea, list text[], doc jsonb, big"
        " numeric);"
        "ALTER TABLE toasted ALTER plain SET STORAGE PLAIN, ALTER main SET STORAGE MAIN, ALTER external SET STORAGE EXTERNAL, ALTER"
        " extended SET STORAGE EXTENDED;"
        "INSERT INTO toasted SELECT g, repeat('p', 100), repeat('abc' || g, 5000), repeat('x' || g, 20000), repeat(md5(g::text),"
        " 3000), decode(repeat(md5(g::text), 2000), 'hex'),"
        " array_fill('é' || g, ARRAY[5000]), jsonb_build_object('k', repeat('v', 30000)), (repeat('9', 9000) || '.5')::numeric FROM"
        " generate_series(1, 30) AS g"
    )
    try:
        both.make(
            "ALTER TABLE toasted ADD lz text COMPRESSION lz4; UPDATE toasted SET lz = repeat('lz4' || id, 9000) WHERE id > 20"
        )
    except psycopg.errors.FeatureNotSupported:
        both.make("ALTER TABLE toasted ADD lz text")
    both.same("toasted", rows=30)


ODD = 'a,"b"\\c\n\r\t{é}😀\x01'


def test_values_of_a_megabyte(both: Tables) -> None:
    """Of each kind that can be so long, with characters that every format escapes."""
    literal = psycopg.sql.Literal(ODD).as_string(both.conn)
    text = f"repeat({literal}, {MEGABYTE // len(ODD.encode())})"
    both.make(
        f"CREATE TABLE large AS SELECT {text} AS t, decode(repeat('00ff5c22', {MEGABYTE // 4}), 'hex') AS b, to_json({text}) AS j,"
        f" to_jsonb({text}) AS jb,"
        f" string_to_array({text}, '{{') AS arr, ARRAY[{text}, NULL] AS two, ('(1,' || to_json(repeat('x', {MEGABYTE}))::text ||"
        f" ')')::text AS r,"
        f" array_fill(1.5::numeric, ARRAY[100000]) AS n, repeat('10', {MEGABYTE // 2})::varbit AS bits"
    )
    both.make("INSERT INTO large (t) VALUES ('short'), (NULL)")
    both.same("large", rows=3)
    with export(both.dsn, "large", format="parquet", columns=["t", "b", "jb", "two"]) as chunks:
        rows = pq.read_table(io.BytesIO(b"".join(chunks)))
    expected = both.conn.execute("SELECT t, b, jb::text, two FROM large").fetchall()
    found = [(row["t"], row["b"], row["jb"], row["two"]) for row in rows.to_pylist()]
    assert [one == other for one, other in zip(found, expected, strict=True)] == [True] * 3


def test_a_row_beyond_the_limit_names_itself(tables: Tables) -> None:
    """Memory stays bounded: a larger row is an error, and the limit can be set."""
    tables.make(
        f"CREATE TABLE heavy AS SELECT g AS id, repeat('x', CASE WHEN g = 3 THEN {2 * MEGABYTE} ELSE 10 END) AS t FROM"
        f" generate_series(1, 5) AS g"
    )
    for format_ in ("csv", "ndjson", "xml", "parquet"):
        spec = parse_spec({"format": format_, "dataset": "heavy"})
        with (
            open_export(spec, dsn=tables.dsn, run=RunSettings(row_bytes=MEGABYTE)) as chunks,
            pytest.raises(RowTooLarge) as caught,
        ):
            for _ in chunks:
                pass
        assert caught.value.row == 3
    tables.same("heavy", rows=5)


HOLES = {
    "start": "id <= {rows} * 2 / 5",
    "middle": "id BETWEEN {rows} / 5 AND {rows} * 4 / 5",
    "end": "id > {rows} * 2 / 5",
    "all but one": "id <> {rows} / 2",
    "everything": "true",
    "every other row": "id % 2 = 0",
}


@pytest.mark.parametrize("hole", HOLES)
def test_empty_segments(tables: Tables, hole: str) -> None:
    """Dead rows, not yet vacuumed, and then vacuumed without a cut at the end."""
    name = "holes_" + hole.replace(" ", "_")
    rows = filled(tables.conn, name, 4 * PAGES_PER_SEGMENT)
    tables.make(
        f"ALTER TABLE {name} SET (vacuum_truncate = off, autovacuum_enabled = off); DELETE FROM {name} WHERE"
        f" {HOLES[hole].format(rows=rows)}"
    )
    plan = explain(parse_spec({"format": "csv", "dataset": name}), dsn=tables.dsn)
    assert plan.segments >= 4
    tables.same(name, workers=3)
    for format_ in ("json", "xml"):
        one, three = (exported(tables.dsn, name, format=format_, workers=workers) for workers in (1, 3))
        assert one == three
    tables.make(f"VACUUM {name}")
    tables.make(f"INSERT INTO {name} VALUES (-1, 'in the space of a dead row')")
    assert b"-1,in the space" in tables.same(name)


def test_bloat_of_updates(both: Tables) -> None:
    """Each row has moved several times; order is that of the heap, as COPY has it."""
    tables = both
    filled(tables.conn, "bloated", PAGES_PER_SEGMENT)
    tables.make("ALTER TABLE bloated SET (autovacuum_enabled = off)")
    for _ in range(3):
        tables.make("UPDATE bloated SET pad = pad || 'x' WHERE id % 3 <> 1")
    tables.same("bloated", workers=3)


@contextmanager
def _writing(dsn: str, statement: str) -> Iterator[None]:
    """Run the statement again and again on a connection of its own."""
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            while not stop.is_set():
                conn.execute(statement.encode())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("format_", ["csv", "ndjson", "parquet"])
def test_a_table_that_grows_and_changes_meanwhile(both: Tables, format_: str) -> None:
    """Each export is one moment: the sum over all rows is the same in every moment, and so is that of the file."""
    tables = both
    name = f"busy_{format_}"
    rows = filled(tables.conn, name, 2 * PAGES_PER_SEGMENT)
    tables.make(f"ALTER TABLE {name} ADD amount int DEFAULT 1")
    moves = (
        f"BEGIN; UPDATE {name} SET amount = amount - 1, pad = pad || 'x' WHERE id BETWEEN 100 AND 110; UPDATE {name} SET amount ="
        f" amount + 1 WHERE id BETWEEN {rows - 110} AND {rows - 100};"
        f" INSERT INTO {name} SELECT max(id) + 1, 'new', 5 FROM {name}; INSERT INTO {name} SELECT max(id) + 1, 'new', -5 FROM {name};"
        f" COMMIT"
    )
    with _writing(tables.dsn, moves):
        for _ in range(3):
            file = exported(tables.dsn, name, format=format_, columns=["amount"], workers=3)
            if format_ == "parquet":
                amounts = pq.read_table(io.BytesIO(file))["amount"].to_pylist()
            else:
                lines = file.decode().splitlines()
                amounts = [int(line.removeprefix('{"amount":').removesuffix("}")) for line in lines if line != "amount"]
            assert sum(amounts) == rows
            assert len(amounts) >= rows


def _debian(settings: dict[str, str]) -> PostgresServer:
    return PostgresServer(newest_installation(), settings=settings)


@pytest.mark.parametrize("program", [EmbeddedServer, _debian], ids=["server", "debian"])
def test_hot_standby(program: Callable[..., PostgresServer]) -> None:
    """The server's own files after a crash, taken up as a standby: snapshots and locks work there, writes do not."""
    with program(settings={"wal_level": "replica", "hot_standby": "on"}) as process:
        with psycopg.connect(process.dsn(), autocommit=True) as conn:
            filled(conn, "t", PAGES_PER_SEGMENT + 100)
            conn.execute("CREATE VIEW v AS SELECT id FROM t WHERE id % 100 = 0; CHECKPOINT")
        process.crash()
        (process.data / "standby.signal").touch()
        process.give(process.data / "standby.signal")
        process.resume()
        with psycopg.connect(process.dsn(), autocommit=True) as conn:
            assert conn.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
            assert exported(process.dsn(), "t", workers=2) == copied(conn, "SELECT * FROM t")
            assert exported(process.dsn(), "v", format="ndjson") == ndjson(conn, "SELECT * FROM v")
            assert explain(parse_spec({"format": "csv", "dataset": "t"}), dsn=process.dsn()).segments == 2
