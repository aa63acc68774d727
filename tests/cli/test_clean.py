"""``polyglot clean``: what killed exports left is ended, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.cli.helpers import complaint, names, succeeded
from tests.fixtures.object_front import answer
from tests.fixtures.object_stores import AzureCloud, S3Cloud
from tests.fixtures.process import Cli

HOUR = 3600.0
PART = ".0a1b2c3d.part"
AGES_OF_MOTO = "6000d"
"""It says of every upload that it was begun in 2010."""


def left(folder: Path, name: str, hours: float) -> Path:
    """A temporary file that was last written so many hours ago."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{name}{PART}"
    path.write_bytes(b"half")
    os.utime(path, times=(time.time() - hours * HOUR,) * 2)
    return path


def test_old_temporary_files_go_and_nothing_else(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    left(out, "a.csv", 48)
    left(out / "public.orders", "part-00000.parquet", 25)
    young = left(out, "b.csv", 23)
    for other in ("a.csv", ".a.csv.part", "a.csv.0a1b2c3d.part", ".a.csv.xyz.part", ".profile"):
        (out / other).write_bytes(b"whole")
        os.utime(out / other, times=(0, 0))
    (out / "link").symlink_to(tmp_path / "elsewhere")
    elsewhere = left(tmp_path / "elsewhere", "c.csv", 48)

    dry = cli("clean", str(out), "--dry-run")
    told = succeeded(dry).decode().splitlines()
    assert [line.partition(" (")[0] for line in told] == [
        f"would remove {out}/a.csv",
        f"would remove {out}/public.orders/part-00000.parquet",
    ]
    assert dry.stderr == b"polyglot: 2 unfinished would be removed; 1 left alone, begun within 1d\n"
    assert len(names(out)) == 9

    done = cli("clean", str(out))
    assert succeeded(done).decode() == "".join(f"{line}\n" for line in told).replace("would remove", "removed")
    assert done.stderr == b"polyglot: 2 unfinished removed; 1 left alone, begun within 1d\n"
    assert young.exists()
    assert elsewhere.exists(), "a link leads out of the folder"
    assert names(out / "public.orders") == []
    assert len(names(out)) == 8

    assert cli("clean", f"file://{out}", "--older-than", "22h").stderr == b"polyglot: 1 unfinished removed\n"
    assert not young.exists()
    again = cli("clean", str(out), "--older-than", "0")
    assert (succeeded(again), again.stderr) == (b"", b"polyglot: nothing to clean\n")


def test_the_temporary_files_of_one_file(cli: Cli, tmp_path: Path) -> None:
    left(tmp_path, "a.csv", 48)
    other = left(tmp_path, "b.csv", 48)
    assert succeeded(cli("clean", str(tmp_path / "a.csv"))).startswith(f"removed {tmp_path}/a.csv (last".encode())
    assert names(tmp_path) == [other.name]


def test_uploads_below_a_prefix(cli: Cli, s3: S3Cloud) -> None:
    for key in ("run/a.csv", "run/deep/b.csv", "run", "running/c.csv", "d.csv"):
        s3.begin(key)
    s3.client.put_object(Bucket=s3.bucket, Key="run/a.csv", Body=b"whole")
    young = cli("clean", s3.url("run/"), "--older-than", AGES_OF_MOTO, env=s3.env)
    assert (succeeded(young), len(s3.uploads())) == (b"", 5)
    assert young.stderr == f"polyglot: nothing to clean; 3 left alone, begun within {AGES_OF_MOTO}\n".encode()

    dry = succeeded(cli("clean", s3.url("run"), "--dry-run", env=s3.env)).decode().splitlines()
    assert sorted(line.partition(" (")[0] for line in dry) == [
        f"would remove {s3.url('run')}",
        f"would remove {s3.url('run/a.csv')}",
        f"would remove {s3.url('run/deep/b.csv')}",
    ]
    assert len(s3.uploads()) == 5
    done = cli("clean", s3.url("run"), env=s3.env)
    assert len(succeeded(done).splitlines()) == 3
    assert done.stderr == b"polyglot: 3 unfinished removed\n"
    assert s3.uploads() == ["d.csv", "running/c.csv"]
    assert s3.get("run/a.csv") == b"whole"
    assert succeeded(cli("clean", s3.url("d.csv"), env=s3.env)).startswith(f"removed {s3.url('d.csv')} (".encode())
    assert s3.uploads() == ["running/c.csv"]
    succeeded(cli("clean", s3.url(), env=s3.env))
    assert s3.uploads() == []


def test_azure_forgets_them_by_itself(cli: Cli, azure: AzureCloud) -> None:
    assert cli("clean", azure.url(), env=azure.env).stderr == b"polyglot: nothing to clean\n"


def test_an_upload_that_may_not_be_ended(cli: Cli, s3: S3Cloud) -> None:
    s3.begin("a.csv")
    s3.front.fail("abort", fault=answer(403, "AccessDenied"))
    line = complaint(cli("clean", s3.url(), env=s3.env), 1)
    assert line == f"cannot end the upload of {s3.url('a.csv')}: these credentials may not do it (AccessDenied)"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["s3://lake/", "--older-than", "soon"], 2, "--older-than: must be a number of seconds, or a number with ms"),
        (["ftp://lake/"], 2, "ftp://lake/: nothing is known of ftp://"),
        (["s3:///"], 2, "name a bucket"),
        (["/no/such/folder/"], 1, "cannot read /no/such: No such file or directory"),
    ],
)
def test_wrong_use(cli: Cli, arguments: list[str], code: int, told: str) -> None:
    assert told in complaint(cli("clean", *arguments), code)


def test_a_bucket_that_is_not_there(cli: Cli, s3: S3Cloud) -> None:
    line = complaint(cli("clean", "s3://nosuchbucket/", env=s3.env), 1)
    assert line == "cannot list the uploads of s3://nosuchbucket: there is no such bucket (NoSuchBucket)"
