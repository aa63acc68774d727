"""What is left behind in an object store, and what a user is told, when something fails in the middle of an export."""

from __future__ import annotations

import signal
import subprocess
import time

import psycopg
import pytest

from polyglot_export import TargetFailed, export_to_file
from tests.cli.helpers import active, complaint, copied, succeeded, wait_until
from tests.fixtures.object_front import Fault, What, answer, cut, deaf
from tests.fixtures.object_stores import S3Cloud
from tests.fixtures.process import Cli, start_cli

TABLE = """
CREATE TABLE big AS SELECT g AS id, repeat(md5(g::text), 6) AS text FROM generate_series(1, 100000) g;
ALTER TABLE big ADD PRIMARY KEY (id)
"""
"""20 MB of CSV: two whole parts, and a third one that is sent by the commit."""
DONE_SECONDS = 60.0


@pytest.fixture(scope="module")
def big(module_dsn: str) -> str:
    """A database with a table of three parts; gives its DSN."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(TABLE)
    return module_dsn


@pytest.fixture(scope="module")
def whole(big: str) -> bytes:
    """What the object has to be."""
    with psycopg.connect(big) as connection:
        return copied(connection, "SELECT * FROM big")


def run(cli: Cli, s3: S3Cloud, dsn: str) -> subprocess.CompletedProcess[bytes]:
    """The export of the tests, by one worker, so that its parts come in the same way each time."""
    return cli("export", "big", "-w", "1", "-o", s3.url("x.csv"), dsn=dsn, env=s3.env)


def start(s3: S3Cloud, dsn: str, *source: str) -> subprocess.Popen[bytes]:
    """The same, to be disturbed."""
    arguments = ("export", *(source or ("big",)), "--quiet", "-w", "1", "-o", s3.url("x.csv"))
    return start_cli(*arguments, dsn=dsn, env=s3.env)


def end(process: subprocess.Popen[bytes]) -> tuple[int, list[str]]:
    """The exit code, and the lines that were told."""
    _, text = process.communicate(timeout=DONE_SECONDS)
    return process.returncode, text.decode().splitlines()


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ("list", cut()),
        ("begin", answer(500, "InternalError")),
        ("part", cut()),
        ("part", answer(503, "SlowDown")),
        ("complete", cut()),
    ],
    ids=["list", "begin", "part", "part 503", "complete"],
)
def test_a_short_fault_is_not_noticed(cli: Cli, s3: S3Cloud, big: str, whole: bytes, what: What, fault: Fault) -> None:
    s3.front.fail(what, fault=fault, times=2)
    succeeded(run(cli, s3, big))
    assert s3.front.count(what) > 2
    assert s3.get("x.csv") == whole
    assert s3.uploads() == []


@pytest.mark.parametrize(
    ("skip", "status", "code", "told"),
    [
        (0, 403, "AccessDenied", "these credentials may not do it (AccessDenied)"),
        (1, 404, "NoSuchBucket", "there is no such bucket (NoSuchBucket)"),
        (2, 400, "ExpiredToken", "its credentials have expired; sign in again, or renew the token (ExpiredToken)"),
        (2, 507, "XMinioStorageFull", "there is no room (XMinioStorageFull)"),
    ],
    ids=["the first", "the second", "the last, expired", "the last, full"],
)
def test_a_part_is_refused(cli: Cli, s3: S3Cloud, big: str, skip: int, status: int, code: str, told: str) -> None:
    """The last part is sent by the commit, when obstore's writer can no longer be left by an exception."""
    s3.front.fail("part", fault=answer(status, code), skip=skip)
    assert complaint(run(cli, s3, big), 1) == f"cannot write {s3.url('x.csv')}: {told}"
    assert s3.keys() == []
    assert s3.uploads() == []


