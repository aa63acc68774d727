#!/bin/sh
# Installs the peers into .build/peers, each line of peers.txt with a Python of its own, and Node's packages: 2 GB.
# Quick when nothing has changed. What cannot be had is named and left out; the benchmark says so too.
set -eu
cd "$(dirname "$0")"
target=../../.build/peers
mkdir -p "$target"
target=$(cd "$target" && pwd)
exec 9>"$target/lock"
flock 9
python=$(../../tools/check-tools.sh --python)

while read -r folder requirements; do
    case $folder in '' | '#'*) continue ;; esac
    if [ "$(cat "$target/$folder/stamp" 2>/dev/null)" = "$requirements" ]; then continue; fi
    echo "installing $requirements" >&2
    "$python" -m venv --clear "$target/$folder"
    # shellcheck disable=SC2086  # several requirements
    if "$target/$folder/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: $requirements; then
        echo "$requirements" >"$target/$folder/stamp"
    else
        rm -rf "${target:?}/$folder"
        echo "$folder is left out" >&2
    fi
done <peers.txt

# The package has the program under another name.
for program in "$target"/sling/lib/python*/site-packages/sling_linux_amd64/bin/sling-linux-amd64; do
    [ ! -x "$program" ] || ln -sf "$program" "$target/sling/bin/sling"
done

# The extensions of the newest DuckDB are no packages; its own repository may be out of reach.
if [ -d "$target/duckdb2" ] && [ ! -e "$target/duckdb2/extensions" ]; then
    if "$target/duckdb2/bin/python" -c "import duckdb; duckdb.execute('INSTALL postgres; INSTALL excel')" 2>/dev/null; then
        touch "$target/duckdb2/extensions"
    else
        echo "the extensions of DuckDB 2 cannot be downloaded: it is left out" >&2
    fi
fi

node="pg@8.23.1 pg-cursor@2.22.0 csv-stringify@6.9.0"
if ! command -v npm >/dev/null 2>&1; then
    echo "no npm: Node's pipeline is left out" >&2
elif [ "$(cat "$target/npm/stamp" 2>/dev/null)" != "$node" ]; then
    echo "installing $node" >&2
    mkdir -p "$target/npm"
    # shellcheck disable=SC2086  # several packages
    if npm install --silent --no-save --ignore-scripts --no-audit --no-fund --prefix "$target/npm" $node; then
        echo "$node" >"$target/npm/stamp"
    else
        echo "Node's packages cannot be had: its pipeline is left out" >&2
    fi
fi
