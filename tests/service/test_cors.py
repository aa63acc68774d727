"""Scripts of web pages: what a real browser lets them do, and what the service refuses although it would."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from polyglot_export.access.keys import hash_key, new_key
from polyglot_export.errors import SpecError
from polyglot_export.service.config.environment import ServiceSettings
from tests.clients.browser import Browser
from tests.fixtures.certificates import Authority
from tests.fixtures.process import Service, serve
from tests.service.client import Answer, assert_problem, call, create, job, wait_for_status
from tests.service.raw import connect, read_all

KEY = new_key()
DATASETS = '[datasets.small]\ntable = "public.small"\n'
CONFIG = f'{DATASETS}[keys.page]\nhash = "{hash_key(KEY)}"\n'
BEARER = {"Authorization": f"Bearer {KEY}"}
ALLOWED, FOREIGN = "http://app.example.com", "http://evil.example.com"

_FETCH = """(async () => {
    try {
        const answer = await fetch(%s, %s);
        const names = ["x-export-id", "x-export-snapshot", "content-disposition", "location", "retry-after", "etag"];
        const read = Object.fromEntries(names.map((name) => [name, answer.headers.get(name)]));
        return {status: answer.status, type: answer.type, headers: read, body: await answer.text()};
    } catch (error) {
        return {error: String(error)};
    }
})()"""


@contextmanager
def page() -> Iterator[str]:
    """An empty page of an origin of its own; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>page</title>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def friend() -> Iterator[str]:
    """A page whose origin is configured."""
    with page() as origin:
        yield origin


@pytest.fixture(scope="module")
def stranger() -> Iterator[str]:
    """A page whose origin is not."""
    with page() as origin:
        yield origin


