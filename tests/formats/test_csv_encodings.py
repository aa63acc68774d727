"""CSV in other encodings: the server's own bytes, put into the encoding by Python."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import zstandard

from polyglot_export import SpecError, UnsupportedValue, dump, export, verify
from polyglot_export.formats.charsets import python_name
from tests.fixtures.server import Database
from tests.library.helpers import copied, exported

SAMPLES = {
    "utf-16le": "é€😀漢",
    "utf-16be": "é€😀漢",
    "windows-1250": "Łódź žluťoučký",
    "windows-1251": "Привет",
    "windows-1252": "café – “quoted” €Š",
    "windows-1253": "Ελλάδα",
    "windows-1254": "İstanbul Ğ",
    "windows-1255": "שלום",
    "windows-1256": "مرحبا",
    "windows-1257": "Ąžuolas",
    "windows-1258": "Đ ơ ư ₫",
    "windows-874": "ไทย",
    "iso-8859-2": "Łódź",
    "iso-8859-3": "Ħ ĉ",
    "iso-8859-4": "Ąž",
    "iso-8859-5": "Привет",
    "iso-8859-6": "مرحبا",
    "iso-8859-7": "Ελλάδα €",
    "iso-8859-8": "שלום",
    "iso-8859-10": "Þ đ",
    "iso-8859-13": "Ąž",
    "iso-8859-14": "Ŵ ŷ",
    "iso-8859-15": "café €Šœ",
    "iso-8859-16": "Ș ț €",
    "ibm866": "Привет",
    "koi8-r": "Привет",
    "koi8-u": "Ґанок",
    "macintosh": "café “x” ‰",
    "x-mac-cyrillic": "Привет",
    "big5": "漢字 中文",
    "euc-jp": "日本語 カナ",
    "euc-kr": "한국어 漢字",
    "gb18030": "汉字 € 😀 ſ",
    "gbk": "汉字 中文",
    "shift_jis": "日本語 ｶﾅ 表ソ",
}
"""A text that each can hold. The bytes of some of the last ones hold a backslash."""
POSTGRES = {
    **{f"windows-{number}": f"WIN{number}" for number in (874, *range(1250, 1259))},
    "iso-8859-15": "LATIN9",
    "iso-8859-2": "LATIN2",
    "iso-8859-16": "LATIN10",
    "ibm866": "WIN866",
    "koi8-r": "KOI8R",
    "koi8-u": "KOI8U",
    "big5": "BIG5",
    "euc-jp": "EUC_JP",
    "euc-kr": "UHC",
    "gb18030": "GB18030",
    "gbk": "GBK",
    "shift_jis": "SJIS",
}
"""What PostgreSQL calls it, where it knows it."""
MARKS = {"utf-16le": codecs.BOM_UTF16_LE, "utf-16be": codecs.BOM_UTF16_BE}


def python(encoding: str) -> str:
    return python_name(encoding)


@pytest.fixture(scope="module")
def table(server: Database) -> Iterator[tuple[str, psycopg.Connection]]:
    """A column for each encoding, named in it; quotes, line ends and a long text among the values."""
    columns = ", ".join(f'"{name} {sample.strip()}" text' for name, sample in SAMPLES.items())
    with server.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"CREATE TABLE t (id int, {columns})".encode())
        marks = ", ".join(["%s"] * len(SAMPLES))
        for number, form in enumerate(("{}", 'a,"{}"\r\n;{}', "{}x" * 30_000, "x", "")):
            values = [form.replace("{}", sample) for sample in SAMPLES.values()]
            conn.execute(f"INSERT INTO t VALUES ({number}, {marks})".encode(), values)
        conn.execute("INSERT INTO t VALUES (9)")
        yield dsn, conn


def own(encoding: str) -> list[str]:
    return ["id", f"{encoding} {SAMPLES[encoding].strip()}"]


@pytest.mark.parametrize("encoding", SAMPLES)
def test_the_text_of_the_server_in_the_encoding(table: tuple[str, psycopg.Connection], encoding: str) -> None:
    dsn, conn = table
    names = own(encoding)
    text = copied(conn, f'SELECT id, "{names[1]}" FROM t').decode()
    expected = MARKS.get(encoding, b"") + text.encode(python(encoding))
    assert exported(dsn, "t", columns=names, options={"encoding": encoding}) == expected


@pytest.mark.parametrize(("encoding", "of_server"), POSTGRES.items())
def test_the_server_reads_it_back(table: tuple[str, psycopg.Connection], encoding: str, of_server: str) -> None:
    dsn, conn = table
    names = own(encoding)
    file = exported(dsn, "t", columns=names, options={"encoding": encoding})
    conn.execute("DROP TABLE IF EXISTS back; CREATE TABLE back (id int, t text)")
    with conn.cursor().copy(f"COPY back FROM STDIN (FORMAT csv, HEADER, ENCODING '{of_server}')".encode()) as copy:
        copy.write(file)
    stored = f'SELECT id, "{names[1]}" AS t FROM t'
    different = conn.execute(f"(TABLE back EXCEPT {stored}) UNION ALL ({stored} EXCEPT TABLE back)".encode()).fetchall()
    assert different == []


@pytest.mark.parametrize(("encoding", "compression"), [("utf-16le", None), ("gbk", "gzip"), ("utf-16le", "zstd")])
def test_the_bytes_do_not_depend_on_the_workers(
    dsn: str, conn: psycopg.Connection, encoding: str, compression: str | None
) -> None:
    conn.execute("CREATE TABLE long AS SELECT g, repeat('汉字,', g % 80) AS t FROM generate_series(1, 60000) AS g")
    options = {"encoding": encoding, "lineEnd": "crlf"}
    files = {exported(dsn, "long", options=options, workers=workers, compression=compression) for workers in (1, 2, 7)}
    assert len(files) == 1
    file = files.pop()
    if compression is not None:
        unzstd = zstandard.ZstdDecompressor().decompressobj().decompress
        file = gzip.decompress(file) if compression == "gzip" else unzstd(file)
    text = copied(conn, "SELECT * FROM long ORDER BY ctid").decode().replace("\n", "\r\n")
    assert file == MARKS.get(encoding, b"") + text.encode(python(encoding))


def test_a_character_that_is_lacking_has_a_row_and_a_column(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT g AS id, CASE WHEN g = 4321 THEN repeat('x', 70000) || '漢é' ELSE 'é' END AS \"the text\""
        " FROM generate_series(1, 5000) AS g"
    )
    with pytest.raises(UnsupportedValue, match=r'row 4321, column "the text": .*windows-1252.*U\+6F22') as caught:
        exported(dsn, "t", options={"encoding": "windows-1252"})
    assert (caught.value.row, caught.value.column) == (4321, "the text")


@pytest.mark.parametrize(
    ("encoding", "text"), [("shift_jis", "¥5"), ("euc-jp", "−5"), ("shift_jis", "a‾"), ("gbk", "\ue78d")]
)
def test_a_character_that_would_become_another_one_is_lacking(dsn: str, encoding: str, text: str) -> None:
    """The Encoding Standard's encoders write a backslash for a yen sign, which no reader takes back."""
    with pytest.raises(UnsupportedValue, match="row 1"):
        exported(dsn, query=f"SELECT '{text}'", options={"encoding": encoding})
    options = {"encoding": encoding, "unencodable": "replace", "header": False}
    assert exported(dsn, query=f"SELECT '{text}' AS t", options=options).count(b"?") == 1


