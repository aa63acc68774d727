"""Every web server shows every client a cut, where the application is as the docs say."""

from __future__ import annotations

from tests.integrations.matrix import SEEN, matrix

_BLIND = {("gunicorn (sync)", "Node"), ("Django's runserver", "Node")}
"""Who may take a cut for the end: with ``Connection: close`` the fetch of Node.js 18 and 20 does."""


def test_a_cut_is_seen_by_every_client_of_every_server(dsn: str) -> None:
    found = matrix(dsn, ("guarded_between", "guarded_django", "wsgi"))
    seen = [
        (server, client, cell)
        for server, shapes in found.items()
        for cells in shapes.values()
        for client, cell in cells.items()
    ]
    assert len(seen) > 40
    assert {each[2] for each in seen if each[:2] not in _BLIND} == {SEEN}
