"""Write docs/reference/configuration.md from the records that read the configuration file.

``python -m tools.configuration_reference`` writes the page; with ``--check`` it ends with 1 when the page is not what
the records say. The sentences are the docstrings of the records' fields; the examples are here, and a test reads each
of them as the service would.
"""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from polyglot_export.access import configured, issuers, keys, limits, parameters, rights, row_condition
from polyglot_export.fields import Record, camel
from polyglot_export.service.config import destinations
from polyglot_export.service.webhooks import configured as webhooks
from tools.generated import keep
from tools.record_docs import told_of

FILE = Path(__file__).parents[1] / "docs" / "reference" / "configuration.md"

HEAD = """# The configuration file

What may be exported, who may ask, and where files and messages may go: `polyglot.toml` in the current folder, or the
file that `POLYGLOT_CONFIG` names. Everything else is an [environment variable](settings.md). `polyglot check` reads the
file, asks the database whether it fits, and says what is wrong and where; `polyglot reload` lets a running service read
it again, and a file that is wrong changes nothing.

Without a file, or with one that has neither datasets, nor keys, nor issuers, the tables and views of the schema
`public` are offered to whoever is on the same machine. With a file nothing is offered that it does not name. Unknown
tables and members are refused. Members may be written in camelCase or snake_case; those of a webhook in snake_case.

This page is made of the records that read the file.
"""

DATASETS = """\
[datasets.orders]
table = "sales.orders"
columns = ["id", "customer", "email", "total", "created_at"]

[datasets.revenue]
query = "SELECT * FROM sales.revenue WHERE month BETWEEN :from AND :to AND country = ANY (:countries)"
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: one record."""

    title: str
    record: type[Record]
    module: ModuleType
    text: str
    example: str
    bases: tuple[tuple[type[Record], ModuleType], ...] = ()
    """Records that this one has everything of, too; each has a part of its own."""
    own: str = ""
    """What example stands before the one that is shown, so that it is a whole file."""


