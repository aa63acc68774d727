"""Checks everything in deploy/ without Docker and without a cluster, in a few seconds.

- the Dockerfile with hadolint;
- the compose file against the schema of the compose specification, and its shell scripts for their syntax;
- that every image of others is pinned by its digest, and that no command line has a password;
- the chart with Helm's own linter and renderer (a library in a wheel, so no helm has to be installed), for each set of
  values below, and what comes out against the schemas of Kubernetes;
- every YAML file, those that the chart makes included, with yamllint;
- the unit of systemd with systemd's own verifier, where there is one;
- that the alerts and the dashboard ask for metrics that the service has.

Prints what is wrong; exit code 1 when something is. Run by ``make lint``.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

DEPLOY = Path(__file__).parents[1] / "deploy"
METRICS = Path(__file__).parents[1] / "python" / "polyglot_export" / "service" / "metrics.py"
CHART = DEPLOY / "helm" / "polyglot-export"
OLDEST, NEWEST = "1.27", "1.37"
"""Versions of Kubernetes: the oldest that the chart allows, and the newest whose schemas are there."""
PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
SECRET_VARIABLE = re.compile(r"\$\{?\w*(?:PASSWORD|SECRET)(?!_FILE)\w*")
YAML_RULES = (
    "{extends: default, rules: {line-length: {max: 160}, document-start: disable,"
    " comments: {min-spaces-from-content: 1}}}"
)
RENDERED_RULES = "{extends: relaxed, rules: {line-length: disable, trailing-spaces: disable, empty-lines: disable}}"
VALUES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "one replica without Redis": {"replicas": 1, "redis": {"existingSecret": ""}},
    "everything": {
        "replicas": 3,
        "image": {"tag": "sha", "digest": f"sha256:{'0' * 64}", "pullSecrets": ["registry"]},
        "settings": {"POLYGLOT_MAX_CONNECTIONS": 20, "POLYGLOT_MIN_RATE": "2kB"},
        "metrics": {"public": True, "annotations": True},
        "spool": {"type": "persistentVolumeClaim", "size": "20Gi", "storageClassName": "nfs"},
        "ingress": {"enabled": True, "host": "export.example.org", "tlsSecret": "export-tls"},
        "webhooks": {"existingSecret": "receivers"},
        "networkPolicy": {
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}],
            "database": {"port": 6432, "to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]},
            "redis": {"port": 6380, "to": [{"podSelector": {"matchLabels": {"app": "redis"}}}]},
            "webhooks": {"port": 8443, "to": [{"ipBlock": {"cidr": "10.0.1.0/24"}}]},
        },
        "extraEnv": [{"name": "TENANT_DSN", "valueFrom": {"secretKeyRef": {"name": "tenant", "key": "dsn"}}}],
        "extraEnvFrom": [{"secretRef": {"name": "links"}}],
        "extraVolumes": [{"name": "tls", "secret": {"secretName": "tls"}}],
        "extraVolumeMounts": [{"name": "tls", "mountPath": "/etc/polyglot-tls", "readOnly": True}],
        "serviceAccount": {"name": "exports"},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "keySecret": "metrics"},
        "podAnnotations": {"example.org/owner": "reports"},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "exports", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    },
    "bare": {
        "metrics": {"annotations": False},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "spool": {"type": "persistentVolumeClaim", "existingClaim": "shared"},
        "ingress": {"enabled": True, "host": "export.example.org", "annotations": {}},
    },
}


def main() -> int:
    """Check and print."""
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8"))
    scripts = [path.read_text(encoding="utf-8") for path in sorted((DEPLOY / "compose").glob("*.sh"))]
    found = [
        *_programs(),
        *_yaml_files(),
        *unpinned_bases((DEPLOY / "Dockerfile").read_text(encoding="utf-8")),
        *unpinned_services(compose),
        *passwords_in_commands(compose, scripts),
        *_chart(),
        *_unit(),
        *unknown_metrics(alert_queries(), known_metrics()),
        *unknown_metrics(dashboard_queries(), known_metrics()),
    ]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


def render(values: dict[str, Any]) -> dict[str, str]:
    """The manifests of the chart by the names of their templates, without the notes and what is empty."""
    with helm.Chart.load(str(CHART)) as chart:
        made = chart.render(values, name="exports", namespace="production")
    return {
        name.removeprefix("polyglot-export/templates/"): text
        for name, text in made.items()
        if name.endswith(".yaml") and text.strip()
    }


def unpinned_bases(dockerfile: str) -> Iterator[str]:
    """What a Dockerfile takes from outside by a tag alone: images, and the frontend that would read it."""
    stages: set[str] = set()
    for image, stage in re.findall(r"^FROM (?:--\S+ )*(\S+)(?: AS (\S+))?", dockerfile, re.MULTILINE | re.IGNORECASE):
        if image not in stages and not PINNED.search(image):
            yield f"Dockerfile: {image} has no digest"
        stages.add(stage)
    for image in re.findall(r"^COPY --from=(\S+)", dockerfile, re.MULTILINE):
        if image not in stages and not PINNED.search(image):
            yield f"Dockerfile: {image} has no digest"
    for image in re.findall(r"^# *syntax=(\S+)", dockerfile, re.MULTILINE):
        if not PINNED.search(image):
            yield f"Dockerfile: {image} has no digest"


def unpinned_services(compose: dict[str, Any]) -> Iterator[str]:
    """Services of a compose file whose image is somebody else's and has a tag alone."""
    for name, service in compose["services"].items():
        if "build" not in service and not PINNED.search(service["image"]):
            yield f"compose.yaml: {name}: {service['image']} has no digest"


