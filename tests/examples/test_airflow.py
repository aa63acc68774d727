"""The Airflow tasks of the page about dumps: their templates are filled in and their commands run, in their order.

Airflow itself is not installed. What stands in for it takes the arguments that its ``BashOperator`` documents, and
nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import jinja2
import psycopg
import pytest

from polyglot_export.manifest.document import MANIFEST, Manifest
from tests.examples.helpers import ORDERS
from tests.examples.test_nightly import program  # noqa: F401 - a fixture
from tests.fixtures.object_stores import S3Cloud
from tests.fixtures.process import environment

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "dumps.md"
MODULE = "airflow.providers.standard.operators.bash"
DAY = "2026-11-25"


@dataclass
class BashOperator:
    """The arguments of Airflow's own (providers-standard, "BashOperator")."""

    task_id: str
    bash_command: str
    env: dict[str, str] | None = None
    append_env: bool = False
    retries: int = 0
    after: list[BashOperator] = field(default_factory=list)

    def __rshift__(self, other: BashOperator) -> BashOperator:
        other.after.append(self)
        return other


def tasks(monkeypatch: pytest.MonkeyPatch) -> list[BashOperator]:
    """Those of the page, each behind the one that it waits for."""
    stand_in = ModuleType(MODULE)
    stand_in.__dict__["BashOperator"] = BashOperator
    monkeypatch.setitem(sys.modules, MODULE, stand_in)
    blocks = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    (code,) = [text for block in blocks if "airflow" in (text := block.split("```")[0])]
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    found = [each for each in names.values() if isinstance(each, BashOperator)]
    return sorted(found, key=lambda task: len(task.after))


def run(task: BashOperator, dsn: str, path: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """As Airflow would: templates filled in, and a bash of its own. Whoever shows no connection string gets none."""
    warehouse = SimpleNamespace(get_uri=lambda: dsn)
    context = {"ds": DAY, "conn": SimpleNamespace(warehouse=warehouse)}

    def filled(text: str) -> str:
        return jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(text).render(context)

    given = {name: filled(value) for name, value in (task.env or {}).items()}
    around = environment(None) if task.append_env or task.env is None else {}
    variables = {**around, **env, "PATH": f"{path}:{os.environ['PATH']}", **given}
    command = ["bash", "-c", filled(task.bash_command)]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)


def test_a_night(
    monkeypatch: pytest.MonkeyPatch,
    program: Path,  # noqa: F811 - the fixture
    dsn: str,
    conn: psycopg.Connection,
    s3: S3Cloud,
) -> None:
    conn.execute(ORDERS)
    conn.execute("CREATE SCHEMA sales")
    conn.execute("ALTER TABLE orders SET SCHEMA sales")
    s3.bucket = "lake"
    s3.client.create_bucket(Bucket=s3.bucket)
    dump, verify = tasks(monkeypatch)
    assert (dump.task_id, verify.task_id, verify.after) == ("dump", "verify", [dump])
    assert run(verify, dsn, program, s3.env).returncode == 1, "there is nothing yet"
    # Whatever broke before, the same command may run again.
    for _ in range(1 + dump.retries):
        done = run(dump, dsn, program, s3.env)
        assert (done.returncode, done.stderr) == (0, "")
        done = run(verify, dsn, program, s3.env)
        assert (done.returncode, done.stderr) == (0, "")
    content = s3.get(f"{DAY}/{MANIFEST}")
    assert content is not None
    (relation,) = Manifest.from_json(content).relations
    assert (relation.full_name, relation.rows) == ("sales.orders", 2000)
    # One that cannot read its table is an error for Airflow too, and the set of before stays.
    conn.execute("DROP SCHEMA sales CASCADE")
    failed = run(dump, dsn, program, s3.env)
    assert failed.returncode != 0
    assert failed.stderr.count("\n") == 1
    assert run(verify, dsn, program, s3.env).returncode == 0
