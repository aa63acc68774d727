"""The receiver of webhooks: it takes what the service sends, once, and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from tests.examples.helpers import FOLDER, ORDERS
from tests.fixtures.process import environment, free_port, serve
from tests.service.client import call, create, job, wait_for
from tests.service.webhook_receiver import new_secret


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_the_receiver_takes_what_the_service_sends(module_dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(ORDERS)
    port, secret, output = free_port(), new_secret(), tmp_path / "output"
    config = tmp_path / "polyglot.toml"
    config.write_text(
        f'[webhooks.hook]\nurl = "http://127.0.0.1:{port}/"\nsecret = "{secret}"\nretry_delays = [0.2, 0.2, 0.2, 0.2]\n'
        f'[webhooks.stranger]\nurl = "http://127.0.0.1:{port}/"\nsecret = "{new_secret()}"\nretry_delays = []\n'
    )
    with output.open("wb") as sink:
        receiver = subprocess.Popen(
            [sys.executable, str(FOLDER / "webhook_receiver.py"), str(port)],
            env=environment(None, {"WEBHOOK_SECRET": secret}),
            stdout=sink,
            stderr=subprocess.DEVNULL,
        )
    try:
        wait_for(lambda: listens(port))
        with serve(module_dsn, config=config) as service:
            ids = {name: create(service, dataset="orders", webhook=name) for name in ("hook", "stranger")}
            for export_id in ids.values():
                assert call(service, f"/exports/{export_id}/download").status == 200
            wait_for(lambda: job(service, ids["hook"])["webhook"]["status"] == "delivered")
            wait_for(lambda: job(service, ids["stranger"])["webhook"]["status"] == "failed")
            assert job(service, ids["stranger"])["webhook"]["error"] == "the receiver answered 400"
        assert output.read_text() == f"export.completed {ids['hook']} 2000\n"
        old = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time()) - 600), "webhook-signature": "v1,x"}
        assert call(f"http://127.0.0.1:{port}", "/", method="POST", body=b"{}", headers=old).status == 400
    finally:
        receiver.terminate()
        receiver.wait(timeout=30)
