"""One database and two services, with one worker and with several, for the whole matrix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.process import Service, serve
from tests.rights.database import MASK, RELATIONS, Data, drop, make

CALLERS = ("login", "role", "settings", "rows", "mask")
KEYS = {name: new_key() for name in (*CALLERS, "undoing", "failing", "tied", "constant", "few", "viewer")}


def bearer(name: str) -> dict[str, str]:
    """The header by which the service knows a caller."""
    return {"Authorization": f"Bearer {KEYS[name]}"}


def configuration(data: Data, lake: Path) -> str:
    """Every relation as a dataset, and a key for every kind of rights."""
    datasets = "".join(f'[datasets.{name}]\ntable = "public.{name}"\n' for name in RELATIONS if name != "function")
    keys = {
        "login": 'database = "env:TENANT_DSN"',
        "role": f'role = "{data.role}"',
        "settings": 'database = "env:APP_DSN"\nsettings = { "app.tenant" = "1" }',
        "rows": 'database = "env:OWNER_DSN"\n'
        + "".join(
            f"rows.{name} = {{ sql = \"tenant = :tenant and pad like 'x%' and id = any(:ids) is not null\","
            ' parameters = { tenant = { type = "int", value = 1 }, ids = { type = "int[]", value = [1, 2] } } }\n'
            for name in (*RELATIONS, "asked")
        ),
        "mask": 'database = "env:OWNER_DSN"\n'
        + "".join(f'mask.{name}.email = "{MASK}"\n' for name in (*RELATIONS, "asked")),
        "undoing": 'database = "env:TENANT_DSN"',
        "failing": 'database = "env:OWNER_DSN"\nmask.plain.email = "email::int"',
        "tied": 'database = "env:OWNER_DSN"\nmask.plain.id = "md5(id::text)"',
        "constant": 'database = "env:OWNER_DSN"\nmask.plain.tenant = "1"',
        "few": 'database = "env:OWNER_DSN"\ncolumns.plain = ["id", "tenant"]',
        "viewer": f'role = "{data.viewer}"',
    }
    tables = "".join(
        f'[keys.{name}]\nhash = "{hash_key(KEYS[name])}"\ndestinations = ["lake"]\n{text}\n'
        for name, text in keys.items()
    )
    return (
        f'{datasets}[datasets.function]\nquery = "SELECT * FROM rows_of() -- all"\n'
        '[datasets.asked]\nquery = "SELECT * FROM plain WHERE id <= :most"\nparameters = { most = "int" }\n'
        '[datasets.sibling]\nquery = "SELECT * FROM of_sibling()"\n'
        f'[datasets.undoing]\ntable = "public.undoing"\n[datasets.masked]\ntable = "masked.plain"\n'
        f'[destinations.lake]\nurl = "{lake}"\n{tables}'
    )


@pytest.fixture(scope="module")
def data(module_dsn: str) -> Iterator[Data]:
    """The database of the matrix."""
    made = make(module_dsn)
    yield made
    drop(made)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the destination."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module", params=[1, 3], ids=["one_worker", "three_workers"])
def service(
    request: pytest.FixtureRequest, data: Data, lake: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service whose own login may become one role and read nothing."""
    folder = tmp_path_factory.mktemp("rights")
    config = folder / "polyglot.toml"
    config.write_text(configuration(data, lake))
    env = {"TENANT_DSN": data.tenant, "APP_DSN": data.app, "OWNER_DSN": data.owner}
    with serve(data.gate, env=env, config=config, workers=request.param, spool_dir=folder / "spool") as running:
        yield running