def test_the_upload_may_not_begin(cli: Cli, s3: S3Cloud, big: str) -> None:
    s3.front.fail("begin", fault=answer(403, "AccessDenied"))
    told = f"cannot write {s3.url('x.csv')}: these credentials may not do it (AccessDenied)"
    assert complaint(run(cli, s3, big), 1) == told
    assert s3.front.count("part") == 0


def test_the_completion_is_refused(cli: Cli, s3: S3Cloud, big: str) -> None:
    s3.front.fail("complete", fault=answer(403, "AccessDenied"))
    told = f"cannot write {s3.url('x.csv')}: these credentials may not do it (AccessDenied)"
    assert complaint(run(cli, s3, big), 1) == told
    assert s3.keys() == []
    assert s3.uploads() == []


def test_the_answer_to_the_completion_is_lost(cli: Cli, s3: S3Cloud, big: str, whole: bytes) -> None:
    """The object is there then, and whole; S3 says so when it is asked again."""
    s3.front.fail("complete", fault=cut(forwarded=True), times=1)
    succeeded(run(cli, s3, big))
    assert s3.front.count("complete") == 2
    assert s3.get("x.csv") == whole
    assert s3.uploads() == []


@pytest.mark.parametrize("what", ["part", "complete"])
def test_the_network_is_cut_for_good(cli: Cli, s3: S3Cloud, big: str, what: What) -> None:
    """The abort fails too. What is left is told, with the command that ends it."""
    s3.front.fail(what, "abort", "uploads", fault=cut(), skip=0)
    done = run(cli, s3, big)
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    left = "an unfinished upload may be left in the store"
    assert lines == [
        f"polyglot: {s3.url('x.csv')}: {left}; polyglot clean --older-than 0 {s3.url('x.csv')} ends it",
        f"polyglot: cannot write {s3.url('x.csv')}: the connection to the store failed",
    ]
    assert s3.keys() == []
    assert s3.uploads() == ["x.csv"]
    s3.front.heal()
    cleaned = lines[0].rpartition("; polyglot ")[2].removesuffix(" ends it").split()
    assert succeeded(cli(*cleaned, env=s3.env)).decode().startswith(f"removed {s3.url('x.csv')} (")
    assert s3.uploads() == []


def test_an_abort_is_tried_again(cli: Cli, s3: S3Cloud, big: str) -> None:
    s3.front.fail("part", fault=answer(403, "AccessDenied"), skip=1)
    s3.front.fail("abort", fault=cut(), times=3)
    complaint(run(cli, s3, big), 1)
    assert s3.front.count("abort") > 3
    assert s3.uploads() == []


def test_an_abort_that_obstore_gives_up_is_remembered(cli: Cli, s3: S3Cloud, big: str) -> None:
    """A refusal is not tried again by obstore; we know the upload from its error, and end it ourselves."""
    s3.front.fail("part", fault=answer(403, "AccessDenied"), skip=1)
    s3.front.fail("abort", fault=answer(403, "AccessDenied"), times=1)
    complaint(run(cli, s3, big), 1)
    assert s3.uploads() == []


def test_the_query_fails_in_the_middle(cli: Cli, s3: S3Cloud, dsn: str) -> None:
    s3.client.put_object(Bucket=s3.bucket, Key="x.csv", Body=b"yesterday's")
    query = "SELECT repeat(md5(g::text), 10) AS text, 1 / (80000 - g) AS one FROM generate_series(1, 100000) g"
    done = cli("export", "--query", query, "-o", s3.url("x.csv"), dsn=dsn, env=s3.env)
    assert "division by zero" in complaint(done, 1)
    assert s3.front.count("begin") == 1
    assert s3.get("x.csv") == b"yesterday's"
    assert s3.uploads() == []


ENDLESS = ("--query", "SELECT repeat(md5(g::text), 100) AS text FROM generate_series(1, 10000000) g")


