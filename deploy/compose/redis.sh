#!/bin/sh
# Starts Redis with the password of the secret file, which it reads from its standard input: an argument would be seen by
# everybody who may list processes. Jobs survive a restart; what is full refuses new jobs and forgets none.
set -eu

exec docker-entrypoint.sh redis-server - --appendonly yes --maxmemory 64mb --maxmemory-policy noeviction <<END
requirepass $(cat /run/secrets/redis_password)
END
