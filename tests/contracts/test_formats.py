"""What every format promises, against the real server. A format that is added to the registry is tested by being there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from polyglot_export import PolyglotError, SpecError, _core, export_to_file
from polyglot_export.compressions import Compression
from polyglot_export.destinations.naming import choose
from polyglot_export.formats.registry import Format
from tests.contracts.oracles import BEGINS, DECOMPRESS, ORACLES, begins_as_named
from tests.library.helpers import exported, filled

DOCS = Path(__file__).parents[2] / "docs" / "formats"

MIXED = """
CREATE TABLE mixed (id int, name text, price numeric(12, 3), ok bool, note varchar(20), big int8, key uuid);
INSERT INTO mixed SELECT g, 'name ' || g, g * 1.125, g % 2 = 0, NULLIF('n' || g % 3, 'n0'), g * 10000000000,
    md5(g::text)::uuid FROM generate_series(1, 500) AS g;
INSERT INTO mixed (id) VALUES (501);
INSERT INTO mixed VALUES (502, '', 0, false, '', -1, NULL), (503, 'quote " comma , tab ' || E'\\t', -0.001, true, '<&>', 0, NULL),
    (504, E'two\\nlines', 999999999.999, NULL, ' x ', 9223372036854775807, NULL), (505, 'ünï 😀 \\.', NULL, NULL, '''', NULL, NULL);
CREATE TABLE empty (LIKE mixed);
CREATE TABLE one AS SELECT * FROM mixed LIMIT 1;
CREATE TABLE failing AS SELECT g AS id FROM generate_series(1, 20000) AS g;
"""


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> Iterator[tuple[str, psycopg.Connection]]:
    """A database with small tables, one that is empty, and one of several segments for each size of a segment."""
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(MIXED.encode())
        for pages in {each.record.pages_per_segment for each in Format}:
            filled(conn, f"long_{pages}", 2 * pages + 10)
        yield module_dsn, conn


every_format = pytest.mark.parametrize("format_", list(Format))
every_text_format = pytest.mark.parametrize("format_", [each for each in Format if each.record.is_text])
every_compression = pytest.mark.parametrize("compression", list(Compression))


# --- the record --------------------------------------------------------------------------------------------------


@every_format
def test_the_record_is_whole(format_: Format) -> None:
    record = format_.record
    assert record.name == format_.value == str(format_)
    assert Format(record.name) is format_
    assert record.name in ORACLES, "tests/contracts/oracles.py says what a file of it should hold"
    assert record.endings
    assert all(re.fullmatch(r"\.[a-z0-9]+", ending) for ending in record.endings)
    assert re.match(r"[a-z]+/[a-z0-9.+-]+(; |$)", record.media_type)
    options = record.options()
    assert record.content_type(options).startswith(record.media_type)
    assert options.time_zone == "UTC"
    if record.is_text:
        assert record.encoder_options(options, ["a"], {}).format in list(Format)


def test_no_two_formats_share_a_name() -> None:
    endings = [ending for each in Format for ending in each.record.endings]
    endings += [each.record.ending for each in Compression]
    assert len(set(endings)) == len(endings)
    media_types = [each.record.media_type for each in Format]
    assert len(set(media_types)) == len(media_types)


@every_format
def test_the_core_knows_the_format(format_: Format) -> None:
    record = format_.record
    assert record.encoder_options(record.options(), ["a"], {}).format in _core.formats()


def test_the_core_s_types_have_names_of_their_own() -> None:
    kinds = [record.kind for record in _core.types()]
    names = [name for record in _core.types() for name in record.postgres]
    assert len(set(kinds)) == len(kinds)
    assert len(set(names)) == len(names)
    assert {"int4", "numeric", "jsonb", "bytea"} <= set(names)


@every_format
def test_the_page_lists_the_options(format_: Format) -> None:
    """Both ways: what can be said is documented, and what is documented can be said."""
    page = DOCS / f"{format_.record.options.__module__.rpartition('.')[2]}.md"
    table = page.read_text(encoding="utf-8").split("| option | values |", 1)[1].split("\n\n", 1)[0]
    documented = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert sorted(documented) == sorted(format_.record.options.members())


# --- options -----------------------------------------------------------------------------------------------------


@every_format
def test_an_unknown_option_is_refused_with_the_list(format_: Format) -> None:
    with pytest.raises(SpecError) as raised:
        exported(None, "t", format=format_, options={"colour": "red"})
    assert raised.value.field == "options"
    allowed = ", ".join(format_.record.options.members())
    assert raised.value.reason == f"unknown member 'colour'; allowed are {allowed}"


@every_format
def test_each_option_refuses_what_is_none_of_its_type(format_: Format) -> None:
    for name in format_.record.options.members():
        with pytest.raises(SpecError) as raised:
            exported(None, "t", format=format_, options={name: 1.5})
        assert raised.value.field == f"options.{name}"
        assert raised.value.reason.startswith("must be ")


@every_format
def test_an_option_may_be_given_by_its_name_in_python(format_: Format, tables: tuple[str, psycopg.Connection]) -> None:
    dsn, conn = tables
    options = {"time_zone": "Europe/Berlin"}
    file = exported(dsn, "one", format=format_, options=options)
    assert ORACLES[format_].read(file) == ORACLES[format_].server(conn, "SELECT * FROM one")


# --- the file ----------------------------------------------------------------------------------------------------


@every_format
@pytest.mark.parametrize("table", ["mixed", "empty", "one"])
def test_the_file_says_what_the_server_says(
    format_: Format, table: str, tables: tuple[str, psycopg.Connection]
) -> None:
    dsn, conn = tables
    oracle = ORACLES[format_]
    file = exported(dsn, table, format=format_)
    assert file.startswith(oracle.begins or b"") or not file
    assert oracle.read(file) == oracle.server(conn, f"SELECT * FROM {table}")


@every_format
def test_order_and_limit(format_: Format, tables: tuple[str, psycopg.Connection]) -> None:
    dsn, conn = tables
    oracle = ORACLES[format_]
    file = exported(
        dsn, "mixed", format=format_, order_by=[{"column": "id", "direction": "desc"}], limit=7, columns=["id", "name"]
    )
    assert oracle.read(file) == oracle.server(conn, "SELECT id, name FROM mixed ORDER BY id DESC LIMIT 7")


@every_format
def test_the_number_of_workers_changes_nothing(format_: Format, tables: tuple[str, psycopg.Connection]) -> None:
    """Nor do the segments: the rows are those of one statement, in the order in which they are stored."""
    dsn, conn = tables
    table = f"long_{format_.record.pages_per_segment}"
    oracle = ORACLES[format_]
    alone, together = (exported(dsn, table, format=format_, workers=workers) for workers in (1, 2))
    assert oracle.read(alone) == oracle.read(together) == oracle.server(conn, f"SELECT * FROM {table} ORDER BY ctid")
    # The footer of a columnar file names the snapshot.
    assert alone == together or format_.record.columnar
    assert len(alone) == len(together)


@every_format
def test_columns_of_one_name(format_: Format, tables: tuple[str, psycopg.Connection]) -> None:
    dsn, conn = tables
    query = "SELECT 1 AS a, 'x' AS a"
    if format_.record.repeated_names:
        file = exported(dsn, query=query, format=format_)
        assert ORACLES[format_].read(file) == ORACLES[format_].server(conn, query)
    else:
        with pytest.raises(SpecError, match="'a'"):
            exported(dsn, query=query, format=format_)


# --- failures ----------------------------------------------------------------------------------------------------


@every_format
def test_a_failure_leaves_nothing(format_: Format, tables: tuple[str, psycopg.Connection], tmp_path: Path) -> None:
    """After many rows, and with an old file in the place."""
    dsn, _conn = tables
    path = tmp_path / f"x{format_.record.endings[0]}"
    path.write_bytes(b"old")
    with pytest.raises(PolyglotError, match="division by zero"):
        export_to_file(dsn, None, path, query="SELECT 1 / (id - 19000) AS x FROM failing")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


# --- names and compressions --------------------------------------------------------------------------------------


@every_format
def test_each_ending_says_the_format(format_: Format, tables: tuple[str, psycopg.Connection], tmp_path: Path) -> None:
    dsn, conn = tables
    oracle = ORACLES[format_]
    for ending in format_.record.endings:
        path = tmp_path / f"x{ending}"
        result = export_to_file(dsn, "mixed", path)
        assert (result.rows, result.bytes) == (505, path.stat().st_size)
        assert begins_as_named(path)
        assert oracle.read(path.read_bytes()) == oracle.server(conn, "SELECT * FROM mixed")


@every_format
def test_a_name_that_says_another_format_is_refused(format_: Format, tmp_path: Path) -> None:
    for other in Format:
        if other is not format_:
            with pytest.raises(SpecError, match=f"says {other}, but format= says {format_}"):
                export_to_file(None, "t", tmp_path / f"x{other.record.endings[0]}", format=format_)
    assert not list(tmp_path.iterdir())


@every_text_format
@every_compression
def test_compression_round_trip(
    format_: Format, compression: Compression, tables: tuple[str, psycopg.Connection], tmp_path: Path
) -> None:
    dsn, _conn = tables
    plain = exported(dsn, "mixed", format=format_)
    packed = exported(dsn, "mixed", format=format_, compression=compression)
    assert packed.startswith(BEGINS[compression])
    assert len(packed) < len(plain)
    assert DECOMPRESS[compression](packed) == plain
    path = tmp_path / f"x{format_.record.endings[0]}{compression.record.ending}"
    export_to_file(dsn, "mixed", path)
    assert path.read_bytes() == packed
    assert choose(str(path), None, None).compression is compression


@pytest.mark.parametrize("format_", [each for each in Format if not each.record.is_text])
@every_compression
def test_a_format_that_compresses_inside_refuses_another(format_: Format, compression: Compression) -> None:
    with pytest.raises(SpecError, match="is for text formats"):
        exported(None, "t", format=format_, compression=compression)
    with pytest.raises(SpecError, match="compresses inside the file"):
        export_to_file(None, "t", f"x{format_.record.endings[0]}{compression.record.ending}")