@pytest.mark.parametrize(
    ("number", "source", "what", "times"),
    [
        (signal.SIGINT, ENDLESS, "part", 3),
        (signal.SIGTERM, ("big",), "part", 3),
        (signal.SIGINT, ("big",), "complete", 1),
    ],
    ids=["the next part waits", "the commit waits for parts", "the commit waits for the end"],
)
def test_a_signal_while_the_store_is_silent(
    s3: S3Cloud,
    big: str,
    number: signal.Signals,
    source: tuple[str, ...],
    what: What,
    times: int,
) -> None:
    s3.front.fail(what, fault=deaf())
    process = start(s3, big, *source)
    wait_until(lambda: s3.front.count(what) == times)
    process.send_signal(number)
    code, lines = end(process)
    assert code == -number
    word = "interrupted" if number == signal.SIGINT else "ended by SIGTERM"
    assert lines == [f"polyglot: {word}; {s3.url('x.csv')} was not written"]
    assert s3.keys() == []
    assert s3.uploads() == []
    with psycopg.connect(big, autocommit=True) as connection:
        wait_until(lambda: active(connection) == [])


def test_a_slow_store_holds_the_export_up(s3: S3Cloud, big: str, whole: bytes) -> None:
    """No more parts are sent at a time than may be, and nothing is lost by waiting."""
    s3.front.fail("part", fault=deaf())
    process = start(s3, big)
    wait_until(lambda: s3.front.count("part") >= 2)
    time.sleep(0.5)
    assert process.poll() is None
    assert s3.keys() == []
    s3.front.heal()
    assert end(process) == (0, [])
    assert s3.get("x.csv") == whole


def test_killed_and_run_again(cli: Cli, s3: S3Cloud, big: str, whole: bytes) -> None:
    s3.client.put_object(Bucket=s3.bucket, Key="x.csv", Body=b"yesterday's")
    s3.front.fail("part", fault=deaf(), skip=1)
    process = start(s3, big)
    wait_until(lambda: s3.front.count("part") >= 2)
    process.kill()
    assert end(process) == (-signal.SIGKILL, [])
    s3.front.heal()
    assert s3.get("x.csv") == b"yesterday's"
    assert s3.uploads() == ["x.csv"]

    succeeded(run(cli, s3, big))
    assert s3.get("x.csv") == whole
    assert s3.uploads() == ["x.csv"], "what the other process left is not ours to end"
    cleaned = cli("clean", s3.url(), env=s3.env)
    assert cleaned.stderr == b"polyglot: 1 unfinished removed\n"
    assert s3.uploads() == []
    assert s3.get("x.csv") == whole


def test_of_two_writers_the_last_one_is_read_whole(cli: Cli, s3: S3Cloud, big: str, whole: bytes) -> None:
    """And neither ends the upload of the other, even when it fails."""
    s3.front.fail("complete", fault=deaf(), times=1)
    first = start(s3, big)
    wait_until(lambda: s3.front.count("complete") == 1)
    small = cli("export", "big", "-n", "3", "-o", s3.url("x.csv"), dsn=big, env=s3.env)
    assert succeeded(small) == b""
    assert s3.get("x.csv") == whole[: len(s3.get("x.csv") or b"")]
    failing = "SELECT repeat(md5(g::text), 10) AS text, 1 / (80000 - g) AS one FROM generate_series(1, 100000) g"
    complaint(cli("export", "--query", failing, "-o", s3.url("x.csv"), dsn=big, env=s3.env), 1)
    assert s3.uploads() == ["x.csv"]
    s3.front.heal()
    assert end(first) == (0, [])
    assert s3.get("x.csv") == whole


def test_the_library_says_what_is_left(s3: S3Cloud, big: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    s3.front.fail("part", "abort", fault=answer(403, "AccessDenied"))
    with pytest.raises(TargetFailed, match="these credentials may not do it") as caught:
        export_to_file(big, "big", s3.url("x.csv"))
    assert caught.value.__notes__ == [
        f"an unfinished upload may be left in the store; polyglot clean --older-than 0 {s3.url('x.csv')} ends it"
    ]
    assert s3.uploads() == ["x.csv"]
