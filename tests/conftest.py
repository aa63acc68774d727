"""Names of the fixture files, Hypothesis profiles, and the header of a run."""

from __future__ import annotations

import os
import platform
import signal
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.fixtures.server",
    "tests.fixtures.debian",
    "tests.fixtures.process",
    "tests.fixtures.proxy",
    "tests.fixtures.redis",
    "tests.fixtures.object_stores",
]

# Under nohup the first of these is ignored, and the others where a script runs the tests in the background. Children
# would inherit that; the tests send them to children.
for _number, _handler in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

# Examples run against a server, so a slow one is no defect; what is found is printed as code to paste.
settings.register_profile(
    "fast",
    max_examples=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("slow", settings.get_profile("fast"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes that are no plain text are named by their argument and a number: what they hold may differ between the
    processes of one run (the time in a gzip file does), and xdist wants the same names in all of them.
    """
    if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()):
        return argname
    return None


LONG = ("benchmarks", "demo", "memory", "page", "dumps", "faults", "clients", "integrations", "service", "meta")
"""Folders whose files take long; they come first, so that no worker is left with one at the end while others idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first; within a file, and among the others, nothing changes."""
    root = Path(__file__).parent
    folders = {item.path: item.path.relative_to(root).parts[0] for item in items}
    items.sort(key=lambda item: LONG.index(folders[item.path]) if folders[item.path] in LONG else len(LONG))


def pytest_report_header() -> str:
    """What a reader of a log needs to know to repeat it."""
    # Of a DSN only the name of the variable: it has a password.
    installed = os.environ.get("POLYGLOT_TEST_POSTGRES")
    where = "POLYGLOT_TEST_DSN" if os.environ.get("POLYGLOT_TEST_DSN") else installed or "embedded PostgreSQL"
    examples = settings().max_examples
    return f"python {platform.python_version()}, psycopg {psycopg.__version__}, server: {where}, {examples} examples a property"
