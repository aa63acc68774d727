"""``polyglot bench`` and the comparison of ``make bench`` measure, read back what they measured, and call a file wrong
that is.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree as ET

import psycopg
import pytest
from click.testing import CliRunner

from benchmarks import bench as comparison
from benchmarks.peers.base import Peer
from benchmarks.peers.psql import RowToJson
from benchmarks.peers.psycopg import Psycopg
from benchmarks.peers.registry import all_peers
from polyglot_export import _core
from polyglot_export.cli.bench.cases import CASES, chosen_cases
from polyglot_export.cli.bench.ours import Polyglot
from polyglot_export.cli.bench.readers import count_rows, problem_of
from polyglot_export.cli.bench.run import Choices, exit_code, run
from polyglot_export.cli.bench.source import Server, Source
from polyglot_export.cli.bench.tool import Job
from polyglot_export.cli.signals import Interrupted, raising_interrupted
from polyglot_export.errors import PolyglotError, SpecError
from polyglot_export.testing.postgres import EmbeddedServer
from tests.fixtures.process import start_cli

SVG = "{http://www.w3.org/2000/svg}"


class Short(Peer):
    """Leaves the last row out."""

    name: ClassVar[str] = "short"
    cases: ClassVar[tuple[str, ...]] = ("csv",)

    def missing(self) -> str | None:
        return None

    def command(self, job: Job) -> list[str]:
        return [
            job.psql,
            "-X",
            "-q",
            "-c",
            f"\\copy (select * from {job.name} where id > 1) to '{job.path}' with (format csv, header)",
        ]


class Failing(Short):
    """Ends with an error."""

    name: ClassVar[str] = "failing"

    def command(self, job: Job) -> list[str]:  # noqa: ARG002
        return [sys.executable, "-c", "raise SystemExit('out of luck')"]


class Absent(Short):
    """Is not installed."""

    name: ClassVar[str] = "absent"

    def missing(self) -> str | None:
        return "the Python module absent is not installed"


@pytest.fixture
def psql_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(EmbeddedServer().bin_dir), prepend=":")


def figures(path: Path) -> dict[tuple[str, str], dict[str, object]]:
    """The results of a JSON file by case and tool."""
    return {(each["case"], each["name"]): each for each in json.loads(path.read_text())["results"]}


def test_every_form_is_measured_and_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(run(Choices(rows=2_000, pairs=1, json=tmp_path / "b.json"))) == 0
    results = figures(tmp_path / "b.json")
    assert list(results) == [(name, "polyglot") for name in CASES]
    plain = results["csv", "polyglot"]["bytes"]
    assert isinstance(plain, int)
    for (name, _), result in results.items():
        assert (result["rows"], result["problem"]) == (2_000, None)
        seconds, ratio, floor = result["seconds"], result["ratio"], result["floorSeconds"]
        assert isinstance(seconds, dict)
        assert isinstance(ratio, dict)
        assert isinstance(floor, dict)
        assert 0 < seconds["min"] <= seconds["median"] <= seconds["max"]
        assert ratio["median"] == pytest.approx(seconds["median"] / floor["median"], rel=0.05)
        assert (result["compressionRatio"] is not None) == CASES[name].compressed
        assert result["serverCpuSeconds"] is not None
        to_limit, seen = result["toLimit"], result["beside"]
        assert isinstance(to_limit, dict)
        assert to_limit["median"] > 1, "nobody is faster than who drops everything unread"
        assert isinstance(seen, dict)
        assert seen["probeMilliseconds"]["reads"] > 0
        assert isinstance(result["peakBytes"], int)
        assert result["peakBytes"] > 10_000_000
    ratio_of_gzip = results["csv.gz", "polyglot"]["compressionRatio"]
    size_of_gzip = results["csv.gz", "polyglot"]["bytes"]
    assert isinstance(size_of_gzip, int)
    assert ratio_of_gzip == pytest.approx(plain / size_of_gzip, abs=0.01)
    output = capsys.readouterr().out
    speeds, _, beside = output.partition("\n\n| format | tool | transaction s")
    rows = [line.split(" | ")[0] for line in speeds.splitlines() if line.startswith("| ")]
    assert rows[2:] == [f"| {name}" for name in CASES]
    rows = [line.split(" | ")[0] for line in beside.splitlines() if line.startswith("| ")]
    assert rows[1:] == ["| ", *(f"| {name}" for name in CASES)], "nothing comes first, as the measure of the others"


def compared(*arguments: str) -> str:
    """What ``python -m benchmarks.bench`` prints when it ends with 0."""
    done = CliRunner().invoke(comparison.compare, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_peers_are_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A short file is wrong, a failure is told, what is absent is named, and none of it is our failure."""
    monkeypatch.setattr(comparison, "all_peers", lambda: (Short(), Failing(), Absent(), Psycopg(), RowToJson()))
    files = ("--json", str(tmp_path / "b.json"), "--chart", str(tmp_path / "b.svg"))
    output = compared("--peers", "--formats", "csv,ndjson", "--rows", "500", "--pairs", "1", *files)
    results = figures(tmp_path / "b.json")
    assert results["csv", "short"]["problem"] == "499 rows instead of 500"
    assert "out of luck" in str(results["csv", "failing"]["problem"])
    assert results["csv", "failing"]["seconds"] is None
    for right in (("csv", "psycopg COPY"), ("ndjson", "psql row_to_json"), ("csv", "polyglot"), ("ndjson", "polyglot")):
        assert (results[right]["rows"], results[right]["problem"]) == (500, None)
    assert ("ndjson", "short") not in results
    written = json.loads((tmp_path / "b.json").read_text())
    assert written["unavailable"] == {"absent": "the Python module absent is not installed"}
    assert written["versions"].keys() == {"PostgreSQL", "psycopg"}
    assert written["versions"]["psycopg"] == Psycopg().version()
    assert "WRONG: 499 rows instead of 500" in output
    assert "Not available: absent: the Python module absent is not installed." in output
    chart = (tmp_path / "b.svg").read_text()
    assert ET.fromstring(chart).tag == f"{SVG}svg"
    assert chart.count(" (wrong)<") == 1
    assert chart.count('class="ours"') >= 2
    assert "failing" not in chart


