"""PostGIS's types in every format: what its functions print, exact to the last digit, wherever the extension is."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import geopandas
import openpyxl
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyglot_export import PolyglotError, SpecError, explain, export
from polyglot_export.planning.geometry import DIGITS
from tests.fixtures.server import Database
from tests.library.helpers import copied, exported, ndjson, rows_of

Shared = tuple[str, psycopg.Connection]
SCHEMA = "Gis data"
"""Of the extension: none that a search path has, and one that must be quoted."""
PLACES = f"""
CREATE SCHEMA "{SCHEMA}"; CREATE EXTENSION postgis SCHEMA "{SCHEMA}";
SET search_path = public, "{SCHEMA}";
CREATE DOMAIN place AS geometry(Point, 4326);
CREATE TABLE places (id int, g geometry, p place, z geometry(PointZ, 3857), e geography(Point, 4326), b geography);
INSERT INTO places
  SELECT n, ST_MakePoint((random() - 0.5) * power(10, (random() * 600 - 300)::int), random() * 100),
    ST_SetSRID(ST_MakePoint(random() * 360 - 180, random() * 180 - 90), 4326),
    ST_SetSRID(ST_MakePoint(random() * 1e7, random() / 3, random()), 3857),
    ST_SetSRID(ST_MakePoint(random() * 360 - 180, random() * 180 - 90), 4326)::geography, 'POINT(1 2)'
  FROM generate_series(1, 300) AS n;
INSERT INTO places VALUES
  (301, 'SRID=25832;POLYGON((0 0,1 0,1 1,0 0),(0.1 0.1,0.2 0.1,0.2 0.2,0.1 0.1))', NULL, NULL, NULL, NULL),
  (302, 'GEOMETRYCOLLECTION(POINT(1 2),LINESTRING EMPTY)', 'SRID=4326;POINT EMPTY', 'SRID=3857;POINT Z (1 2 3)',
   'POINT EMPTY', 'LINESTRING(0 0,1 1)'),
  (303, 'MULTIPOLYGON(((0 0,1 0,1 1,0 0)))', 'SRID=4326;POINT(-0 1e-300)', NULL, NULL, NULL);
"""
COLUMNS = ("g", "p", "z", "e", "b")


@pytest.fixture(scope="module")
def places(debian: Database) -> Iterator[Shared]:
    """A database with PostGIS, whose functions the export's own search path does not see."""
    with debian.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(PLACES.encode())
        yield dsn, conn


def asked(function: str, *, cast: str = "") -> str:
    """The table as PostGIS's function prints it."""
    columns = ", ".join(f"{function}({name}, {DIGITS}){cast} AS {name}" for name in COLUMNS)
    return f"SELECT id, {columns} FROM places ORDER BY id"


@pytest.mark.parametrize(
    ("form", "function"), [("wkt", "ST_AsText"), ("ewkt", "ST_AsEWKT"), ("geojson", "ST_AsGeoJSON")]
)
def test_csv_has_what_the_function_prints(places: Shared, form: str, function: str) -> None:
    dsn, conn = places
    found = exported(dsn, "places", format="csv", order_by=["id"], options={"geometry": form})
    assert found == copied(conn, asked(function))


@pytest.mark.parametrize(
    ("form", "function", "cast"),
    [("wkt", "ST_AsText", ""), ("ewkt", "ST_AsEWKT", ""), ("geojson", "ST_AsGeoJSON", "::json")],
)
def test_json_has_geojson_as_json(places: Shared, form: str, function: str, cast: str) -> None:
    dsn, conn = places
    found = exported(dsn, "places", format="ndjson", order_by=["id"], options={"geometry": form})
    assert found == ndjson(conn, asked(function, cast=cast))
    whole = json.loads(exported(dsn, "places", format="json", order_by=["id"], options={"geometry": form}))
    assert whole == rows_of(found)


def test_xml_nests_geojson_as_it_nests_json(places: Shared) -> None:
    dsn, _ = places
    ours = exported(dsn, "places", format="xml", order_by=["id"], options={"geometry": "geojson"})
    same = export(dsn, query=asked(f'"{SCHEMA}".ST_AsGeoJSON', cast="::json"), format="xml")
    with same:
        assert ours == b"".join(same)
    assert b"<coordinates" in ours
    text = exported(dsn, "places", format="xml", order_by=["id"], options={"geometry": "wkt"})
    assert b"<g>GEOMETRYCOLLECTION(POINT(1 2),LINESTRING EMPTY)</g>" in text


