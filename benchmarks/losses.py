r"""What tools do to the values: each writes a small table into each of its forms, which is read back and compared with
the server, row by row and column by column.

    python -m benchmarks.losses --rows 20000 --table lineitem

Prints a Markdown table. A workbook is left out: its cells have no types of PostgreSQL.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

import psycopg
import pyarrow.parquet
from lxml import etree
from psycopg import sql

from benchmarks.peers.base import Peer
from benchmarks.peers.registry import all_peers
from benchmarks.samples import KEYS, SAMPLES
from benchmarks.values import Naive, classes_of, kind_of
from polyglot_export.cli.bench.cases import CASES, Case
from polyglot_export.cli.bench.ours import Polyglot
from polyglot_export.cli.bench.pairs import Bench, Manner
from polyglot_export.cli.bench.source import RECORDS, Sample, Source, filled
from polyglot_export.cli.bench.tool import Tool
from polyglot_export.errors import PolyglotError
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.readers import opened
from polyglot_export.text.tables import markdown

__all__ = ["LOSSLESS", "Losses", "Table", "losses_of_file", "losses_of_tools", "losses_table", "main"]

ROWS: Final = 20_000
TIMEOUT: Final = 300.0
SHOWN: Final = 60
"""Characters of a value that are shown."""
LOSSLESS: Final = "–"
XSI_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
ROW_TAGS: Final = ("record", "row")

Losses = dict[tuple[str, str], tuple[str, ...]]
"""By case and tool, a sentence for each column that is not what the server has."""


@dataclass(frozen=True)
class Table:
    """What the server has.

    Attributes:
        types: The type of each column, by name.
        key: The columns by which a row is found.
        rows: Its rows by the values of the key, each value in the form of :mod:`benchmarks.values`.
    """

    types: Mapping[str, str]
    key: tuple[str, ...]
    rows: Mapping[tuple[Any, ...], Mapping[str, Any]]

    @classmethod
    def of_server(cls, uri: str, name: str, key: tuple[str, ...]) -> Table:
        """Read it as text, which the server's own output functions write."""
        with psycopg.connect(uri, options="-c TimeZone=UTC") as connection:
            described = connection.execute(
                "SELECT a.attname, t.typname FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid"
                " WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
                [name],
            ).fetchall()
            types = {str(column): str(type_) for column, type_ in described}
            # A cast of char(n) to text would take its blanks off, which COPY writes.
            texts = sql.SQL(", ").join(
                sql.SQL("concat_ws('', {0})" if type_ == "bpchar" else "{0}::text").format(sql.Identifier(column))
                for column, type_ in types.items()
            )
            found = connection.execute(sql.SQL("SELECT {} FROM {}").format(texts, sql.Identifier(name)))
            rows = [
                {
                    column: None if text is None else kind_of(types[column])(text)
                    for column, text in zip(types, row, strict=True)
                }
                for row in found
            ]
        return cls(types, key, {tuple(row[column] for column in key): row for row in rows})


@dataclass
class _Column:
    """How many values of one column were compared, and what is wrong with how many of them, and with the first."""

    compared: int = 0
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)

    def note(self, fault: str, wanted: Any, got: Any) -> None:
        count, first = self.faults.get(fault, (0, f"{_shown(wanted)} → {_shown(got)}"))
        self.faults[fault] = (count + 1, first)


def losses_of_file(path: Path, case: Case, table: Table) -> tuple[str, ...]:
    """Compare a file with its table; a sentence for each column that is not the same, none where all are."""
    columns = {name: _Column() for name in table.types}
    unknown = seen = 0
    with opened(path, case.compression) as file:
        for row in _ROWS[case.format](file):
            seen += 1
            wanted = table.rows.get(_key_of(row, table))
            if wanted is None:
                unknown += 1
                continue
            for name, column in columns.items():
                _compare(column, table.types[name], case, wanted[name], row.get(name, _ABSENT))
    sentences = [
        f"{name}: {fault} ({'all' if count == column.compared else f'{count:,} of {seen:,}'}): {first}"
        for name, column in columns.items()
        for fault, (count, first) in column.faults.items()
    ]
    if unknown:
        sentences.append(f"{unknown:,} of {seen:,} rows have no key of the table")
    if seen != len(table.rows):
        sentences.append(f"{seen:,} rows instead of {len(table.rows):,}")
    return tuple(sentences)


_ABSENT: Final = object()
"""What a file has for a column that it lacks."""


def _key_of(row: Mapping[str, Any], table: Table) -> tuple[Any, ...]:
    try:
        values = [kind_of(table.types[name])(row.get(name)) for name in table.key]
    except (ValueError, TypeError):
        return ()
    return tuple(value.moment if isinstance(value, Naive) else value for value in values)


