"""Names that vulture takes for dead code and that are not: somebody else calls or reads them.

`make lint` runs vulture with this file. A name goes in here only with the one who uses it; what nobody uses is removed.
"""

# ruff: noqa: B018, F821 - names that stand alone are what vulture reads here
# mypy: ignore-errors

# Python itself asks a module for what it does not have (PEP 562).
__getattr__
__dir__

# pydantic reads the settings of a model; enum reads the value of a member.
model_config
_value_

# Members of the registries, which are only ever gone through.
GZIP
ZSTD
RS384
RS512
PS256
PS384
PS512

# urllib asks a handler of its own; joserfc reads the bounds of a registry.
redirect_request
max_header_length
max_payload_length
max_signature_length

# Readers of Arrow pass it (PyCapsule interface); programs call the other (examples/data_frames.py).
requested_schema
to_polars

# The core reads the members of a plan and of its connection (rust/src/py/plan.rs).
crlf
long_numbers_as_text
replace_unencodable
big_numbers_as_strings
xml_binary
parquet_compression
unrepresentable_as_null
truncate_long_text
arrow_container
arrow_compression
row_group_rows
file_bytes
compression_level
sslmode
sslrootcert
sslcert
sslkey
sslpassword
sslcertmode
sslsni
tls_versions
sslnegotiation
channel_binding
keepalives
keepalives_idle
keepalives_interval
keepalives_count
tcp_user_timeout
connect_timeout

# The answers of the service, which pydantic writes as JSON.
manifest_sha256
duration_seconds
file_size_bytes
peak_memory_mb
dataset_row_count

# asyncio and uvicorn call these methods and read these attributes (service/http/protocol.py, service/server.py).
data_received
eof_received
timeout_keep_alive_task
send_400_response
handle_exit
sig
force_exit
keep_alive
disconnected

# httptools calls them with what it has parsed (benchmarks/clients.py).
on_header
on_body

# The HTTP server of the standard library calls these methods and reads these attributes (benchmarks/null_store.py).
protocol_version
disable_nagle_algorithm
do_GET
do_HEAD
do_POST
do_PUT
do_DELETE
log_message

# prometheus-client collects, psycopg reads the mode of a connection, logging has its handlers replaced.
collect
read_only
isolation_level
autocommit
handlers

# A process of the benchmark calls it by code that is a string (benchmarks/set_peers/duckdb.py).
write_set

# Whole records are compared or written out, whatever their members are called.
metadata_scores
not_started

# The tests stop and crash servers; testing/ is theirs as well as the demo's.
socket_dsn
crash
resume

# A name that a string annotation holds (service/http/error_handlers.py).
ExceptionHandler

# Members of a manifest, which its readers read (docs/reference/manifest.md).
format_version
system_identifier
lsn
taken_at
part_size
partition_folders
keep_partition_column
file_type
first_segment
last_segment
watermark
partition_columns
fingerprints
segment
first_page
end_page

# Members of answers and of messages, which clients and receivers read; FastAPI describes the headers of a message.
next_attempt_at
truncated
webhook_id
webhook_timestamp
webhook_signature
events_url

# Of completion in a shell, which click calls.
get_completion_args
format_completion

# SQLAlchemy: what its dialect for psycopg wraps the values of JSON columns in.
_psycopg_Json
_psycopg_Jsonb

# Of starlette's converters of paths.
regex

# pydantic-settings asks it where settings come from, and names all of its sources.
settings_customise_sources
settings_cls
env_settings
dotenv_settings
file_secret_settings
