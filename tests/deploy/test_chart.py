"""The Helm chart, rendered by Helm's own library: what it makes fits the service as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml

from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.config.file import load_configuration
from tests.fixtures.process import Service
from tests.service.client import call
from tools.lint_deploy import CHART, VALUES, render

KNOWN = {str(info.validation_alias) for info in ServiceSettings.model_fields.values()}


def rendered(values: dict[str, Any]) -> dict[str, Any]:
    """The manifests by their kind."""
    manifests = [yaml.safe_load(text) for text in render(values).values()]
    return {manifest["kind"]: manifest for manifest in manifests}


def container(values: dict[str, Any]) -> Any:
    (only,) = rendered(values)["Deployment"]["spec"]["template"]["spec"]["containers"]
    return only


def environment(values: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container(values)["env"]}


@pytest.mark.parametrize("name", VALUES)
def test_every_variable_is_a_setting_that_the_service_takes(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    further = {entry["name"] for entry in VALUES[name].get("extraEnv", [])}
    variables = {key: value for key, value in environment(VALUES[name]).items() if key not in further}
    assert set(variables) <= KNOWN
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value if isinstance(value, str) else "redis://from-the-secret")
    settings = ServiceSettings.load()
    assert (settings.host, settings.port, settings.log_format) == ("0.0.0.0", 8080, "json")
    assert settings.metrics_public is VALUES[name].get("metrics", {}).get("public", False)
    config = tmp_path / "polyglot.toml"
    config.write_text(rendered(VALUES[name])["ConfigMap"]["data"]["polyglot.toml"])
    assert load_configuration(config).keys, "without a key the service would not listen to the network"


def test_no_secret_is_in_a_manifest() -> None:
    for variable in ("DATABASE_URL", "POLYGLOT_REDIS_URL"):
        assert set(environment({})[variable]) == {"secretKeyRef"}
    assert "Secret" not in rendered(VALUES["everything"])


def test_the_secrets_of_webhooks_are_files_and_their_receivers_can_be_reached() -> None:
    with_them, without = VALUES["everything"], dict[str, Any]()
    mounts = {mount["name"]: mount["mountPath"] for mount in container(with_them)["volumeMounts"]}
    volumes = rendered(with_them)["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert mounts["webhooks"] == "/run/secrets/webhooks"
    assert {"name": "webhooks", "secret": {"secretName": "receivers"}} in volumes
    ports = [
        [port["port"] for rule in rendered(values)["NetworkPolicy"]["spec"]["egress"] for port in rule["ports"]]
        for values in (with_them, without)
    ]
    assert 8443 in ports[0]
    assert 443 not in ports[1]
    assert "webhooks" not in {mount["name"] for mount in container(without)["volumeMounts"]}


@pytest.mark.parametrize(("grace", "pause"), [(30, 5), (600, 0)])
def test_kubernetes_waits_longer_than_the_service_needs_to_end(grace: int, pause: int) -> None:
    values = {"shutdownGrace": grace, "preStopSeconds": pause}
    pod = rendered(values)["Deployment"]["spec"]["template"]["spec"]
    assert environment(values)["POLYGLOT_SHUTDOWN_GRACE"] == str(grace)
    assert container(values)["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", str(pause)]
    # After the grace the service cancels what runs (DRAIN_SECONDS), stores how it ended and tells webhooks (as long
    # again, each).
    assert pod["terminationGracePeriodSeconds"] >= grace + pause + 15


def test_it_has_the_memory_that_it_is_designed_for() -> None:
    resources = container({})["resources"]
    assert resources["limits"] == {"memory": "256Mi"}
    assert resources["requests"]["memory"] == "256Mi"


def test_the_probes_lead_somewhere(service: Service) -> None:
    spec = container({})
    (port,) = spec["ports"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert spec[probe]["httpGet"]["port"] == port["name"]
        assert call(service, spec[probe]["httpGet"]["path"]).status == 200
    assert spec["livenessProbe"]["httpGet"]["path"] == "/health/live", (
        "a database that is away is no reason to start anew"
    )


def test_the_probes_speak_what_the_service_speaks() -> None:
    for settings, scheme in (({}, "HTTP"), ({"POLYGLOT_TLS_CERT": "/tls/tls.crt"}, "HTTPS")):
        spec = container({"settings": settings})
        probes = [spec[probe]["httpGet"]["scheme"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
        assert probes == [scheme] * 3


def test_the_ingress_shows_every_call_but_the_numbers(service: Service) -> None:
    paths = [path["path"] for path in rendered(VALUES["everything"])["Ingress"]["spec"]["rules"][0]["http"]["paths"]]
    calls = set(call(service, "/openapi.json").json()["paths"]) | {
        "/docs",
        "/openapi.json",
        "/",
        "/page/VERSION/app.js",
    }
    hidden = {name for name in calls if not any(name == path or name.startswith(f"{path}/") for path in paths)}
    assert hidden == {"/metrics"}
    assert {path for path in paths if not any(name.startswith(path) for name in calls)} == set()


def test_it_runs_without_rights() -> None:
    pod = rendered({})["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    security = container({})["securityContext"]
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {mount["mountPath"] for mount in container({})["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/tmp", "/var/spool/polyglot"}


def test_what_is_there_only_for_several_replicas() -> None:
    alone = rendered(VALUES["one replica without Redis"])
    assert "PodDisruptionBudget" not in alone
    assert "POLYGLOT_REDIS_URL" not in environment(VALUES["one replica without Redis"])
    several = rendered(VALUES["everything"])
    assert several["PodDisruptionBudget"]["spec"]["selector"] == several["Deployment"]["spec"]["selector"]
    assert several["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert several["Service"]["spec"]["selector"] == several["Deployment"]["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"redis": {"existingSecret": ""}}, "redis.existingSecret"),
        ({"database": {"existingSecret": ""}}, "database.existingSecret"),
        ({"ingress": {"enabled": True}}, "ingress.host"),
        ({"replicas": "two"}, "replicas"),
        ({"replica": 2}, "replica"),
        ({"settings": {"DATABASE_URL": "postgresql://me:password@db/x"}}, "DATABASE_URL"),
    ],
)
def test_wrong_values_are_refused_with_a_reason(values: dict[str, Any], words: str) -> None:
    with pytest.raises(helm.HelmError, match=words):
        render(values)


def test_the_kind_of_service_is_a_choice() -> None:
    spec = rendered({"service": {"type": "NodePort", "port": 8000}})["Service"]["spec"]
    assert (spec["type"], spec["ports"][0]["port"]) == ("NodePort", 8000)


def test_a_changed_configuration_starts_the_pods_anew() -> None:
    def checksum(config: str) -> str:
        annotations = rendered({"config": config})["Deployment"]["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["checksum/config"])

    assert checksum("[keys]\n") != checksum("[datasets]\n")


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    cargo = (CHART.parents[2] / "Cargo.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in cargo
    assert chart["version"] == chart["appVersion"]


def test_the_network_lets_in_the_port_and_lets_out_what_the_service_needs() -> None:
    manifests = rendered({})
    spec = manifests["NetworkPolicy"]["spec"]
    assert spec["podSelector"] == manifests["Deployment"]["spec"]["selector"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    (port,) = container({})["ports"]
    assert spec["ingress"] == [{"ports": [{"port": port["name"], "protocol": "TCP"}]}]
    assert egress({}) == {53, 5432, 6379}
    assert egress({"replicas": 1, "redis": {"existingSecret": ""}}) == {53, 5432}, "no Redis, no way to it"
    limited = rendered(VALUES["everything"])["NetworkPolicy"]["spec"]
    assert limited["ingress"][0]["from"] == VALUES["everything"]["networkPolicy"]["from"]
    assert limited["egress"][1] == {
        "ports": [{"port": 6432, "protocol": "TCP"}],
        "to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}],
    }
    assert "NetworkPolicy" not in rendered({"networkPolicy": {"enabled": False}})


def egress(values: dict[str, Any]) -> set[int]:
    rules = rendered(values)["NetworkPolicy"]["spec"]["egress"]
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_an_image_with_a_digest_is_that_image() -> None:
    assert container({})["image"].startswith("polyglot-export:")
    digest = f"sha256:{'a' * 64}"
    image = container({"image": {"repository": "registry.example.org/exports", "tag": "1", "digest": digest}})["image"]
    assert image == f"registry.example.org/exports:1@{digest}"
    with pytest.raises(helm.HelmError, match="digest"):
        render({"image": {"digest": "sha256:short"}})


def test_further_variables_and_volumes_come_beside_its_own() -> None:
    values = {
        "extraEnv": [{"name": "TENANT_DSN", "value": "service=tenant"}],
        "extraEnvFrom": [{"secretRef": {"name": "more"}}],
        "extraVolumes": [{"name": "tls", "secret": {"secretName": "tls"}}],
        "extraVolumeMounts": [{"name": "tls", "mountPath": "/etc/polyglot-tls"}],
        "serviceAccount": {"name": "exports"},
    }
    pod = yaml.safe_load(render(values)["deployment.yaml"])["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["serviceAccountName"] == "exports"
    assert {"name": "TENANT_DSN", "value": "service=tenant"} in container["env"]
    assert "DATABASE_URL" in {each["name"] for each in container["env"]}
    assert container["envFrom"] == values["extraEnvFrom"]
    assert {each["name"] for each in pod["volumes"]} == {each["name"] for each in container["volumeMounts"]}
    assert "tls" in {each["name"] for each in pod["volumes"]}
    assert "serviceAccountName" not in yaml.safe_load(render({})["deployment.yaml"])["spec"]["template"]["spec"]


def test_the_monitor_finds_the_service_and_has_a_key_where_one_is_needed() -> None:
    assert "servicemonitor.yaml" not in render({})
    manifests = render({"serviceMonitor": {"enabled": True, "keySecret": "metrics", "labels": {"release": "p"}}})
    monitor = yaml.safe_load(manifests["servicemonitor.yaml"])
    service = yaml.safe_load(manifests["service.yaml"])
    (endpoint,) = monitor["spec"]["endpoints"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["authorization"]["credentials"] == {"name": "metrics", "key": "key"}
    assert monitor["metadata"]["labels"]["release"] == "p"
