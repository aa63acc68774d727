"""The checks of ``tools/lint_deploy.py`` see what they are for; that deploy/ itself is clean is what ``make lint`` tells."""

from __future__ import annotations

from pathlib import Path

import yaml

from tools.lint_deploy import (
    alert_queries,
    dashboard_queries,
    known_metrics,
    passwords_in_commands,
    unknown_metrics,
    unpinned_bases,
    unpinned_services,
)

DEPLOY = Path(__file__).parents[2] / "deploy"
DIGEST = f"@sha256:{'0' * 64}"


def test_an_image_without_digest_is_told() -> None:
    text = (
        "# syntax=docker/dockerfile:1\n"
        f"FROM rust:1{DIGEST} AS rust\n"
        "FROM --platform=linux/amd64 python:3.13-slim AS build\n"
        "COPY --from=rust /a /a\nCOPY --from=busybox:1 /b /b\n"
        "FROM build\n"
    )
    assert list(unpinned_bases(text)) == [
        "Dockerfile: python:3.13-slim has no digest",
        "Dockerfile: busybox:1 has no digest",
        "Dockerfile: docker/dockerfile:1 has no digest",
    ]
    services = {"mine": {"build": ".", "image": "mine"}, "a": {"image": f"a:1{DIGEST}"}, "b": {"image": "b:1"}}
    assert list(unpinned_services({"services": services})) == ["compose.yaml: b: b:1 has no digest"]


def test_a_password_in_a_command_is_told() -> None:
    compose = {"services": {"redis": {"command": ["redis-server", "--requirepass", "${REDIS_PASSWORD}"]}}}
    assert list(passwords_in_commands(compose, [])) == ["compose.yaml: redis: its command has a password"]
    scripts = ['# "$A_PASSWORD" is fine here\npsql --set password="$READER_PASSWORD"\n']
    assert list(passwords_in_commands({"services": {}}, scripts)) == [
        'a script of compose: a command has a password: psql --set password="$READER_PASSWORD"'
    ]


def test_ours_are_pinned_and_have_none() -> None:
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    scripts = [path.read_text() for path in (DEPLOY / "compose").glob("*.sh")]
    assert len(scripts) == 2
    assert not list(unpinned_bases((DEPLOY / "Dockerfile").read_text()))
    assert not list(unpinned_services(compose))
    assert not list(passwords_in_commands(compose, scripts))


def test_a_metric_that_nobody_counts_is_told() -> None:
    queries = iter([("an alert", 'rate(polyglot_exports_total{a="b"}[5m]) > polyglot_exports_totally')])
    assert list(unknown_metrics(queries, known_metrics())) == ["an alert: there is no metric polyglot_exports_totally"]
    assert not list(unknown_metrics(alert_queries(), known_metrics()))
    assert not list(unknown_metrics(dashboard_queries(), known_metrics()))
