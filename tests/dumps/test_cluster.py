"""A dump whose parts are written by other processes: the same bytes, or an error and nothing left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from distributed import Client

from polyglot_export import (
    ConnectionFailed,
    DaskEngine,
    PolyglotError,
    dump,
    verify,
)
from polyglot_export.dumps.cluster.writer import END_SECONDS
from tests.cli.helpers import GONE_SECONDS, complaint, succeeded, wait_until
from tests.dumps.helpers import files, manifest_of, same
from tests.dumps.pools import GATED, PARTS, Begun, digests, fill, gate, nothing_is_left, sessions, waiting
from tests.fixtures.dask_cluster import DaskCluster
from tests.fixtures.network import another_machine
from tests.fixtures.object_stores import S3Cloud
from tests.fixtures.process import Cli, start_cli
from tests.fixtures.proxy import Proxy
from tests.fixtures.server import Database


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    fill(module_dsn)
    return module_dsn


@pytest.fixture(scope="module")
def cluster(tables: str) -> Iterator[DaskCluster]:
    """One that no test harms."""
    with DaskCluster(tables) as running:
        yield running


@pytest.fixture
def client(cluster: DaskCluster) -> Iterator[Client]:
    with cluster.client() as connected:
        yield connected


VALUES = {"queries": {"by_value": "SELECT id % 7 AS key, pad FROM large"}, "partition_by": {"by_value": "key"}}


@pytest.mark.parametrize("how", [{}, {"compression": "zstd"}, VALUES], ids=["csv", "csv.zst", "folders for values"])
def test_a_cluster_writes_the_bytes_of_one_machine(
    tables: str, client: Client, tmp_path: Path, how: dict[str, Any]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    dump(tables, here, format="csv", part_size=PARTS, **how)
    result = dump(tables, there, format="csv", part_size=PARTS, engine=DaskEngine(client), **how)
    assert digests(result.manifest) == digests(manifest_of(here))
    assert len(digests(result.manifest)) > 4
    if not how:
        with psycopg.connect(tables, autocommit=True) as conn:
            same(conn, there)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_parquet_too_with_any_number_of_workers(tables: str, client: Client, tmp_path: Path, workers: int) -> None:
    """Only the name of the snapshot, which is in the file, differs between two dumps."""
    here, there = tmp_path / "here", tmp_path / "there"
    a = dump(tables, here, part_size=PARTS)
    b = dump(tables, there, part_size=PARTS, engine=DaskEngine(client), workers=workers)
    assert files(here) == files(there)
    assert len(files(there)) > 4
    for name in files(there):
        written = (there / name).read_bytes().replace(b.snapshot.encode(), a.snapshot.encode())
        assert written == (here / name).read_bytes(), name
    assert verify(there).ok


def test_workers_on_another_machine_write_the_same(tables: str, tmp_path: Path) -> None:
    """They have a network of their own, and reach scheduler and database by an address that is not the leader's."""
    here, there = tmp_path / "here", tmp_path / "there"
    with another_machine() as machine, Proxy.to(tables, machine.here) as way:
        with (
            DaskCluster(way.dsn, workers=2, host=machine.here, prefix=machine.prefix) as cluster,
            cluster.client() as client,
        ):
            before = way.connections
            result = dump(tables, there, format="csv", part_size=PARTS, engine=DaskEngine(client))
        # Of each part a session that watches, and those that read.
        assert way.connections - before >= 2 * result.files
    assert digests(result.manifest) == digests(dump(tables, here, format="csv", part_size=PARTS).manifest)


def test_a_part_whose_worker_dies_is_written_elsewhere(tables: str, tmp_path: Path) -> None:
    with DaskCluster(tables) as cluster, cluster.client() as client:
        processes = client.run(os.getpid)
        with gate(tables) as open_gate:
            begun = Begun(tables, tmp_path, queries=GATED, format="csv", engine=DaskEngine(client))
            wait_until(lambda: waiting(tables) == 1)
            [busy] = [address for address, keys in client.processing().items() if keys]
            cluster.kill_worker(processes[busy])
            # Its session in the server may end before or after the next one begins.
            wait_until(lambda: any(keys for address, keys in client.processing().items() if address != busy))
            open_gate()
            result = begun.result()
    assert result.rows == 1
    assert files(tmp_path) == ["gated/part-00000.csv"]
    assert verify(tmp_path).ok


