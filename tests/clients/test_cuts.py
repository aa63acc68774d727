"""Every client that is at hand sees a cut, and takes a whole file for whole, as the table of the faults page says.

A part of the table; ``make clients`` makes all of it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients.catalog import QUICK
from tests.clients.measure import PARALLEL, Seen, trials
from tests.clients.outcome import Connection
from tests.clients.programs import Client
from tests.clients.site import Site, way
from tests.clients.table import measured
from tests.fixtures.process import Service

FORMATS = ("csv.gz",)
"""The one whose decoder may have an opinion of its own about an early end."""
BEHIND_A_PROXY = (Connection.KEPT,)

Found = Mapping[str, Mapping[str, Seen]]


def _trials(client: Client, sites: Mapping[str, Site]) -> Mapping[str, Seen]:
    behind = BEHIND_A_PROXY if Connection.KEPT in client.connections else client.connections
    return {
        "direct": trials(client, sites["direct"], FORMATS),
        "nginx": trials(client, sites["nginx"], FORMATS, behind),
    }


@pytest.fixture(scope="module")
def found(downloads: Service) -> Found:
    """What every client made of everything; several at a time, since they mostly wait."""
    with way("direct", downloads) as direct, way("nginx", downloads) as nginx, ThreadPoolExecutor(PARALLEL) as pool:
        sites = {"direct": direct, "nginx": nginx}
        rows = pool.map(lambda client: _trials(client, sites), QUICK)
        return {client.name: row for client, row in zip(QUICK, rows, strict=True)}


@pytest.mark.parametrize("name", [client.name for client in QUICK])
def test_as_in_the_table(found: Found, name: str) -> None:
    ways = measured()["clients"][name]["ways"]
    for where, seen in found[name].items():
        assert seen.cuts > 0
        assert seen.wholes > 0
        tried = {label for label in ways[where]["unseen"] if label.startswith(FORMATS)}
        assert set(seen.unseen) <= tried, f"{where}: cut exports were taken for whole"
        assert not seen.refused, f"{where}: whole exports were not taken as they are"


def test_nobody_is_misled_without_a_proxy() -> None:
    """The promise itself, over the whole table."""
    for name, row in measured()["clients"].items():
        assert row["ways"]["direct"]["unseen"] == [], name
        assert all(seen["refused"] == [] for seen in row["ways"].values()), name
