"""XML: strict parsers read it, and each leaf is what the server itself prints for the value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any
from xml.parsers import expat

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from psycopg import sql

from polyglot_export import Export, RowTooLarge, RunSettings, UnsupportedValue, export, open_export, parse_spec
from tests.formats.xml_reader import (
    Json,
    Members,
    Number,
    column,
    from_json,
    is_null,
    leaf,
    marked,
    name_of,
    read_all,
    records,
    typed,
    without_scalar_types,
)
from tests.formats.xml_samples import ARRAYS, DOCUMENTS, INFINITE, JSON_ONLY, SCALARS, TYPED_ARRAYS, TYPES


def xml(dsn: str, source: str | None = None, **what: Any) -> Export:
    return export(dsn, source, format="xml", **what)


def server_rows(conn: psycopg.Connection, query: str, zone: str = "UTC") -> list[list[etree._Element]]:
    """The elements of each row as ``query_to_xml`` writes them."""
    with conn.transaction():
        conn.execute("SELECT set_config('TimeZone', %s, true)", [zone])
        row = conn.execute("SELECT query_to_xml(%s, true, false, '')::text", [query]).fetchone()
    root = etree.fromstring(str((row or ("",))[0]), etree.XMLParser(huge_tree=True))
    return [list(element) for element in root]


@pytest.fixture
def oracle(debian_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to the server that is built with libxml, where ``query_to_xml`` works."""
    with psycopg.connect(debian_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def documents(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE documents (id serial PRIMARY KEY, loose json, strict jsonb)")
    for text in DOCUMENTS:
        conn.execute("INSERT INTO documents (loose, strict) VALUES (%s::json, %s::jsonb)", [text, text])
    for text in JSON_ONLY:
        conn.execute("INSERT INTO documents (loose) VALUES (%s::json)", [text])


def test_each_leaf_is_what_query_to_xml_writes(debian_dsn: str, oracle: psycopg.Connection) -> None:
    oracle.execute(TYPES)
    oracle.execute(f"CREATE TABLE scalars (id int, {', '.join(f'c{n} {type_}' for n, type_ in enumerate(SCALARS))})")
    for number, values in enumerate(zip_longest(*SCALARS.values())):
        oracle.execute(f"INSERT INTO scalars VALUES ({', '.join(['%s'] * (1 + len(SCALARS)))})", [number, *values])
    expected = server_rows(oracle, "SELECT * FROM scalars ORDER BY id")
    found = records(read_all(xml(debian_dsn, "scalars", order_by=["id"])))
    assert len(found) == len(expected) == max(map(len, SCALARS.values()))
    for record, row in zip(found, expected, strict=True):
        assert [element.tag for element in record] == ["id", *(f"c{n}" for n in range(len(SCALARS)))]
        assert [leaf(element) for element in record] == [leaf(element) for element in row]
        assert not any("type" in element.attrib for element in record)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"])
def test_a_timestamptz_of_another_zone_is_what_query_to_xml_writes(
    debian_dsn: str, oracle: psycopg.Connection, zone: str
) -> None:
    oracle.execute("CREATE DOMAIN moment AS timestamptz")
    oracle.execute("CREATE TABLE t (id int, at timestamptz, own moment)")
    for number, value in enumerate(["2024-02-29 12:34:56+02", "1880-01-01 00:00+00", "0044-03-15 12:00 BC", None]):
        oracle.execute("INSERT INTO t VALUES (%s, %s, %s)", [number, value, value])
    expected = server_rows(oracle, "SELECT * FROM t ORDER BY id", zone)
    found = records(read_all(xml(debian_dsn, "t", order_by=["id"], options={"timeZone": zone})))
    assert [[leaf(e) for e in record] for record in found] == [[leaf(e) for e in row] for row in expected]


@pytest.mark.parametrize(("type_", "value"), [(type_, value) for type_, all_ in INFINITE.items() for value in all_])
def test_infinity_is_an_error_as_it_is_in_query_to_xml(
    debian_dsn: str, oracle: psycopg.Connection, type_: str, value: str
) -> None:
    oracle.execute(f"CREATE TABLE t AS SELECT NULL::{type_} AS at UNION ALL SELECT '{value}'")
    with pytest.raises(psycopg.errors.DatetimeFieldOverflow):
        oracle.execute("SELECT query_to_xml('SELECT at FROM t', true, false, '')")
    with pytest.raises(UnsupportedValue, match="infinite") as raised:
        read_all(xml(debian_dsn, "t"))
    assert (raised.value.row, raised.value.column) == (2, "at")


def test_infinity_is_an_error_in_another_zone_too(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT now() AS at UNION ALL SELECT '-infinity'")
    with pytest.raises(UnsupportedValue, match="infinite") as raised:
        read_all(xml(dsn, "t", options={"timeZone": "Europe/Berlin"}))
    assert (raised.value.row, raised.value.column) == (2, "at")


def test_bytea_is_hexadecimal_on_request(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(r"CREATE TABLE t AS SELECT '\xdeadbeef'::bytea AS b, ARRAY['\x00ff'::bytea] AS list")
    (record,) = records(read_all(xml(dsn, "t", options={"binary": "hex"})))
    assert [leaf(record[0]), leaf(record[1][0])] == [r"\xdeadbeef", r"\x00ff"]


@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize(
    ("types", "read", "known"), [("all", typed, lambda value: value), ("containers", marked, without_scalar_types)]
)
def test_documents_are_the_server_s_values(
    dsn: str, conn: psycopg.Connection, types: str, read: Callable[[Any], Json], known: Callable[[Json], Json]
) -> None:
    rows = conn.execute("SELECT loose::text, strict::text FROM documents ORDER BY id").fetchall()
    found = records(read_all(xml(dsn, "documents", order_by=["id"], options={"jsonTypes": types})))
    assert len(found) == len(rows) == len(DOCUMENTS) + len(JSON_ONLY)
    for name, texts in zip(("loose", "strict"), zip(*rows, strict=True), strict=True):
        expected = [None if text is None else known(from_json(text)) for text in texts]
        assert [read(element) for element in column(found, name)] == expected


@pytest.mark.usefixtures("documents")
def test_no_types_when_not_wanted(dsn: str) -> None:
    found = records(read_all(xml(dsn, "documents", options={"jsonTypes": "none"})))
    assert not any("type" in element.attrib for record in found for element in record.iter())


# What a document is made of; jsonb takes all of it.
_CHARACTERS = st.one_of(
    st.characters(codec="utf-8", exclude_characters="\0"), st.sampled_from("_x0020<>&\"'\r\n\t:-.é😀]")
)
_TEXT = st.text(_CHARACTERS, max_size=12)
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _TEXT)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4)),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def shared(module_dsn: str) -> Iterator[tuple[str, psycopg.Connection]]:
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE random (id serial PRIMARY KEY, loose json, strict jsonb)")
        yield module_dsn, connection


@given(st.lists(_VALUES, min_size=1, max_size=20), st.booleans())
def test_random_documents_are_the_server_s_values(
    shared: tuple[str, psycopg.Connection], values: list[object], escaped: bool
) -> None:
    dsn, conn = shared
    conn.execute("TRUNCATE random")
    for value in values:
        text = json.dumps(value, ensure_ascii=escaped, indent=1 if escaped else None)
        conn.execute("INSERT INTO random (loose, strict) VALUES (%(text)s::json, %(text)s::jsonb)", {"text": text})
    rows = conn.execute("SELECT loose::text, strict::text FROM random ORDER BY id").fetchall()
    document = read_all(xml(dsn, "random", order_by=["id"], options={"jsonTypes": "all", "invalidXmlChars": "replace"}))
    found = records(document)
    for name, texts in zip(("loose", "strict"), zip(*rows, strict=True), strict=True):
        assert [typed(element) for element in column(found, name)] == [_replaced(from_json(text)) for text in texts]


def _replaced(value: Json) -> Json:
    """With U+FFFD for what XML 1.0 cannot hold; in keys it is escaped instead."""
    match value:
        case str():
            return "".join("\ufffd" if (c < " " and c not in "\t\n\r") or c in "\ufffe\uffff" else c for c in value)
        case Members(pairs):
            return Members(tuple((key, _replaced(item)) for key, item in pairs))
        case list():
            return [_replaced(item) for item in value]
    return value


@pytest.mark.parametrize("type_", ARRAYS)
def test_arrays_are_items(debian_dsn: str, oracle: psycopg.Connection, type_: str) -> None:
    oracle.execute(TYPES)
    oracle.execute(f"CREATE TABLE arrays (id serial PRIMARY KEY, a {type_})")
    oracle.cursor().executemany("INSERT INTO arrays (a) VALUES (%s)", [[value] for value in [*ARRAYS[type_], None]])
    oracle.execute("SET TimeZone = 'UTC'")
    # The cast of an array goes through the elements' output functions, but for bool, where it is `true` and `false` as
    # here.
    texts = oracle.execute("SELECT to_json(a::text[])::text FROM arrays ORDER BY id").fetchall()
    expected = [None if text is None else from_json(text) for (text,) in texts]
    found = column(records(read_all(xml(debian_dsn, "arrays", order_by=["id"]))), "a")
    assert [shape(marked(element)) for element in found] == [shape(value) for value in expected]
    # query_to_xml has the elements of all dimensions one after the other, and leaves NULLs out.
    server = [row[0] for row in server_rows(oracle, "SELECT a FROM arrays ORDER BY id")]
    assert [leaves(element) for element in found] == [leaves(element) for element in server]


def shape(value: Json) -> Json:
    """Which items there are, and which of them are NULL."""
    return [shape(item) for item in value] if isinstance(value, list) else value is None


def leaves(element: etree._Element) -> list[str | None]:
    """The innermost elements that are not NULL."""
    return [leaf(item) for item in element.iter("item", "element") if not len(item) and not is_null(item)]


@pytest.mark.parametrize(("type_", "value"), TYPED_ARRAYS.items())
def test_types_of_array_elements_are_those_of_to_json(
    dsn: str, conn: psycopg.Connection, type_: str, value: str
) -> None:
    conn.execute(f"CREATE TABLE arrays AS SELECT '{value}'::{type_} AS a")
    (text,) = conn.execute("SELECT to_json(a)::text FROM arrays").fetchone() or (None,)
    found = records(read_all(xml(dsn, "arrays", options={"jsonTypes": "all"})))
    assert typed(found[0][0]) == from_json(str(text))


def test_null_and_empty_string_differ(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT NULL::text AS nothing, ''::text AS empty")
    document = read_all(xml(dsn, "t"))
    (record,) = records(document)
    assert [is_null(element) for element in record] == [True, False]
    assert b'<nothing xsi:nil="true"/><empty></empty>' in document


def test_names_are_escaped_and_read_back(dsn: str, conn: psycopg.Connection) -> None:
    names = [
        "id",
        "a b",
        "1st",
        "x:y",
        "_x0020_",
        "xml_id",
        "max_x",
        "名前",
        "é",
        "😀",
        "-",
        '<"&>',
        "_",
        "item",
        "a.b-c_d",
    ]
    columns = sql.SQL(", ").join(sql.SQL("{} int").format(sql.Identifier(name)) for name in names)
    conn.execute(sql.SQL("CREATE TABLE t ({})").format(columns))
    conn.execute("INSERT INTO t DEFAULT VALUES")
    document = read_all(xml(dsn, "t", options={"root": "all rows", "record": "1"}))
    (record,) = records(document)
    root = record.getparent()
    assert root is not None
    assert [name_of(element) for element in record] == names
    assert (name_of(root), name_of(record)) == ("all rows", "1")
    for written in (
        "all_x0020_rows",
        "_x0031_",
        "x_x003A_y",
        "_x005F_x0020_",
        "xml_id",
        "max_x",
        "名前",
        "_x01F600_",
        "_x002D_",
    ):
        assert f"</{written}>" in document.decode() or f"<{written} xsi:nil" in document.decode()


def test_names_are_escaped_as_the_server_does(debian_dsn: str) -> None:
    """Debian's server has libxml. It differs from us where `docs/formats/xml.md` says so; none of those is among
    these.
    """
    # Every fifth character of the BMP, as the first one and as a later one.
    points = [point for point in range(1, 0x10000, 5) if not 0xD800 <= point <= 0xDFFF and chr(point) not in ":_"]
    names = [name for point in points for name in (chr(point), f"a{chr(point)}b")]
    with psycopg.connect(debian_dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE named (id serial, j json)")
        conn.cursor().executemany("INSERT INTO named (j) VALUES (%s)", [[json.dumps({name: 0})] for name in names])
        conn.execute("""
            CREATE FUNCTION element(name text) RETURNS text LANGUAGE plpgsql AS $$
            DECLARE made text;
            BEGIN
                EXECUTE format('SELECT xmlelement(name %I)::text', name) INTO made;
                RETURN trim(made, '</>');
            END $$""")
        rows = conn.execute(
            "SELECT element(name) FROM unnest(%s::text[]) WITH ORDINALITY AS t(name, n) ORDER BY n", [names]
        ).fetchall()
    found = records(read_all(xml(debian_dsn, "named", columns=["j"], workers=1)))
    assert len(found) == len(rows) == len(names)
    assert [record[0][0].tag for record in found] == [row[0] for row in rows]


def test_no_rows_is_an_empty_root(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t (a int)")
    document = read_all(xml(dsn, "t"))
    assert records(document) == []
    assert document.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<records ')
    assert document.endswith(b"</records>\n")


def test_segments_join_to_one_document(dsn: str, conn: psycopg.Connection) -> None:
    # Nearly empty pages, so that few rows make several segments.
    conn.execute("CREATE TABLE t (id int, filler text) WITH (fillfactor = 10)")
    conn.execute("INSERT INTO t SELECT g, repeat('<&>', 30) FROM generate_series(1, 20000) AS g")
    conn.execute("DELETE FROM t WHERE id BETWEEN 8000 AND 12000")
    expected = [str(row[0]) for row in conn.execute("SELECT id FROM t ORDER BY ctid").fetchall()]
    exported = xml(dsn, "t", workers=2)
    assert exported.plan.segments > 2
    two = read_all(exported)
    assert [record[0].text for record in records(two)] == expected
    assert two == read_all(xml(dsn, "t", workers=1))


class TestInvalidCharacters:
    """Characters that XML 1.0 cannot hold."""

    @pytest.fixture(autouse=True)
    def _table(self, conn: psycopg.Connection) -> None:
        conn.execute("CREATE TABLE t (id serial PRIMARY KEY, label text, loose json)")
        rows = [("fine", '"fine"'), ("a\x01b\x02", r'["\u0000x", "\ud800"]'), ("\x0b", r'{"\u0000": "\uffff"}')]
        conn.cursor().executemany("INSERT INTO t (label, loose) VALUES (%s, %s)", rows)

    def test_are_an_error_that_names_row_and_column(self, dsn: str) -> None:
        with pytest.raises(UnsupportedValue, match=r"U\+0001") as raised:
            read_all(xml(dsn, "t", order_by=["id"]))
        assert (raised.value.row, raised.value.column) == (2, "label")
        with pytest.raises(UnsupportedValue, match=r"U\+0000") as raised:
            read_all(xml(dsn, "t", order_by=["id"], columns=["loose"]))
        assert (raised.value.row, raised.value.column) == (2, "loose")

    @pytest.mark.parametrize(("policy", "mark"), [("replace", "\ufffd"), ("drop", "")])
    def test_are_replaced_or_dropped_and_counted(self, dsn: str, policy: str, mark: str) -> None:
        exported = xml(dsn, "t", order_by=["id"], options={"invalidXmlChars": policy, "jsonTypes": "all"})
        found = records(read_all(exported))
        assert [leaf(element) for element in column(found, "label")] == ["fine", f"a{mark}b{mark}", mark]
        values = [typed(element) for element in column(found, "loose")]
        assert values == ["fine", [f"{mark}x", mark], Members((("\0", mark),))]
        # One a value, however many characters.
        assert exported.result().losses == {"label": 2, "loose": 2}


def test_bytes_that_are_not_utf8_are_an_error(dsn: str, conn: psycopg.Connection) -> None:
    # A UTF8 database checks what comes in, but not what a cast like this one makes of it.
    conn.execute("CREATE CAST (bytea AS text) WITHOUT FUNCTION")
    conn.execute(r"CREATE TABLE t AS SELECT 'fine' AS label UNION ALL SELECT ('\xff'::bytea)::text")
    with pytest.raises(UnsupportedValue, match="UTF-8") as raised:
        read_all(xml(dsn, "t"))
    assert (raised.value.row, raised.value.column) == (2, "label")


def test_deep_nesting(dsn: str, conn: psycopg.Connection) -> None:
    """As deep as the server's parser goes with its default stack, about: far beyond what libxml2 reads."""
    depth = 5000
    conn.execute("CREATE TABLE t AS SELECT (repeat('[', %(n)s) || '1' || repeat(']', %(n)s))::json AS j", {"n": depth})
    document = read_all(xml(dsn, "t"))
    deepest = now = 0

    def start(*_: object) -> None:
        nonlocal now, deepest
        now += 1
        deepest = max(deepest, now)

    def end(_: object) -> None:
        nonlocal now
        now -= 1

    parser = expat.ParserCreate("UTF-8")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(document, True)
    # Root, record, column, and an item in each array.
    assert (deepest, now) == (3 + depth, 0)


def test_the_limit_of_a_row_is_for_what_is_read(dsn: str, conn: psycopg.Connection) -> None:
    """A document of short items is many times larger as XML. It leaves in pieces, so that nothing but the row itself
    counts.
    """
    conn.execute(
        "CREATE TABLE t AS SELECT 1 AS id, '[]'::json AS j UNION ALL SELECT 2, ('[' || repeat('0,', 100000) || '0]')::json"
    )
    spec = parse_spec({"format": "xml", "dataset": "t"})
    document = read_all(open_export(spec, dsn=dsn, run=RunSettings(row_bytes=250_000)))
    assert len(document) > 1_000_000
    assert len(records(document)[1][1]) == 100_001
    with pytest.raises(RowTooLarge) as raised:
        read_all(open_export(spec, dsn=dsn, run=RunSettings(row_bytes=200_000)))
    assert raised.value.row == 2


def test_numbers_keep_their_digits(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("""CREATE TABLE t AS SELECT '{"a": 1.500, "b": 100000000000000000000001}'::jsonb AS j, 1.500 AS n""")
    (record,) = records(read_all(xml(dsn, "t", options={"jsonTypes": "all"})))
    assert typed(record[0]) == Members((("a", Number("1.500")), ("b", Number("100000000000000000000001"))))
    assert leaf(record[1]) == "1.500"