def test_a_part_that_kills_its_workers_fails(tables: str, tmp_path: Path) -> None:
    once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with DaskCluster(tables, workers=2, env=once) as cluster, cluster.client() as client, gate(tables):
        processes = client.run(os.getpid)
        begun = Begun(tables, tmp_path, queries=GATED, format="csv", engine=DaskEngine(client))
        wait_until(lambda: waiting(tables) == 1)
        [busy] = [address for address, keys in client.processing().items() if keys]
        cluster.kill_worker(processes[busy])
        with pytest.raises(PolyglotError, match=rf"each worker died that began this part, the last one was {busy}$"):
            begun.result()
        nothing_is_left(tables, tmp_path)


def test_a_scheduler_that_is_lost_ends_the_dump(tables: str, tmp_path: Path) -> None:
    with DaskCluster(tables, workers=1) as cluster, gate(tables):
        process = start_cli(
            *("dump", "-o", str(tmp_path), "-f", "csv", "-q", f"gated={GATED['gated']}"),
            *("--engine", f"dask={cluster.address}"),
            dsn=tables,
        )
        wait_until(lambda: waiting(tables) == 1)
        cluster.kill_scheduler()
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        told = f"polyglot: the connection to the Dask scheduler at {cluster.address} was lost\n"
        assert stderr.decode() == told
        nothing_is_left(tables, tmp_path)


def test_ctrl_c_ends_the_workers(tables: str, cluster: DaskCluster, tmp_path: Path) -> None:
    with gate(tables):
        process = start_cli(
            *("dump", "-o", str(tmp_path), "-f", "csv", "-q", f"gated={GATED['gated']}"),
            *("--engine", f"dask={cluster.address}"),
            dsn=tables,
        )
        wait_until(lambda: waiting(tables) == 1)
        process.send_signal(signal.SIGINT)
        # Sooner than tasks are given up that cannot be heard.
        _, stderr = process.communicate(timeout=END_SECONDS - 2)
        assert process.returncode == -signal.SIGINT
        assert stderr.decode() == f"polyglot: interrupted; no file of this dump is left in {tmp_path}\n"
        # The temporary file of the part was removed before the command ended.
        assert files(tmp_path) == []
        nothing_is_left(tables, tmp_path)


def test_a_part_that_fails_ends_the_others(tables: str, client: Client, tmp_path: Path) -> None:
    queries = {**GATED, "wrong": "SELECT 1 / (g - 3) AS x FROM generate_series(1, 5) g"}
    with gate(tables):
        with pytest.raises(PolyglotError, match="wrong: division by zero") as raised:
            dump(tables, tmp_path, queries=queries, format="csv", engine=DaskEngine(client))
        assert raised.value.sqlstate == "22012"
        nothing_is_left(tables, tmp_path)


def test_with_keep_going_the_others_are_finished(tables: str, client: Client, tmp_path: Path) -> None:
    queries = {"right": "SELECT 1 AS x", "wrong": "SELECT 1 / (g - 3) AS x FROM generate_series(1, 5) g"}
    result = dump(tables, tmp_path, queries=queries, format="csv", engine=DaskEngine(client), keep_going=True)
    assert files(tmp_path) == ["right/part-00000.csv"]
    assert [(each.name, each.reason) for each in result.missing] == [("wrong", "wrong: division by zero")]


def test_another_version_is_refused(tables: str, tmp_path: Path) -> None:
    preload = tmp_path / "older.py"
    preload.write_text("from polyglot_export import _core\n_core.version = '0.0.1'\n")
    folder = tmp_path / "set"
    told = r"by polyglot-export .+, and the worker on .+ has 0\.0\.1: install"
    with (
        DaskCluster(tables, workers=1, options=("--preload", str(preload))) as cluster,
        cluster.client() as client,
        pytest.raises(PolyglotError, match=told),
    ):
        dump(tables, folder, tables=["small"], engine=DaskEngine(client))
    nothing_is_left(tables, folder)


def test_a_worker_without_a_database_says_so(tables: str, tmp_path: Path, server: Database) -> None:
    with server.database() as other, DaskCluster(other, workers=1) as cluster, cluster.client() as client:
        with pytest.raises(ConnectionFailed, match=r"the worker on .+ reaches database .+, and the leader of the dump"):
            dump(tables, tmp_path, tables=["small"], engine=DaskEngine(client))
        # What it was sent is what it uses.
        dump(tables, tmp_path, tables=["small"], engine=DaskEngine(client, send_dsn=True))
    assert verify(tmp_path).ok


