"""Every client that is at hand sees a cut, and takes a whole file for whole, as the table of the faults page says.

A part of the table; ``make clients`` makes all of it anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.clients.catalog import QUICK
from tests.clients.measure import trials
from tests.clients.outcome import Connection
from tests.clients.programs import Client
from tests.clients.site import DIRECT, TLS, Downloads, Site, way
from tests.clients.table import measured

FORMATS = ("csv",)
"""Without an encoding, whose decoder might see the early end by itself."""
BEHIND_A_PROXY = (Connection.KEPT,)


@pytest.fixture(scope="module")
def sites(downloads: Downloads) -> Iterator[Mapping[str, Site]]:
    """The service itself, with TLS and without, and a proxy."""
    with way(DIRECT, downloads) as direct, way(TLS, downloads) as secure, way("nginx", downloads) as nginx:
        yield {DIRECT: direct, TLS: secure, "nginx": nginx}


@pytest.mark.parametrize("client", QUICK, ids=lambda client: client.name)
def test_as_in_the_table(sites: Mapping[str, Site], client: Client) -> None:
    behind = BEHIND_A_PROXY if Connection.KEPT in client.connections else client.connections
    found = {
        DIRECT: trials(client, sites[DIRECT], FORMATS),
        TLS: trials(client, sites[TLS], FORMATS),
        "nginx": trials(client, sites["nginx"], FORMATS, behind),
    }
    ways = measured()["clients"][client.name]["ways"]
    for where, seen in found.items():
        assert seen.cuts > 0
        assert seen.wholes > 0
        assert set(seen.unseen) <= set(ways[where]["unseen"]), f"{where}: cut exports were taken for whole"
        assert not seen.refused, f"{where}: whole exports were not taken as they are"


def test_nobody_is_misled_without_a_proxy() -> None:
    """The promise itself, over the whole table."""
    for name, row in measured()["clients"].items():
        assert row["ways"][DIRECT]["unseen"] == [], name
        assert row["ways"][TLS]["unseen"] == [], name
        assert all(seen["refused"] == [] for seen in row["ways"].values()), name