def test_replaced_characters_are_counted_by_value(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT g AS id, 'né漢字' AS a, CASE WHEN g % 3 = 0 THEN '漢' ELSE 'é' END AS b, '{漢,é}'::text[] AS c"
        " FROM generate_series(1, 99) AS g"
    )
    with export(dsn, "t", options={"encoding": "windows-1252", "unencodable": "replace"}) as chunks:
        file = b"".join(chunks)
        losses = chunks.result().losses
    assert losses == {"a": 99, "b": 33, "c": 99}
    text = copied(conn, "SELECT * FROM t").decode()
    assert file == text.encode("cp1252", errors="replace")


def test_a_name_that_cannot_be_written_is_said_before_anything_is_read(dsn: str, conn: psycopg.Connection) -> None:
    """Also where values are replaced: a name is what finds the column."""
    conn.execute('CREATE TABLE t AS SELECT 1 AS a, 2 AS "漢"')
    for unencodable in ("error", "replace"):
        options = {"encoding": "windows-1252", "unencodable": unencodable}
        with pytest.raises(UnsupportedValue, match='column "漢"'), export(dsn, "t", options=options):
            pass
    assert (
        exported(dsn, "t", columns=["a", {"source": "漢", "target": "b"}], options={"encoding": "windows-1252"})
        == b"a,b\n1,2\n"
    )