def passwords_in_commands(compose: dict[str, Any], scripts: Sequence[str]) -> Iterator[str]:
    """Arguments into which a password is put: every process of the machine may read them."""
    for name, service in compose["services"].items():
        for member in ("command", "entrypoint"):
            if SECRET_VARIABLE.search(str(service.get(member, ""))):
                yield f"compose.yaml: {name}: its {member} has a password"
    for script in scripts:
        for line in script.splitlines():
            if SECRET_VARIABLE.search(line) and not line.lstrip().startswith("#"):
                yield f"a script of compose: a command has a password: {line.strip()}"


def alert_queries() -> Iterator[tuple[str, str]]:
    """The queries of the alert rules, each with its name."""
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield f"alerts.yaml: {rule['alert']}", rule["expr"]


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """The queries of the dashboard, each with the title of its panel."""
    board = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    if len(set(ids)) != len(ids):
        raise ValueError("dashboard.json: two panels have one id")
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield f"dashboard.json: {panel['title']}", target["expr"]


def known_metrics() -> frozenset[str]:
    """What the service counts, with the endings that Prometheus adds."""
    text = METRICS.read_text(encoding="utf-8")
    bare = set(re.findall(r'"(polyglot_[a-z_]+)"', text)) | {"process_resident_memory_bytes", "up"}
    return frozenset(name + ending for name in bare for ending in ("", "_total", "_bucket", "_sum", "_count", "_info"))


def unknown_metrics(queries: Iterator[tuple[str, str]], known: frozenset[str]) -> Iterator[str]:
    """Queries for what nobody counts."""
    for where, query in queries:
        for name in re.findall(r"\b(?:polyglot|process)_[a-z_]+", query):
            if name not in known:
                yield f"{where}: there is no metric {name}"


def _unit() -> Iterator[str]:
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        return
    unit = DEPLOY / "systemd" / "polyglot.service"
    with tempfile.TemporaryDirectory() as folder:
        # The verifier looks for the program, which is nowhere here.
        copy = Path(folder) / unit.name
        copy.write_text(unit.read_text(encoding="utf-8").replace("/opt/polyglot/bin/polyglot", "/bin/true"))
        done = subprocess.run([verifier, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False)
    if done.returncode != 0 or done.stderr.strip():
        yield f"polyglot.service: {done.stderr.strip() or done.returncode}"


def _programs() -> Iterator[str]:
    bin_dir = Path(sys.executable).parent
    compose = DEPLOY / "compose"
    for command in (
        [str(bin_dir / "hadolint"), "--no-color", str(DEPLOY / "Dockerfile")],
        [str(bin_dir / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(compose / "compose.yaml")],
        *(["sh", "-n", str(script)] for script in sorted(compose.glob("*.sh"))),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield f"{Path(command[0]).name}: {(done.stdout + done.stderr).strip()}"


def _yaml_files() -> Iterator[str]:
    for path in sorted({*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml")} - set((CHART / "templates").rglob("*"))):
        yield from _lint(str(path), path.read_text(encoding="utf-8"), YAML_RULES)


def _chart() -> Iterator[str]:
    # Whatever the linter says of its own accord, down to advice; a chart of ours needs no icon.
    for message in helm.lint(str(CHART))["messages"]:
        if message["error"] != "icon is recommended":
            yield f"{message['path']}: {message['error']}"
    json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    for name, values in VALUES.items():
        try:
            manifests = render(values)
        except helm.HelmError as error:
            yield f"chart, values {name!r}: {error}"
            continue
        for template, text in manifests.items():
            where = f"chart, values {name!r}, {template}"
            yield from _lint(where, text, RENDERED_RULES)
            if yaml.safe_load(text)["apiVersion"].startswith("monitoring.coreos.com/"):
                # Of the operator of Prometheus, of which Kubernetes has no schema.
                continue
            for version in (OLDEST, NEWEST):
                try:
                    kubernetes_validate.validate(yaml.safe_load(text), version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    yield f"{where}: {error.message} (Kubernetes {version})"


def _lint(where: str, text: str, rules: str) -> Iterator[str]:
    for problem in linter.run(text, YamlLintConfig(rules)):
        yield f"{where}:{problem.line}:{problem.column}: {problem.desc}"


if __name__ == "__main__":
    warnings.simplefilter("error")
    sys.exit(main())
