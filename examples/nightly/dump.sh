#!/bin/sh
# A dump of many tables every night, of one moment, into a folder or prefix of the day, and its verification.
#
#     LAKE=s3://lake/warehouse dump.sh --schema sales --schema crm
#
# LAKE is a folder or a URL; the arguments are those of `polyglot dump`. DATABASE_URL says which database. The exit code
# is 0 only if every file is there and holds what the manifest says. After a failure it can simply be run again: a dump
# of this day that is there, or what is left of one, is replaced when the new one is complete.
set -eu

: "${LAKE:?say where to: LAKE=s3://bucket/prefix or LAKE=/folder}"
place="${LAKE%/}/$(date -u +%Y-%m-%d)/"

polyglot dump "$@" -o "$place" --overwrite --lock-timeout "${LOCK_TIMEOUT:-10min}" --quiet
polyglot verify "$place" --quiet
