"""Gives every file to every reader, and writes down what they make of it.

    tests/readers/install.sh
    python -m tests.readers.measure                     everything, some minutes
    python -m tests.readers.measure --reader pyarrow    some; the other columns stay as they are
    python -m tests.readers.measure --type inet         some; the other rows stay as they are

It writes measured.json, of which ``python -m tests.readers.table`` makes the table of ``docs/formats/parquet.md``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg

from polyglot_export.testing.postgres import EmbeddedServer
from tests.readers.outcome import outcome
from tests.readers.readers import READERS, Reader
from tests.readers.samples import SAMPLES, Sample, files
from tests.readers.table import MEASURED, measured

__all__ = ["column", "main"]

Written = list[tuple[Sample, Path, list[object]]]


def column(reader: Reader, written: Written) -> dict[str, dict[str, str]]:
    """What one reader makes of each file, by the title of its sample."""
    answers = reader.read([path for _, path, _ in written])
    return {
        sample.title: {**asdict(outcome(sample, expected, answer)), "type": answer.get("type", "")}
        for (sample, _, expected), answer in zip(written, answers, strict=True)
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", action="append", default=[], help="a title of the table; all without it")
    parser.add_argument("--type", action="append", default=[], help="a type of the table; all without it")
    chosen = parser.parse_args(arguments)
    found: dict[str, Any] = measured()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServer() as server,
        psycopg.connect(server.dsn(), autocommit=True) as conn,
    ):
        samples = [sample for sample in SAMPLES if not chosen.type or sample.type in chosen.type]
        written = list(files(conn, server.dsn(), Path(folder), samples))
        for reader in READERS:
            if chosen.reader and reader.title not in chosen.reader:
                continue
            if not reader.installed:
                print(f"{reader.title} ({reader.environment}) is not there; its column stays as it is", file=sys.stderr)
                continue
            key = f"{reader.title} {reader.environment}".strip()
            before = found["readers"].get(key, {}).get("samples", {}) if chosen.type else {}
            cells = before | column(reader, written)
            found["readers"][key] = {"version": reader.version(), "samples": cells}
            print(f"{reader.title} {reader.version()}: done", file=sys.stderr)
    found["date"] = dt.datetime.now(dt.UTC).date().isoformat()
    MEASURED.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