def test_no_password_is_in_what_dask_keeps(tables: str, tmp_path: Path) -> None:
    password = str(psycopg.conninfo.conninfo_to_dict(tables)["password"])
    with DaskCluster(tables, workers=1) as cluster, cluster.client() as client:
        with gate(tables) as open_gate:
            begun = Begun(tables, tmp_path, queries=GATED, engine=DaskEngine(client))
            wait_until(lambda: waiting(tables) == 1)
            kept = client.run_on_scheduler(
                lambda dask_scheduler: repr([(each.key, each.run_spec) for each in dask_scheduler.tasks.values()])
            )
            open_gate()
            begun.result()
        assert "run_part" in kept
        assert password not in kept
        assert password not in cluster.log()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--engine", "dask"], "--engine 'dask': must be local or dask=ADDRESS, as dask=tcp://scheduler:8786"),
        (["--engine", "spark=x"], "--engine 'spark=x': must be local or dask=ADDRESS, as dask=tcp://scheduler:8786"),
        (["--send-dsn"], "--send-dsn: is for --engine dask=…: nothing is sent anywhere without it"),
    ],
)
def test_wrong_use_is_told(cli: Cli, tables: str, tmp_path: Path, arguments: list[str], line: str) -> None:
    assert complaint(cli("dump", "-o", str(tmp_path), *arguments, dsn=tables), 2) == line


def test_a_scheduler_that_does_not_answer_is_told(cli: Cli, tables: str, tmp_path: Path) -> None:
    line = complaint(cli("dump", "-o", str(tmp_path), "--engine", "dask=tcp://127.0.0.1:1", dsn=tables), 1)
    assert line.startswith("no Dask scheduler answers at tcp://127.0.0.1:1: ")


def test_a_cluster_without_workers_is_told(cli: Cli, tables: str, tmp_path: Path) -> None:
    with DaskCluster(tables, workers=0) as empty:
        line = complaint(cli("dump", "-o", str(tmp_path), "--engine", f"dask={empty.address}", dsn=tables), 1)
        assert line == f"the Dask cluster at {empty.address} has no workers; start some (dask worker {empty.address})"


def test_the_command_line_dumps_on_a_cluster(cli: Cli, tables: str, cluster: DaskCluster, tmp_path: Path) -> None:
    engine = ("--engine", f"dask={cluster.address}")
    told = succeeded(cli("dump", "-o", str(tmp_path), *engine, "--dry-run", dsn=tables)).decode()
    assert f"3 workers on the Dask cluster at {cluster.address}" in told
    succeeded(cli("dump", "-o", str(tmp_path), "-f", "csv", *engine, "--quiet", dsn=tables))
    with psycopg.connect(tables, autocommit=True) as conn:
        same(conn, tmp_path)


def test_dask_that_is_not_installed_is_named(cli: Cli, tables: str, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys; sys.modules['distributed'] = None\n")
    path = os.pathsep.join([str(hidden), os.environ.get("PYTHONPATH", "")])
    done = cli("dump", "-o", str(tmp_path / "set"), "--engine", "dask=tcp://x:1", dsn=tables, env={"PYTHONPATH": path})
    assert complaint(done, 1).startswith(
        "distributed is not installed; it comes with: pip install 'polyglot-export[dask]'"
    )


def test_a_leader_that_is_killed_leaves_no_worker(tables: str, cluster: DaskCluster, tmp_path: Path) -> None:
    with gate(tables):
        process = start_cli(
            *("dump", "-o", str(tmp_path), "-f", "csv", "-q", f"gated={GATED['gated']}"),
            *("--engine", f"dask={cluster.address}"),
            dsn=tables,
        )
        wait_until(lambda: waiting(tables) == 1)
        process.kill()
        process.communicate(timeout=60)
        wait_until(lambda: sessions(tables) == [], GONE_SECONDS)
        # Its worker has removed the temporary file; the claim is what any killed dump leaves.
        wait_until(lambda: files(tmp_path) == [".manifest.json.0.claim"], GONE_SECONDS)


def test_into_a_bucket(tables: str, tmp_path: Path, s3: S3Cloud, cli: Cli) -> None:
    with DaskCluster(tables, workers=2, env=s3.env) as cluster:
        engine = ("--engine", f"dask={cluster.address}")
        options = ("-f", "csv", "--part-size", str(PARTS), "--quiet")
        succeeded(cli("dump", "-o", s3.url("run/"), *options, *engine, dsn=tables, env=s3.env))
    succeeded(cli("dump", "-o", str(tmp_path), *options, dsn=tables))
    for name in files(tmp_path):
        assert s3.get(f"run/{name}") == (tmp_path / name).read_bytes(), name
    assert succeeded(cli("verify", s3.url("run/"), env=s3.env)) == b""
    assert s3.uploads() == []