@pytest.fixture(scope="module")
def guarded(records: str, friend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a key, for the scripts of two origins."""
    config = tmp_path_factory.mktemp("config") / "polyglot.toml"
    config.write_text(CONFIG)
    with serve(records, config=config, cors_origins=f"{friend}, {ALLOWED}:80") as running:
        yield running


@pytest.fixture(scope="module")
def audit_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit") / "audit.log"


@pytest.fixture(scope="module")
def local(records: str, friend: str, audit_log: Path) -> Iterator[Service]:
    """A service without keys."""
    with serve(records, default_dataset="small", cors_origins=friend, audit_log=audit_log) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


def fetch(browser: Browser, origin: str, url: str, **options: object) -> Any:
    """What a script of an origin gets."""
    browser.open(origin)
    return browser.evaluate(_FETCH % (json.dumps(url), json.dumps(options)))


JSON = {"Content-Type": "application/json"}


def test_a_script_of_a_configured_origin_exports(browser: Browser, guarded: Service, friend: str) -> None:
    """With a preflight, since it sends a key and JSON; and it reads the headers that it needs."""
    body = json.dumps({"format": "csv", "dataset": "small"})
    headers = {**BEARER, **JSON, "Idempotency-Key": "page-1"}
    made = fetch(browser, friend, f"{guarded.url}/exports", method="POST", headers=headers, body=body)
    assert made["status"] == 201, made
    export_id = json.loads(made["body"])["exportId"]
    assert made["headers"]["location"] == f"/exports/{export_id}"
    got = fetch(browser, friend, f"{guarded.url}/exports/{export_id}/download", headers=BEARER)
    assert got["status"] == 200
    assert got["headers"]["x-export-id"] == export_id
    assert got["headers"]["x-export-snapshot"]
    assert "attachment" in got["headers"]["content-disposition"]
    assert got["body"].count("\n") == 4
    kept = call(guarded, f"/exports/{export_id}", headers=BEARER).json()
    assert kept["status"] == "completed"


def test_a_script_reads_errors(browser: Browser, guarded: Service, friend: str) -> None:
    got = fetch(browser, friend, f"{guarded.url}/datasets", headers={"Authorization": "Bearer wrong"})
    assert got["status"] == 401
    assert json.loads(got["body"])["code"] == "unauthorized"
    got = fetch(browser, friend, f"{guarded.url}/exports/none", method="DELETE", headers=BEARER)
    assert got["status"] == 404


def test_a_script_of_another_origin_gets_nothing(browser: Browser, guarded: Service, stranger: str) -> None:
    """Not even with a key: the browser keeps the answer from it."""
    assert "error" in fetch(browser, stranger, f"{guarded.url}/datasets", headers=BEARER)
    assert "error" in fetch(browser, stranger, f"{guarded.url}/health/live")


@pytest.mark.parametrize(
    "options",
    [
        {"method": "POST", "headers": JSON, "body": '{"format":"csv"}'},
        {"method": "POST", "mode": "no-cors", "body": '{"format":"csv"}'},
        {"mode": "no-cors"},
        {"method": "DELETE"},
    ],
    ids=["preflight", "plain POST", "plain GET", "DELETE"],
)
def test_a_hostile_page_runs_nothing_on_a_service_without_keys(
    browser: Browser, local: Service, stranger: str, options: dict[str, object]
) -> None:
    """The page is of another port of this machine, which is the same site."""
    export_id = create(local)
    before = len(call(local, "/exports").json()["exports"])
    for path in ("/exports", f"/exports/{export_id}", f"/exports/{export_id}/download", "/exports/benchmark"):
        got = fetch(browser, stranger, f"{local.url}{path}", **options)
        assert "error" in got or got["type"] == "opaque", got
    assert len(call(local, "/exports").json()["exports"]) == before
    assert job(local, export_id)["status"] == "pending"


def test_a_link_of_a_hostile_page_downloads_nothing(browser: Browser, local: Service, stranger: str) -> None:
    export_id = create(local)
    browser.open(stranger)
    outcome = browser.evaluate(
        f"""new Promise((done) => {{
            const frame = document.createElement("iframe");
            frame.onload = () => setTimeout(() => done("loaded"), 200);
            frame.src = {json.dumps(f"{local.url}/exports/{export_id}/download")};
            document.body.append(frame);
        }})"""
    )
    assert outcome == "loaded"
    assert job(local, export_id)["status"] == "pending"


def test_a_configured_page_runs_something_without_keys(browser: Browser, local: Service, friend: str) -> None:
    body = json.dumps({"format": "csv"})
    made = fetch(browser, friend, f"{local.url}/exports", method="POST", headers=JSON, body=body)
    assert made["status"] == 201, made


def test_the_page_of_the_service_itself_runs_something(browser: Browser, local: Service) -> None:
    body = json.dumps({"format": "csv"})
    made = fetch(browser, f"{local.url}/docs", f"{local.url}/exports", method="POST", headers=JSON, body=body)
    assert made["status"] == 201, made
    export_id = json.loads(made["body"])["exportId"]
    assert fetch(browser, f"{local.url}/docs", f"/exports/{export_id}/download")["status"] == 200
    wait_for_status(local, export_id, "completed")


def asked(service: Service, origin: str, method: str = "POST", headers: str = "authorization,content-type") -> Answer:
    """The answer to a preflight."""
    wanted = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return call(service, "/exports", method="OPTIONS", headers={"Origin": origin, **wanted})


def test_preflights(guarded: Service) -> None:
    answer = asked(guarded, ALLOWED)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert int(answer.headers["access-control-max-age"]) > 600
    assert "access-control-allow-credentials" not in answer.headers, "there is no certificate that it could show"
    assert "Origin" in answer.headers["vary"]
    for method in ("GET", "DELETE"):
        assert asked(guarded, ALLOWED, method, "last-event-id, idempotency-key, range").status == 200


@pytest.mark.parametrize(
    ("origin", "method", "headers", "words"),
    [
        (FOREIGN, "POST", "authorization", "POLYGLOT_CORS_ORIGINS"),
        ("null", "POST", "authorization", "POLYGLOT_CORS_ORIGINS"),
        (ALLOWED.replace("http", "https"), "POST", "authorization", "POLYGLOT_CORS_ORIGINS"),
        (ALLOWED + ":81", "POST", "authorization", "POLYGLOT_CORS_ORIGINS"),
        (ALLOWED.replace("app", "app.app"), "POST", "authorization", "POLYGLOT_CORS_ORIGINS"),
        (ALLOWED, "PUT", "authorization", "GET, HEAD, POST, DELETE"),
        (ALLOWED, "POST", "x-forwarded-for", "Idempotency-Key"),
    ],
)
def test_preflights_that_are_refused(guarded: Service, origin: str, method: str, headers: str, words: str) -> None:
    answer = asked(guarded, origin, method, headers)
    assert_problem(answer, 403, "forbidden", words)
    if origin != ALLOWED:
        assert "access-control-allow-origin" not in answer.headers


def test_every_answer_says_for_whom_it_is(guarded: Service) -> None:
    for path, headers, status in (
        ("/health/live", {}, 200),
        ("/datasets", BEARER, 200),
        ("/datasets", {}, 401),
        ("/none", BEARER, 404),
        ("/docs", {}, 200),
    ):
        for origin in (None, ALLOWED, FOREIGN):
            answer = call(guarded, path, headers={**headers, **({"Origin": origin} if origin else {})})
            assert answer.status == status
            assert "Origin" in answer.headers["vary"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers.get("access-control-allow-origin") == (ALLOWED if origin == ALLOWED else None)
    with connect(guarded) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert b"x-content-type-options: nosniff" in read_all(raw)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({"Sec-Fetch-Site": "none"}, 404),
        ({"Origin": FOREIGN}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "{own}"}, 404),
        ({"Origin": FOREIGN, "Sec-Fetch-Site": "same-origin"}, 404),
        ({}, 404),
    ],
)
def test_where_a_request_comes_from_decides_without_keys(
    local: Service, guarded: Service, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.format(own=local.url) for name, value in headers.items()}
    for method in ("GET", "DELETE", "POST"):
        answer = call(local, "/exports/none", method=method, headers=sent)
        assert answer.status == (405 if method == "POST" and status == 404 else status)
    if status == 403:
        assert answer.json()["field"] in sent
        assert call(guarded, "/exports/none", headers={**sent, **BEARER}).status == 404, "a key is its holder's own"


@pytest.mark.parametrize("headers", [{"Origin": FOREIGN}, {"Host": "evil.example"}], ids=["page", "name"])
def test_what_is_refused_is_audited(local: Service, audit_log: Path, headers: dict[str, str]) -> None:
    assert call(local, "/exports/audited", method="DELETE", headers=headers).status == 403
    told = json.loads(audit_log.read_text().splitlines()[-1])
    assert (told["event"], told["status"], told["path"]) == ("request.refused", 403, "/exports/audited")
    assert next(iter(headers.values())) in told["reason"]


def test_any_page_that_has_a_key(records: str, tmp_path: Path) -> None:
    (tmp_path / "polyglot.toml").write_text(CONFIG)
    with serve(records, cwd=tmp_path, cors_origins="*") as service:
        assert asked(service, FOREIGN).headers["access-control-allow-origin"] == "*"
        answer = call(service, "/datasets", headers={"Origin": FOREIGN, **BEARER})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


def test_any_page_does_not_run_anything_without_keys(records: str) -> None:
    with serve(records, cors_origins="*") as service:
        assert call(service, "/datasets", headers={"Origin": FOREIGN}).status == 403


def test_a_browser_shows_a_certificate_for_configured_origins_alone(records: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    client = authority.client("CN=person")
    (tmp_path / "polyglot.toml").write_text(DATASETS + '[keys.person]\ncertificates = ["CN=person"]\n')
    env = {**authority.server().env, "POLYGLOT_TLS_CLIENT_CA": str(authority.root_file)}
    context = authority.context(client)
    with serve(records, cwd=tmp_path, context=context, env=env, cors_origins=ALLOWED) as service:
        assert call(service, "/datasets").status == 200
        assert call(service, "/datasets", headers={"Sec-Fetch-Site": "same-origin"}).status == 200
        answer = call(service, "/datasets", headers={"Origin": ALLOWED, "Sec-Fetch-Site": "cross-site"})
        assert answer.status == 200
        assert answer.headers["access-control-allow-credentials"] == "true"
        answer = call(service, "/datasets", headers={"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"})
        assert_problem(answer, 403, "forbidden", "a page of another site")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://a.example, http://b.example:8080", "https://a.example http://b.example:8080"),
        ("HTTPS://A.example:443 https://a.example", "https://a.example"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("*", "*"),
        ("", ""),
    ],
)
def test_origins(given: str, kept: str) -> None:
    assert ServiceSettings.load(cors_origins=given).cors_origins == kept


@pytest.mark.parametrize(
    "given",
    ["a.example", "https://a.example/", "https://a.example/x", "null", "*, https://a.example", "https://*.example"],
)
def test_what_is_no_origin(given: str) -> None:
    with pytest.raises(SpecError, match=r"must be (origins|either)"):
        ServiceSettings.load(cors_origins=given)