def test_our_own_wrong_file_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums of the demo's table are compared for our files, not only their rows."""

    def command_of(_: Polyglot, job: Job) -> list[str]:
        columns = "id, created_at, name, value + 1 as value, metadata"
        return [
            job.psql,
            "-X",
            "-q",
            "-c",
            f"\\copy (select {columns} from {job.name}) to '{job.path}' with (format csv, header)",
        ]

    monkeypatch.setattr(Polyglot, "command", command_of)
    assert exit_code(run(Choices(cases=chosen_cases("csv"), rows=500, pairs=1))) == 1


@pytest.mark.usefixtures("psql_on_path")
def test_a_table_of_the_user(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(
        'CREATE SCHEMA "My data"; CREATE TABLE "My data"."the ""rows""" AS SELECT g AS id, \'a,b\' AS t FROM generate_series(1, 300) g'
    )
    choices = Choices(
        cases=chosen_cases("csv.zst"), pairs=2, table='"My data"."the ""rows"""', dsn=dsn, json=tmp_path / "b.json"
    )
    assert exit_code(run(choices)) == 0
    result = figures(tmp_path / "b.json")["csv.zst", "polyglot"]
    assert (result["rows"], result["problem"], result["serverCpuSeconds"]) == (300, None, None)
    with pytest.raises(PolyglotError, match="no table 'nowhere'"):
        run(Choices(table="nowhere", dsn=dsn))


def test_the_wide_table_has_thirty_columns_and_no_documents(tmp_path: Path) -> None:
    wide = ("--table", "wide", "--formats", "parquet", "--rows", "300", "--pairs", "1", "--json", str(tmp_path / "b"))
    assert "| parquet | polyglot |" in compared(*wide)
    assert figures(tmp_path / "b")["parquet", "polyglot"]["rows"] == 300


def test_a_debug_build_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "build_profile", "debug")
    with pytest.raises(PolyglotError, match="debug build"):
        run(Choices())