def test_no_digit_is_lost(places: Shared) -> None:
    """PostGIS's own default would cut behind 15 digits, and behind 9 in GeoJSON."""
    dsn, conn = places
    for form, function in (("ewkt", "ST_GeomFromEWKT"), ("geojson", "ST_GeomFromGeoJSON")):
        rows = csv.DictReader(
            io.StringIO(exported(dsn, "places", options={"geometry": form}, order_by=["id"]).decode())
        )
        texts = [row["g"] for row in rows][:300]
        query = (
            f"SELECT count(*) FROM places JOIN unnest(%s::text[]) WITH ORDINALITY AS u(t, n) ON n = id"
            f" WHERE ST_AsBinary({function}(t)) = ST_AsBinary(g)"
        )
        assert conn.execute(query.encode(), [texts]).fetchall() == [(300,)]


def test_without_the_option_all_is_as_postgresql_writes_it(places: Shared) -> None:
    dsn, conn = places
    query = "SELECT * FROM places ORDER BY id"
    assert exported(dsn, "places", format="csv", order_by=["id"]) == copied(conn, query)
    assert exported(dsn, "places", format="ndjson", order_by=["id"]) == ndjson(conn, query)


def test_views_queries_and_workers_see_the_same(places: Shared) -> None:
    dsn, conn = places
    conn.execute("CREATE VIEW seen AS SELECT id, g FROM places WHERE id < 100")
    expected = copied(conn, f"SELECT id, ST_AsText(g, {DIGITS}) AS g FROM seen")
    options = {"geometry": "wkt"}
    assert exported(dsn, "seen", options=options) == expected
    assert exported(dsn, query="SELECT id, g FROM public.places WHERE id < 100", options=options) == expected
    chosen = {"source": "g", "target": "shape"}
    found = exported(dsn, "places", columns=[chosen], workers=3, options=options)
    assert found == copied(conn, f"SELECT ST_AsText(g, {DIGITS}) AS shape FROM places")


def test_what_json_cannot_hold_is_an_error(places: Shared) -> None:
    """PostGIS prints NaN as it is, which is no JSON, and leaves M values out; curves are not in GeoJSON."""
    dsn, _ = places
    for value, type_, reason in (
        ("POINT(NaN 1)", "geometry", "json"),
        ("CIRCULARSTRING(0 0,1 1,2 0)", "geometry", "CircularString"),
        ("POINT M (1 2 3)", "geometry", r"GeoJSON has no M values: POINT M \(1 2 3\)"),
        ("POINT ZM (1 2 3 4)", "geography", "GeoJSON has no M values"),
    ):
        query = f"SELECT '{value}'::\"{SCHEMA}\".{type_} AS g"
        with pytest.raises(PolyglotError, match=reason):
            exported(dsn, query=query, format="json", options={"geometry": "geojson"})
        assert exported(dsn, query=query, options={"geometry": "wkt"}).splitlines()[1:]


def test_without_postgis(server: Database) -> None:
    """Nothing changes, also where somebody's own type is called geometry."""
    with server.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE TYPE geometry AS (x int); CREATE TABLE own AS SELECT ROW(1)::geometry AS g, point(1, 2) AS p"
        )
        for form in ("wkt", "ewkt", "geojson"):
            assert exported(dsn, "own", options={"geometry": form}) == copied(conn, "SELECT * FROM own")
        with pytest.raises(SpecError, match="must be 'postgres', 'wkt', 'ewkt' or 'geojson'"):
            exported(dsn, "own", options={"geometry": "geoparquet"})


def test_a_function_that_is_not_there(places: Shared) -> None:
    """A type of the name that the extension knows nothing of."""
    dsn, conn = places
    conn.execute(
        "CREATE SCHEMA other; CREATE TYPE other.geometry;"
        " CREATE FUNCTION other.geometry_in(cstring) RETURNS other.geometry LANGUAGE internal IMMUTABLE STRICT AS 'textin';"
        " CREATE FUNCTION other.geometry_out(other.geometry) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';"
        " CREATE TYPE other.geometry (INPUT = other.geometry_in, OUTPUT = other.geometry_out, LIKE = text);"
        " CREATE TABLE other.own AS SELECT 'x'::other.geometry AS g"
    )
    with pytest.raises(SpecError, match=r"has no ST_AsText\(geometry, integer\)") as caught:
        exported(dsn, "other.own", options={"geometry": "wkt"})
    assert caught.value.field == "options.geometry"
    assert exported(dsn, "other.own") == b"g\nx\n"


