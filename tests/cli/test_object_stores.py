"""``polyglot export -o s3://…``: what a user sees, and what arrives."""

from __future__ import annotations

import hashlib
from pathlib import Path

import psycopg
import pyarrow.parquet
import pytest

from polyglot_export import SpecError, export_to_file
from polyglot_export.cli.selection import WORDING
from polyglot_export.destinations.naming import choose
from polyglot_export.destinations.objects.providers import PROVIDERS
from polyglot_export.destinations.objects.url import SCHEMES
from tests.cli.helpers import ITEMS, complaint, copied, succeeded
from tests.fixtures.object_front import answer
from tests.fixtures.object_stores import AzureCloud, Cloud, GcsCloud, S3Cloud
from tests.fixtures.process import Cli

LARGE = "SELECT g AS id, encode(sha256(g::text::bytea), 'hex') || encode(sha256((-g)::text::bytea), 'hex') AS text FROM generate_series(1, 150000) g"
"""20 MB of CSV: three parts."""


@pytest.fixture(params=["s3", "gcs", "azure"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """A bucket of each provider."""
    found: Cloud = request.getfixturevalue(request.param)
    return found


def test_every_scheme_has_its_provider() -> None:
    assert tuple(scheme for each in PROVIDERS for scheme in each.schemes) == SCHEMES


def test_an_object_is_what_a_file_is(cli: Cli, cloud: Cloud, dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ITEMS)
    url = cloud.url("nightly run/items.csv")
    done = cli("export", "items", "-o", url, dsn=dsn, env=cloud.env)
    assert succeeded(done) == b""
    assert done.stderr.decode().startswith("polyglot: 1,000 rows, 23.3 kB in ")
    assert done.stderr.decode().endswith(f" s to {url}\n")
    assert cloud.get("nightly run/items.csv") == copied(conn, "SELECT * FROM items")
    assert cloud.keys() == ["nightly run/items.csv"]


def test_many_parts_are_the_bytes_of_one_file(cli: Cli, cloud: Cloud, dsn: str, tmp_path: Path) -> None:
    succeeded(cli("export", "--query", LARGE, "-o", cloud.url("x.csv"), dsn=dsn, env=cloud.env))
    succeeded(cli("export", "--query", LARGE, "-o", str(tmp_path / "x.csv"), dsn=dsn))
    found = cloud.get("x.csv")
    assert found is not None
    assert hashlib.sha256(found).digest() == hashlib.sha256((tmp_path / "x.csv").read_bytes()).digest()
    if isinstance(cloud, S3Cloud):
        assert cloud.front.count("part") == 3
        assert cloud.uploads() == []


def test_a_small_object_is_one_request(cli: Cli, s3: S3Cloud, dsn: str) -> None:
    succeeded(cli("export", "--query", "SELECT 1 AS one", "-o", s3.url("x.ndjson"), dsn=dsn, env=s3.env))
    assert s3.front.seen == ["list", "put"]
    assert s3.get("x.ndjson") == b'{"one":1}\n'
    assert s3.head("x.ndjson")["ContentType"] == "application/x-ndjson"


def test_the_name_says_format_and_compression(cli: Cli, s3: S3Cloud, dsn: str, tmp_path: Path) -> None:
    succeeded(cli("export", "--query", "SELECT 1 AS one", "-o", s3.url("x.csv.gz"), dsn=dsn, env=s3.env))
    assert (s3.get("x.csv.gz") or b"")[:2] == b"\x1f\x8b"
    assert s3.head("x.csv.gz")["ContentType"] == "application/gzip"
    result = succeeded(cli("export", "--query", "SELECT 1 AS one", "-o", s3.url("x.parquet"), dsn=dsn, env=s3.env))
    assert result == b""
    (tmp_path / "x.parquet").write_bytes(s3.get("x.parquet") or b"")
    assert pyarrow.parquet.read_table(tmp_path / "x.parquet").to_pylist() == [{"one": 1}]


@pytest.mark.parametrize(
    "key", ["50%.csv", "a%20b.csv", "x#y?z.csv", "ünï 😀.csv", "[a]{b}|^`\"<>\\'.csv", "a+b&c=d.csv"]
)
def test_odd_keys_are_only_keys(s3: S3Cloud, dsn: str, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    assert export_to_file(dsn, None, s3.url(key), query="SELECT 1 AS one").rows == 1
    assert s3.keys() == [key]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("s3://", "name a bucket"),
        ("s3:///x.csv", "name a bucket"),
        ("s3://lake", "names no object; write s3://lake/orders.csv"),
        ("s3://lake/", "names no object"),
        ("s3://lake/day/", "names no object; write s3://lake/day/orders.csv"),
        ("s3://key:secret@lake/x.csv", "credentials have no place in a URL"),
        ("s3://lake/a/../x.csv", "an object cannot be called so"),
        ("s3://lake/a//x.csv", "an object cannot be called so"),
        ("s3://lake/x\ny.csv", "control character"),
        ("s3://lake/x", "does not say which format it is"),
        ("s3://lake/x.csv.gz.parquet.gz", "compresses inside the file"),
        ("ftp://lake/x.csv", "nothing is known of ftp://; allowed are s3://, gs://, az://"),
        ("file://host/x.csv", "a file:// URL has a whole path"),
    ],
)
def test_urls_that_are_wrong(name: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        choose(name, None, None, WORDING)
    assert caught.value.field == "output"
    assert told in caught.value.reason
    assert "secret" not in caught.value.reason


def test_a_wrong_url_is_wrong_use(cli: Cli) -> None:
    """Told before a database is asked: there is none."""
    line = complaint(cli("export", "t", "-o", "s3://lake", "--dsn", "host=127.0.0.1 port=1"), 2)
    assert line == "--output: s3://lake names no object; write s3://lake/orders.csv, for example"


def test_a_file_url_is_a_file(cli: Cli, dsn: str, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/a%20b.csv"
    succeeded(cli("export", "--query", "SELECT 1 AS one", "-o", url, dsn=dsn))
    assert (tmp_path / "a b.csv").read_bytes() == b"one\n1\n"
    complaint(cli("export", "--query", "SELECT 1 AS one", "-o", f"file://{tmp_path}", dsn=dsn), 2)


def test_a_bucket_that_is_not_there(cli: Cli, cloud: Cloud) -> None:
    """Known before a database is asked: there is none."""
    url = f"{cloud.scheme}://nosuchbucket/x.csv"
    line = complaint(cli("export", "t", "-o", url, "--dsn", "host=127.0.0.1 port=1", env=cloud.env), 1)
    place = "container" if isinstance(cloud, AzureCloud) else "bucket"
    assert line.startswith(f"cannot write {url}: there is no such {place}")


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (403, "InvalidAccessKeyId", "the store does not know these credentials (InvalidAccessKeyId)"),
        (400, "ExpiredToken", "its credentials have expired; sign in again, or renew the token (ExpiredToken)"),
    ],
)
def test_credentials_that_the_store_does_not_know(cli: Cli, s3: S3Cloud, status: int, code: str, told: str) -> None:
    s3.front.fail("list", fault=answer(status, code))
    line = complaint(cli("export", "t", "-o", s3.url("x.csv"), "--dsn", "host=127.0.0.1 port=1", env=s3.env), 1)
    assert line == f"cannot write {s3.url('x.csv')}: {told}"


def test_a_login_that_may_write_and_not_list(cli: Cli, s3: S3Cloud, dsn: str) -> None:
    s3.front.fail("list", fault=answer(403, "AccessDenied"))
    succeeded(cli("export", "--query", "SELECT 1 AS one", "-o", s3.url("x.csv"), dsn=dsn, env=s3.env))
    assert s3.get("x.csv") == b"one\n1\n"


def test_a_store_that_cannot_be_reached(cli: Cli, s3: S3Cloud) -> None:
    env = {**s3.env, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "POLYGLOT_STORE_PATIENCE": "100ms"}
    line = complaint(cli("export", "t", "-o", s3.url("x.csv"), "--dsn", "host=127.0.0.1 port=1", env=env), 1)
    assert line == f"cannot write {s3.url('x.csv')}: the store cannot be reached (Connection refused)"


def test_no_credentials_at_all(cli: Cli, s3: S3Cloud) -> None:
    env = {name: value for name, value in s3.env.items() if "KEY" not in name}
    line = complaint(cli("export", "t", "-o", s3.url("x.csv"), "--dsn", "host=127.0.0.1 port=1", env=env), 1)
    assert line.startswith(f"cannot open {s3.url('x.csv')}: no credentials were found")


def test_credentials_of_a_profile(cli: Cli, s3: S3Cloud, dsn: str, tmp_path: Path) -> None:
    """The chain of AWS's own tools; the region and the endpoint are the profile's too."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile lake]\nregion = eu-central-1\nendpoint_url = {s3.front.url}\n"
        "aws_access_key_id = test\naws_secret_access_key = test\n"
    )
    env = {name: value for name, value in s3.env.items() if "KEY" not in name and name != "AWS_ENDPOINT_URL"}
    env |= {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "lake"}
    del env["AWS_DEFAULT_REGION"]
    succeeded(cli("export", "--query", "SELECT 1 AS one", "-o", s3.url("x.csv"), dsn=dsn, env=env))
    assert s3.get("x.csv") == b"one\n1\n"


def test_the_extra_that_is_missing_is_named(cli: Cli, gcs: GcsCloud, tmp_path: Path) -> None:
    (tmp_path / "obstore.py").write_text("raise ModuleNotFoundError(\"No module named 'obstore'\", name='obstore')")
    package = Path(__file__).parents[2] / "python"
    env = {**gcs.env, "PYTHONPATH": f"{tmp_path}:{package}"}
    line = complaint(cli("export", "t", "-o", gcs.url("x.csv"), "--dsn", "host=127.0.0.1 port=1", env=env), 1)
    assert line.startswith(f"cannot open {gcs.url('x.csv')}: obstore is not installed; it comes with: pip install")
    assert "polyglot-export[cloud]" in line


def test_explain_counts_the_memory_of_an_upload(cli: Cli, dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ITEMS)

    def memory(name: str) -> int:
        lines = succeeded(cli("explain", "items", "-w", "1", "-o", name, dsn=dsn)).decode().splitlines()
        return next(int(line.split()[3]) for line in lines if line.startswith("memory"))

    assert memory("s3://lake/x.csv") == memory("x.csv") + 32