def test_bytes_that_are_not_utf8_are_no_text(dsn: str, conn: psycopg.Connection) -> None:
    """In UTF-8 they are passed on; here nobody knows what they would be."""
    conn.execute("CREATE FUNCTION raw(bytea) RETURNS text LANGUAGE internal AS 'byteasend'")
    for broken in (r"\x61ff22", r"\xc328", r"\x61c3"):
        conn.execute(f"CREATE OR REPLACE VIEW v AS SELECT raw('{broken}') AS t".encode())
        for encoding in ("utf-16le", "windows-1252"):
            with pytest.raises(UnsupportedValue, match='row 1, column "t": the text is not valid UTF-8'):
                exported(dsn, "v", options={"encoding": encoding})


@pytest.mark.parametrize(
    ("options", "field", "reason"),
    [
        ({"encoding": "utf-7"}, "encoding", "must be one of utf-8, utf-16be"),
        ({"encoding": "iso-8859-1"}, "encoding", "windows-1252 has all"),
        ({"encoding": "replacement"}, "encoding", "must be one of"),
        ({"encoding": "x-user-defined"}, "encoding", "must be one of"),
        ({"encoding": "iso-2022-jp"}, "encoding", "must be one of"),
        ({"encoding": "windows-1252", "bom": True}, "bom", "has none"),
        ({"encoding": "utf-16le", "bom": False}, "bom", "always has one"),
        ({"encoding": "windows-1252", "null": "—"}, "null", "must be ASCII"),
        ({"encoding": "shift_jis", "delimiter": "|"}, "delimiter", "other characters"),
        ({"encoding": "gbk", "escape": "\\"}, "escape", "other characters"),
        ({"encoding": "gb18030", "quote": "1"}, "quote", "other characters"),
        ({"encoding": "koi8-r", "unencodable": "replace", "null": "?"}, "unencodable", "replaced"),
        ({"unencodable": "drop"}, "unencodable", "'error' or 'replace'"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        exported(None, "t", options=options)
    assert caught.value.field == f"options.{field}"


def test_names_of_encodings_are_those_that_people_use(table: tuple[str, psycopg.Connection]) -> None:
    dsn, _ = table
    for one, other in (("UTF-16", "utf-16le"), ("cp1252", "windows-1252"), ("Shift_JIS", "sjis"), ("UTF8", "utf-8")):
        first, second = (exported(dsn, "t", columns=["id"], options={"encoding": name}) for name in (one, other))
        assert first == second


def test_a_set_of_files_is_verified(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    """Rows are counted in the encoding, in every folder of a value too."""
    conn.execute(
        "CREATE TABLE t AS SELECT g AS id, g % 3 AS k, E'Ċ\"漢\\n' AS t FROM generate_series(1, 1000) AS g;"
        "CREATE TABLE nothing (LIKE t)"
    )
    options = {"encoding": "utf-16le", "header": False}
    result = dump(dsn, tmp_path, format="csv", options=options, partition_by={"t": "k"})
    assert verify(result.destination, dsn).ok
    parts = [path.read_bytes() for path in sorted(tmp_path.rglob("*.csv")) if "k=" in str(path)]
    assert len(parts) == 3
    assert sum(len(part.decode("utf-16").split('"\n')) - 1 for part in parts) == 1000
