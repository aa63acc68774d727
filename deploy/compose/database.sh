#!/bin/sh
# Run once by the image of PostgreSQL: a login that may read what is offered and nothing else, and a table to try it with.
# psql reads the password from the secret file: an argument would be seen by everybody who may list processes.
set -eu

psql --set ON_ERROR_STOP=1 --username postgres --dbname polyglot <<'END'
\set password `cat /run/secrets/reader_password`
CREATE ROLE polyglot LOGIN PASSWORD :'password' CONNECTION LIMIT 60;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE TEMPORARY ON DATABASE polyglot FROM PUBLIC;

CREATE TABLE records (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    value numeric(18, 4) NOT NULL,
    created_at timestamptz NOT NULL
);
INSERT INTO records
SELECT n, 'record ' || n, n * 1.25, '2026-01-01 00:00:00+00'::timestamptz + n * interval '1 minute'
FROM generate_series(1, 1000) AS n;
ANALYZE records;
GRANT SELECT ON records TO polyglot;
END
