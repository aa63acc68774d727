"""The tables of the benchmark, and where its peers come from."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from benchmarks.lineitem import LINEITEM
from benchmarks.peers import base
from benchmarks.peers.base import Client
from benchmarks.peers.registry import all_peers
from benchmarks.samples import KEYS
from benchmarks.taxi import TAXI
from polyglot_export.errors import PolyglotError

PEERS = Path(base.__file__).parent


def test_trips_have_nineteen_columns_and_a_key(dsn: str, conn: psycopg.Connection) -> None:
    TAXI.fill(dsn, 400, lambda _: None)
    counted = conn.execute(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'taxi'::regclass AND attnum > 0"
    ).fetchone()
    assert counted == (19,)
    (key,) = KEYS["taxi"]
    facts = f"SELECT count(*), count(DISTINCT {key}), count(passenger_count), bool_and(tpep_dropoff_datetime > {key}) FROM taxi"
    rows, moments, known, forwards = conn.execute(facts.encode()).fetchone() or (0, 0, 0, False)
    assert (rows, moments, forwards) == (400, 400, True)
    assert 0 < known < rows


def test_lineitem_is_what_the_generator_makes(
    dsn: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that makes twenty rows stands for it."""
    monkeypatch.setattr(base, "BUILD", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(PolyglotError, match=r"made by tpchgen-cli: tpchgen-cli is not on PATH"):
        monkeypatch.setenv("PATH", str(tmp_path))
        LINEITEM.fill(dsn, 10, lambda _: None)
    generator = tmp_path / "tpchgen-cli"
    generator.write_text(
        "#!/bin/sh\necho l_orderkey,and,so,on\ni=0\nwhile [ $i -lt 20 ]; do i=$((i+1)); echo"
        ' "$i,3104,170,1,17,17120.70,0.04,0.02,N,O,1996-03-13,1996-02-12,1996-03-22,DELIVER IN PERSON,TRUCK,$5 $3"; done\n'
    )
    generator.chmod(0o755)
    LINEITEM.fill(dsn, 12, lambda _: None)
    found = conn.execute("SELECT count(*), max(l_orderkey), max(l_comment) FROM lineitem").fetchone()
    assert found == (12, 12, "lineitem 0.0100")
    conn.execute("DROP TABLE lineitem")
    with pytest.raises(PolyglotError, match="made 20 rows instead of 30"):
        LINEITEM.fill(dsn, 30, lambda _: None)


def test_every_peer_is_pinned_where_it_is_installed() -> None:
    lines = [line.split() for line in (PEERS / "peers.txt").read_text().splitlines() if not line.startswith("#")]
    folders = {folder: requirements for folder, *requirements in lines}
    for requirements in folders.values():
        assert all(re.fullmatch(r"[\w\[\]-]+==[\d.]+", requirement) for requirement in requirements)
    clients = [peer for peer in all_peers() if isinstance(peer, Client)]
    for client in clients:
        names = [re.split(r"\[|=", requirement)[0] for requirement in folders[client.home]]
        assert client.package in names
        assert (PEERS / "programs" / f"{client.program}.py").exists()
    assert len(clients) >= 10
    assert len({peer.name for peer in all_peers()}) == len(all_peers())
