"""The service's own questions to the database."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import psycopg
import pytest

from polyglot_export.service.database import Database

pytestmark = pytest.mark.anyio


async def test_nobody_complains_of_a_question_whose_asker_has_left(records: str) -> None:
    """What it raises when it is cancelled is for nobody."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    database = Database(records)
    asked, left = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def question(connection: psycopg.Connection) -> None:
        loop.call_soon_threadsafe(asked.set)
        try:
            connection.execute("SELECT pg_sleep(60)")
        finally:
            loop.call_soon_threadsafe(left.set)

    asking = asyncio.create_task(database.ask(question))
    await asked.wait()
    asking.cancel()
    await asyncio.wait({asking})
    await left.wait()
    database.close()
    del asking
    for _ in range(3):
        await asyncio.sleep(0.05)
        gc.collect()
    assert complaints == []
