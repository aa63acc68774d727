#!/bin/sh
# Installs the readers that .venv has not got into .build/readers: 2.1 GB, most of it Spark. Quick when nothing has
# changed. Where Java or Go is missing, it says so and leaves out their readers.
set -eu
cd "$(dirname "$0")"
target=../../.build/readers
mkdir -p "$target"
target=$(cd "$target" && pwd)
exec 9>"$target/lock"
flock 9
python=$(../../tools/check-tools.sh --python)

# A folder and its requirements; each line of requirements.txt is one.
while read -r folder requirements; do
    case $folder in '' | '#'*) continue ;; esac
    case $folder in spark*) command -v java >/dev/null 2>&1 || { echo "no Java: $folder is left out" >&2; continue; } ;; esac
    if [ "$(cat "$target/$folder/stamp" 2>/dev/null)" = "$requirements" ]; then continue; fi
    echo "installing $requirements" >&2
    "$python" -m venv --clear "$target/$folder"
    # shellcheck disable=SC2086  # several requirements
    "$target/$folder/bin/pip" install --quiet --disable-pip-version-check $requirements
    echo "$requirements" >"$target/$folder/stamp"
done <requirements.txt

if command -v javac >/dev/null 2>&1 && [ -d "$target/spark4" ]; then
    jars=$(echo "$target"/spark4/lib/python*/site-packages/pyspark/jars)
    mkdir -p "$target/java"
    javac -d "$target/java" -cp "$jars/*" programs/ReadParquet.java
else
    echo "no javac: parquet-java is left out" >&2
fi
if command -v go >/dev/null 2>&1; then
    mkdir -p "$target/go"
    (cd programs/go && go build -o "$target/go/read" .)
else
    echo "no Go: parquet-go is left out" >&2
fi
