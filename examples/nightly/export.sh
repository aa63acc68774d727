#!/bin/sh
# A table as a file, every night: records-2026-11-26.parquet, with a link "records-latest.parquet" to the newest one.
#
#   export.sh TABLE FOLDER [FORMAT]
#
# FORMAT is the end of the file's name: parquet (the default), csv.gz, ndjson.zst …
#
# DATABASE_URL names the database, or libpq's own variables and files do (PGSERVICE, ~/.pgpass). KEEP_DAYS is how many
# days a file stays (30).
#
# polyglot writes beside the file and renames it at the end: what has the name is complete. When the export fails, the
# script ends with polyglot's exit code and its one line on standard error, which cron sends by mail; neither the files
# nor the link of the nights before have changed then.
set -eu

table=$1
folder=$2
format=${3:-parquet}
name=$(printf '%s' "$table" | tr -c 'A-Za-z0-9_\n' '_')
file=$name-$(date -u +%F).$format

cd "$folder"

# One at a time: a run that is still busy when the next one starts is left alone. mkdir is atomic everywhere.
lock=.$name.lock
if ! mkdir "$lock" 2>/dev/null; then
    echo "export.sh: $folder/$lock is there: another run is busy, or was killed and left it" >&2
    exit 75
fi
trap 'rmdir "$lock"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

polyglot export "$table" -o "$file" --quiet

# Readers of the link see the old file or the new one: a rename replaces it in one step, "ln -sf" does not.
ln -s "$file" ".$name-latest.new"
mv -f ".$name-latest.new" "$name-latest.$format"

find . -maxdepth 1 -name "$name-*.$format" -type f -mtime "+${KEEP_DAYS:-30}" -delete