def test_parquet_has_geojson_as_json_and_the_rest_as_text(places: Shared) -> None:
    dsn, conn = places
    for form, function, logical in (("wkt", "ST_AsText", "STRING"), ("geojson", "ST_AsGeoJSON", "JSON")):
        with export(dsn, "places", format="parquet", order_by=["id"], options={"geometry": form}) as chunks:
            file = pq.ParquetFile(io.BytesIO(b"".join(chunks)))
        assert [file.schema.column(at).logical_type.type for at in range(1, 6)] == [logical] * 5
        rows = conn.execute(asked(function).encode()).fetchall()
        found = file.read()
        for at, name in enumerate(COLUMNS, 1):
            column = found[name].combine_chunks()
            texts = column.storage if hasattr(column, "storage") else column
            assert texts.to_pylist() == [row[at] for row in rows]


@pytest.mark.parametrize(("form", "function"), [("wkt", "ST_AsText"), ("geojson", "ST_AsGeoJSON")])
def test_arrow_and_spreadsheets_have_the_same_texts(places: Shared, form: str, function: str) -> None:
    dsn, conn = places
    expected = [row[1:] for row in conn.execute(asked(function).encode()).fetchall()]
    options = {"geometry": form}
    stream = exported(dsn, "places", format="arrow", order_by=["id"], options=options)
    rows = pa.ipc.open_stream(stream).read_all().to_pylist()
    assert [tuple(row[name] for name in COLUMNS) for row in rows] == expected
    workbook = openpyxl.load_workbook(
        io.BytesIO(exported(dsn, "places", format="xlsx", order_by=["id"], options=options)), read_only=True
    )
    sheet = workbook[workbook.sheetnames[0]]
    assert [row[1:] for row in sheet.iter_rows(min_row=2, values_only=True)] == expected
    workbook.close()


def test_geoparquet(places: Shared) -> None:
    dsn, conn = places
    file, remarks = _geoparquet(dsn, "places", columns=["p", "id", "e"])
    described = json.loads(pq.ParquetFile(io.BytesIO(file)).metadata.metadata[b"geo"])
    assert described == {
        "version": "1.1.0",
        "primary_column": "p",
        "columns": {
            "p": {"encoding": "WKB", "geometry_types": ["Point"]},
            "e": {"encoding": "WKB", "geometry_types": ["Point"], "edges": "spherical"},
        },
    }
    assert remarks == ()
    with pytest.warns(UserWarning, match="column 'e' has spherical edges"):
        frame = geopandas.read_parquet(io.BytesIO(file))
    assert frame.geometry.name == "p"
    assert frame.crs == "OGC:CRS84"
    for name in ("p", "e"):
        asked_for = conn.execute(f"SELECT ST_AsBinary({name}) FROM places ORDER BY id".encode()).fetchall()
        found = [None if shape is None else bytes(shape.wkb) for shape in frame[name]]
        assert found == [row[0] for row in asked_for]


def test_geoparquet_of_other_systems_names_none(places: Shared) -> None:
    dsn, _ = places
    file, remarks = _geoparquet(dsn, "places", columns=["z", "g"])
    described = json.loads(pq.ParquetFile(io.BytesIO(file)).metadata.metadata[b"geo"])
    assert described["columns"] == {
        "z": {"encoding": "WKB", "geometry_types": ["Point Z"], "crs": None},
        "g": {"encoding": "WKB", "geometry_types": [], "crs": None},
    }
    assert geopandas.read_parquet(io.BytesIO(file)).crs is None
    (remark,) = remarks
    assert "'z' (SRID 3857), 'g' (SRID of each value)" in remark
    query = f'SELECT "{SCHEMA}".ST_Transform(z, 4326)::"{SCHEMA}".geometry("GeometryZ", 4326) AS z FROM places'
    file, remarks = _geoparquet(dsn, query=query)
    assert remarks == ()
    assert geopandas.read_parquet(io.BytesIO(file)).crs == "OGC:CRS84"


def test_parquet_without_geometries_has_no_geo(places: Shared) -> None:
    dsn, _ = places
    file, _ = _geoparquet(dsn, "places", columns=["id"])
    assert b"geo" not in pq.ParquetFile(io.BytesIO(file)).metadata.metadata


def test_explain_shows_what_is_read(places: Shared) -> None:
    dsn, _ = places
    plan = explain(dsn, "places", format="parquet", options={"geometry": "geoparquet"})
    assert [column.parquet for column in plan.columns] == ["int32", *["bytes"] * 5]


def _geoparquet(dsn: str, source: str | None = None, **what: Any) -> tuple[bytes, tuple[str, ...]]:
    options = {"geometry": "geoparquet"}
    order = ["id"] if source is not None else []
    with export(dsn, source, format="parquet", order_by=order, options=options, **what) as chunks:
        file = b"".join(chunks)
        return file, chunks.result().remarks
