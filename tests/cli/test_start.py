"""What a start of the command costs, as far as it can be counted without a clock: what is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.cli.helpers import ITEMS
from tests.fixtures.process import environment

PROGRAM = "import sys; sys.argv[0] = 'polyglot'; from polyglot_export.cli.start import main; main()"
SLOW = {
    *("pydantic", "pydantic_core", "rich", "typer", "hmac", "hashlib", "tomllib", "importlib.metadata", "email.parser"),
    *("obstore", "botocore", "google.auth", "fastapi", "starlette", "uvicorn", "pydantic_settings"),
    *("asyncio", "ssl", "subprocess", "tempfile", "random", "uuid", "platform", "zoneinfo"),
    *("typing_extensions", "ctypes.util"),
    # The dataclasses of later versions call more of it.
    *(("inspect",) if sys.version_info < (3, 14) else ()),
    *(f"polyglot_export.{name}" for name in ("destinations.object_store", "destinations.folder", "manifest", "dumps")),
}
"""What an export from the command line has no use for, whatever it asks for; only ``polyglot serve`` has for some."""


@pytest.mark.parametrize(
    "arguments",
    [
        ["items", "-f", "csv"],
        ["items", "-o", "x.parquet", "--columns", "id", "--where", "id < 3", "--order-by", "id", "-O", "arrays=json"],
    ],
)
def test_an_export_imports_nothing_slow(
    dsn: str, conn: psycopg.Connection, tmp_path: Path, arguments: list[str]
) -> None:
    conn.execute(ITEMS)
    command = [sys.executable, "-X", "importtime", "-c", PROGRAM, "export", *arguments, "--dsn", dsn, "--quiet"]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "psycopg" in imported
    assert not imported & SLOW


USE = """
import os, sys
if sys.argv[1] == "quick":
    from polyglot_export.cli.quick import import_psycopg
    import_psycopg()
import asyncio, dataclasses, datetime, decimal, uuid
import click, psycopg

@dataclasses.dataclass
class Point:
    x: int

dsn = os.environ["DATABASE_URL"]
with psycopg.connect(dsn) as connection:
    connection.execute("SET timezone = 'Europe/Berlin'")
    print(connection.execute("SELECT %s, %s, %s, %s", [
        uuid.UUID(int=5), decimal.Decimal("1.10"), [1, 2], datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
    ]).fetchone())
    print(connection.execute(
        "SELECT interval '1 mon 2 days 03:04:05.5', '[1,5)'::int4range, '{[1,2),[5,6)}'::int4multirange, "
        "array['a,b', null], '{\\"a\\": [1.5]}'::jsonb, date '2020-02-03', time '01:02:03.5', timetz '01:02:03+02', "
        "inet '1.2.3.4/8', row(1, 'x y')"
    ).fetchone())
    with connection.cursor().copy("COPY (VALUES (1, E'a\\tb'), (2, null)) TO STDOUT") as copy:
        print(list(copy.rows()))
    connection.execute("CREATE TEMPORARY TABLE copied (t text)")
    with connection.cursor().copy("COPY copied FROM STDIN") as copy:
        copy.write_row(["x\\ty"])
    print(connection.execute("TABLE copied").fetchall())

async def asked():
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        return await (await connection.execute("SELECT 1")).fetchone()

print(asyncio.run(asked()))
print(Point.__doc__, click.UUID.convert(str(uuid.UUID(int=6)), None, None), psycopg.errors.lookup("42P01"))
for wrong in ("host=nothing.invalid", "host=127.0.0.1,127.0.0.2 port=9 load_balance_hosts=random", "a"):
    try:
        psycopg.connect(wrong)
    except psycopg.Error as error:
        print(type(error))
"""


def test_what_was_imported_quickly_works_as_ever(dsn: str) -> None:
    """The parts that were left out are found when they are needed."""
    said = [
        subprocess.run(
            [sys.executable, "-c", USE, way],
            env=environment(dsn),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for way in ("quick", "plain")
    ]
    assert said[0] == said[1]
    assert said[0].count("\n") == 9


QUICK = """
import sys
from polyglot_export.cli import quick
{before}
quick.import_psycopg()
import psycopg, psycopg_binary
print(*({{"asyncio", "importlib.metadata", "inspect"}} & set(sys.modules)))
from importlib import metadata
import asyncio, inspect
assert metadata.distribution("psycopg").version == psycopg.__version__
assert metadata.version("psycopg-binary") == psycopg_binary.__version__
assert asyncio.sleep and inspect.signature(psycopg.connect)
print(psycopg.pq.__impl__, psycopg.adapters.types["interval"].oid, psycopg.errors.lookup("42P01").__name__)
"""
REFUSED = """
class Refused(quick._Pattern):
    def __init__(self, make, args, kwargs):
        assert {part!r} not in str(args[0]), "this version is another one after all"
        super().__init__(make, args, kwargs)
quick._Pattern = Refused
"""
ALL = "asyncio importlib.metadata inspect"


@pytest.mark.parametrize(
    ("before", "loaded"),
    [
        pytest.param("", "", id="quick"),
        pytest.param("quick._beside = lambda _: ()", ALL, id="no-folder"),
        pytest.param("import importlib.metadata", "importlib.metadata", id="metadata"),
        pytest.param("quick.TRIED = {'click': ('8.4.',), 'psycopg': ('3.2.', '2.')}", ALL, id="untried"),
        pytest.param(REFUSED.format(part="PANIC"), ALL, id="fails-early"),
        # Then the compiled parts are there already.
        pytest.param(REFUSED.format(part="Timezone"), ALL, id="fails-late"),
    ],
)
def test_psycopg_is_whole_however_it_was_imported(before: str, loaded: str) -> None:
    """Quickly where its version was tried; else, and where that fails, as ever."""
    command = [sys.executable, "-c", QUICK.format(before=before)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found, whole = done.stdout.splitlines()
    assert set(found.split()) == set(loaded.split())
    assert whole == f"{psycopg.pq.__impl__} 1186 UndefinedTable"