def test_a_signal_stops_server_and_tools(tmp_path: Path) -> None:
    folder = Path("/tmp") / f"polyglot-bench-test-{tmp_path.name[-20:]}"
    folder.mkdir(mode=0o1777)
    folder.chmod(0o1777)
    with start_cli("bench", "--rows", "20000", "--pairs", "100", env={"TMPDIR": str(folder)}) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"filling records")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM
    assert list(folder.iterdir()) == []
    folder.rmdir()


def test_a_signal_while_a_file_is_read_back_is_not_a_fault_of_the_file(tmp_path: Path) -> None:
    """Nobody writes to the FIFO, so that the reader waits in ``open``."""
    os.mkfifo(tmp_path / "table.csv")
    server = Server(host="127.0.0.1", port=1, user="nobody", password="", dbname="none")
    source = Source(server, "public", "none", rows=1, psql="psql")
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.2, signal.pthread_kill, [main, signal.SIGTERM])
    with pytest.raises(Interrupted, match="SIGTERM"), raising_interrupted():
        # Not before the handler is there: by itself the signal ends the process.
        timer.start()
        problem_of(tmp_path / "table.csv", CASES["csv"], source, ours=False)
    timer.join()


def test_names_of_forms() -> None:
    assert [case.name for case in chosen_cases("parquet-zstd, csv,csv")] == ["parquet-zstd", "csv"]
    assert [case.name for case in chosen_cases(None)] == list(CASES)
    for wrong in ("csv,xls", "", ","):
        with pytest.raises(SpecError, match="is none of csv, json, "):
            chosen_cases(wrong)


def test_no_password_is_on_a_command_line(tmp_path: Path) -> None:
    """Everybody on the machine sees the arguments of a process."""
    server = Server("127.0.0.1", 5432, "me", "top secret/@", "shop")
    for peer in (*all_peers(), Polyglot(2)):
        for case in peer.cases:
            arguments = peer.command(Job(case, "/dev/null", "public", "t", server.uri, scratch=str(tmp_path)))
            assert not any("secret" in argument for argument in arguments), peer.name
            assert case in CASES
    assert "top%20secret%2F%40" in server.uri
    assert server.environment()["PGPASSWORD"] == "top secret/@"


def test_the_package_names_no_other_tool() -> None:
    """Who installs it gets exports and psql's own copy; other tools are the developers' comparison."""
    package = Path(_core.__file__).parent
    for file in (package / "cli").rglob("*.py"):
        words = set(re.findall(r"\w+", file.read_text().lower()))
        others = {"duckdb", "clickhouse", "chdb", "connectorx", "polars", "adbc", "asyncpg", "pigz", "sling", "ingestr"}
        assert not words & others, file


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("csv", b'a,b\n1,"x\ny"\n2,"""q"""\n', 2),
        ("json", b'[{"a":1},{"a":[{"b":2}]}]', 2),
        ("ndjson", b'{"a":1}\n{"a":"}\\n"}\n', 2),
        ("xml", b"<result><meta/><data><row><a>1</a></row><row/></data></result>", 2),
        ("xml", b"<records><record><a>1</a></record></records>", 1),
    ],
)
def test_readers_count_rows_and_not_lines(tmp_path: Path, name: str, text: bytes, rows: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(text)
    assert count_rows(path, CASES[name]) == rows
    path.write_bytes(text[:-3])
    if name != "csv":
        with pytest.raises(Exception):  # noqa: B017 - each reader has its own
            count_rows(path, CASES[name])