def _compare(column: _Column, type_: str, case: Case, wanted: Any, got: Any) -> None:
    if wanted is None and got is None:
        return
    if case.format == "xml" and isinstance(got, dict):
        # A document as elements has no types to compare with; docs/formats/xml.md says what becomes of it.
        return
    column.compared += 1
    if got is _ABSENT:
        column.note("is missing", wanted, "")
    elif wanted is None or got is None:
        column.note("NULL" if wanted is None else "became NULL", wanted, got)
    else:
        _compare_values(column, type_, case, wanted, got)


def _compare_values(column: _Column, type_: str, case: Case, wanted: Any, got: Any) -> None:
    try:
        value = kind_of(type_)(got)
    except (ValueError, TypeError):
        column.note("is no value of the type", wanted, got)
        return
    if isinstance(value, Naive):
        same = value.moment == wanted.replace(tzinfo=None)
        column.note("lost its zone" if same else "is another moment, without its zone", wanted, got)
    elif value != wanted:
        column.note("differs", wanted, got)
    else:
        classes = classes_of(case.format).get(type_)
        if classes is not None and not isinstance(got, classes):
            column.note(f"is {'text' if isinstance(got, str) else type(got).__name__}, not {type_}", wanted, got)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        text = json.dumps(value, default=float, ensure_ascii=False)
    else:
        text = "NULL" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _csv(file: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    """An empty field is taken for NULL; none of the samples has an empty text."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        for row in csv.DictReader(text, strict=True):
            yield {name: value if value != "" else None for name, value in row.items()}
    finally:
        text.detach()


def _json(file: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    yield from json.load(file, parse_float=Decimal)


def _ndjson(file: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    return (json.loads(line, parse_float=Decimal) for line in file)


def _xml(file: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    for _, element in etree.iterparse(file, events=("end",), tag=ROW_TAGS):
        yield {str(child.tag): _element(child) for child in element}
        element.clear()


def _element(child: Any) -> Any:
    if child.get(XSI_NIL) == "true":
        return None
    return {} if len(child) else child.text or ""


def _parquet(file: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    for batch in pyarrow.parquet.ParquetFile(file).iter_batches():
        yield from batch.to_pylist()


_ROWS: Final[dict[str, Callable[[IO[bytes]], Iterable[Mapping[str, Any]]]]] = {
    "csv": _csv,
    "json": _json,
    "ndjson": _ndjson,
    "xml": _xml,
    "parquet": _parquet,
}


def losses_of_tools(source: Source, tools: Sequence[Tool], cases: Sequence[Case]) -> Losses:
    """Have each tool write each of its forms of a sample, and compare.

    Args:
        source: The sample, so small that Python may hold it.
        tools: Ours among them.
        cases: The forms; those that nothing can be compared of are passed over.
    """
    table = Table.of_server(source.server.uri, source.table, KEYS[source.table])
    losses: Losses = {}
    with tempfile.TemporaryDirectory(prefix="polyglot-losses-") as folder:
        bench = Bench(source, Path(folder), Manner(pairs=1, check=True, timeout=TIMEOUT))
        for case in cases:
            if case.format not in _ROWS:
                continue
            path = Path(folder) / f"table.{case.name}"
            for tool in tools:
                if case.name in tool.cases:
                    losses[case.name, tool.name] = _losses_of(bench, tool, case, path, table)
    return losses


def _losses_of(bench: Bench, tool: Tool, case: Case, path: Path, table: Table) -> tuple[str, ...]:
    try:
        bench.write(tool, case, path)
        return losses_of_file(path, case, table)
    except PolyglotError as error:
        return (error.message.strip().splitlines()[-1],)
    except Exception as error:  # noqa: BLE001 (whatever a reader raises, it says that the file is not well formed)
        return (f"{type(error).__name__}: {error}",)
    finally:
        path.unlink(missing_ok=True)


def losses_table(losses: Losses) -> str:
    """As Markdown: forms of one tool with the same losses stand in one row."""
    by_tool: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (case, tool), sentences in losses.items():
        by_tool.setdefault((tool, sentences), []).append(case)
    order = {tool: number for number, tool in enumerate(dict.fromkeys(tool for tool, _ in by_tool))}
    rows = [
        (tool, ", ".join(cases), "<br>".join(map(_cell, sentences)) or LOSSLESS)
        for (tool, sentences), cases in sorted(by_tool.items(), key=lambda each: order[each[0][0]])
    ]
    return markdown(("tool", "formats", "what is not as the server has it"), rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", "⏎")


def measured_losses(sample: Sample, rows: int, peers: Sequence[Peer], cases: Sequence[Case]) -> Losses:
    """Fill a sample on a server of its own, and compare."""
    with EmbeddedServer() as server:
        source = filled(server, sample, rows, lambda _: None)
        return losses_of_tools(source, [Polyglot(None), *peers], cases)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of the sample ({ROWS})")
    parser.add_argument("--table", choices=SAMPLES, default=RECORDS.name, help=f"the sample ({RECORDS.name})")
    given = parser.parse_args()
    peers = [peer for peer in all_peers() if peer.missing() is None]
    print(losses_table(measured_losses(SAMPLES[given.table], given.rows, peers, tuple(CASES.values()))))


if __name__ == "__main__":
    main()
