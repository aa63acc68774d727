#!/bin/sh
# Resolves pyproject.toml into three files with hashes and without the address of any index (uv's own lock names hosts).
#   requirements.txt      what `polyglot serve` needs, for images
#   requirements-dev.txt  every extra and the tools, for .venv
#   requirements-demo.txt the part of it that `make demo` needs, in the same versions
set -eu
cd "$(dirname "$0")/.."

compile() {
    target=$1
    shift
    .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-header --no-annotate --upgrade --output-file "$target" "$@"
}

compile requirements.txt --extra serve --extra redis
compile requirements-dev.txt --all-extras --group dev
compile requirements-demo.txt --extra serve --extra demo --group build --constraint requirements-dev.txt