PARTS = (
    Part(
        "`[datasets.NAME]`",
        configured.Dataset,
        configured,
        "What may be exported, by the name that callers use: a table or view, or a query of yours. `GET /datasets` "
        "lists them.",
        DATASETS + 'parameters = { from = "date", to = "date", countries = "text[]" }\n',
    ),
    Part(
        "Parameters of a query",
        parameters.Parameter,
        parameters,
        "`parameters` of a dataset, by name: the type as a text, or a table. [Parameters of configured "
        "queries](../howto/parameters.md) tells how values are given and checked.",
        DATASETS
        + 'parameters.from = "date"\n'
        + 'parameters.to = { type = "date", default = "today", comment = "The last day" }\n'
        + 'parameters.countries = { type = "text[]", nullable = true }\n',
    ),
    Part(
        "`[keys.NAME]`",
        keys.Key,
        keys,
        "Who may ask. `polyglot keys NAME` makes a key and prints its hash; the key itself is nowhere. The name owns "
        "the exports that are made with the key. Beside what is here a key's table has the [rights](#rights) of its "
        "holder. [Keys and tokens](../howto/keys-and-tokens.md).",
        """\
[keys.reports]
hashes = [
    "sha256:0000000000000000000000000000000000000000000000000000000000000000",
    { hash = "sha256:1111111111111111111111111111111111111111111111111111111111111111", expires = 2030-01-31 },
]
expires = 2031-01-31T12:00:00Z
not_before = 2026-01-01
datasets = ["orders"]

[keys.nightly]
hash = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
certificates = ["CN=nightly,O=Example"]
""",
        ((rights.Rights, rights),),
        own='[datasets.orders]\ntable = "sales.orders"\n',
    ),
    Part(
        "One of several hashes",
        keys.KeyHash,
        keys,
        "A member of `hashes`: a text, or a table with its own end. `polyglot keys rotate` writes them.",
        """\
[keys.reports]
hashes = [{ hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000", expires = 2030-01-31 }]
""",
    ),
    Part(
        "Rights",
        rights.Rights,
        rights,
        "What the table of a key or of an issuer says of its holder. [Rights in the "
        "database](../howto/rights-in-the-database.md) tells which of them to choose.",
        """\
[keys.north]
hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
datasets = ["orders"]
columns = { orders = ["id", "email", "total"] }
rows = { orders = { region = "north" } }
mask = { orders = { email = "left(email, 2) || '…'" } }
scopes = ["read", "export", "cancel"]
limits = { exports = 2, bytes_per_day = "50GB" }
destinations = ["lake"]
webhooks = ["billing"]

[keys.tenant]
hash = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
role = "reader"
settings = { "app.tenant" = "42" }

[keys.audit]
hash = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
database = "env:AUDIT_DATABASE_URL"

[destinations.lake]
url = "s3://lake/exports"

[webhooks.billing]
url = "https://billing.example.com/exported"
secret_env = "BILLING_SECRET"
""",
        own='[datasets.orders]\ntable = "sales.orders"\n',
    ),
    Part(
        "Rows by a condition",
        row_condition.RowCondition,
        row_condition,
        "In `rows`, in place of columns with their values or a list of terms: a condition in SQL as a text, or a table "
        "with typed parameters.",
        """\
[issuers.company]
issuer = "https://login.example.com"
audience = "exports"
jwks = "https://login.example.com/jwks.json"

[issuers.company.rows.orders]
sql = "tenant = :tenant AND created_at > now() - interval '1 year'"
parameters.tenant = { type = "int", value = "{claim.tenant}" }
""",
        own='[datasets.orders]\ntable = "sales.orders"\n',
    ),
    Part(
        "Limits",
        limits.Limits,
        limits,
        "`limits` of a key or an issuer. [Limits for each caller](../howto/limits.md).",
        """\
[keys.reports]
hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

[keys.reports.limits]
exports = 2
connections = 2
waiting = 20
prepared_bytes = "10GB"
requests_per_minute = 300
bytes_per_day = "50GB"
""",
    ),
    Part(
        "`[issuers.NAME]`",
        issuers.Issuer,
        issuers,
        "Whose tokens (JSON Web Tokens) are taken, with the extra `jwt`. Beside what is here an issuer's table has the "
        "[rights](#rights) of the holders of its tokens, with `{claim.NAME}` in their texts; a list or number may be "
        "one claim. [Keys and tokens](../howto/keys-and-tokens.md).",
        """\
[issuers.company]
issuer = "https://login.example.com"
audience = ["exports"]
jwks = "https://login.example.com/jwks.json"
algorithms = ["RS256", "ES256"]
subject = "email"
datasets = "{claim.datasets}"
settings = { "app.tenant" = "{claim.tenant}" }
role = "reader"
""",
        own='[datasets.orders]\ntable = "sales.orders"\n',
    ),
    Part(
        "`[destinations.NAME]`",
        destinations.DestinationEntry,
        destinations,
        'Where exports with `"delivery": "store"` may go. Credentials are those of the environment: '
        "[deliveries](../howto/deliveries.md).",
        '[destinations.lake]\nurl = "s3://lake/exports"\n',
    ),
    Part(
        "`[webhooks.NAME]`",
        webhooks.Webhook,
        webhooks,
        "Who may be told of the ends of runs. [Webhooks](../howto/webhooks.md).",
        """\
[webhooks.billing]
url = "https://billing.example.com/exported"
secret_env = "BILLING_SECRET"
timeout = 10
retry_delays = [5, 60, 600]
""",
    ),
)


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *("\n".join(_part(part)) for part in PARTS)])


def _part(part: Part) -> Iterator[str]:
    yield f"## {part.title}\n"
    yield textwrap.fill(part.text, 120, break_long_words=False, break_on_hyphens=False) + "\n"
    yield f"```toml\n{part.example}```\n"
    yield "| member | default | meaning |"
    yield "| --- | --- | --- |"
    told = dict(told_of(part.module, "`"))[part.record.__name__][1]
    inherited = {each.name for base, _ in part.bases for each in fields_of(base)}
    for field in fields_of(part.record):
        # What an issuer keeps as its rights stands in the table itself.
        if field.name in inherited or not field.init or (part.record is issuers.Issuer and field.name == "rights"):
            continue
        meaning = told.get(camel(field.name)) or EXTRA[field.name]
        yield f"| `{_name(part, field.name)}` | {_default(field)} | {_cell(meaning)} |"
    yield ""


def fields_of(record: type[Record]) -> tuple[dataclasses.Field[Any], ...]:
    """Of a record, which is always a dataclass."""
    return dataclasses.fields(cast("Any", record))


EXTRA: Mapping[str, str] = {"url": "The address that messages are posted to: `https://`, or `http://` on this machine."}
"""Of fields without a docstring."""


def _name(part: Part, name: str) -> str:
    return name if part.module is webhooks else camel(name)


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return "must be given"
    if value is None or value in ((), {}) or isinstance(value, limits.Limits):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{getattr(each, 'value', each)}`" for each in value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write or check; gives the exit code."""
    return keep(FILE, page().rstrip() + "\n", "tools.configuration_reference")


if __name__ == "__main__":
    sys.exit(main())
