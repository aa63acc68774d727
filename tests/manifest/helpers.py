"""Manifests to begin with."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from polyglot_export.compressions import Compression
from polyglot_export.formats.registry import Format
from polyglot_export.manifest.document import (
    ColumnEntry,
    Manifest,
    MissingRelation,
    Origin,
    PartEntry,
    RelationEntry,
    SegmentFingerprint,
    Tool,
    Watermark,
    WriteOptions,
)

SHA256 = hashlib.sha256(b"").hexdigest()

SMALL = Manifest(
    tool=Tool(name="polyglot-export", version="1.2.3"),
    complete=True,
    source=Origin(
        server_version="18.1", database="shop", snapshot="00000003-1", taken_at="2026-11-25T03:00:00.123456+00:00"
    ),
    options=WriteOptions(format=Format.CSV),
)
"""The least that a manifest may say."""

PART = PartEntry(path="sales.orders/part-00000.csv", bytes=0, rows=0, sha256=SHA256)
RELATION = RelationEntry(schema="sales", name="orders", kind="table", folder="sales.orders", rows=0, parts=(PART,))

FULL = replace(
    SMALL,
    complete=False,
    source=replace(SMALL.source, system_identifier="7420000000000000000", lsn="0/1A2B3C"),
    options=WriteOptions(
        format=Format.NDJSON,
        compression=Compression.ZSTD,
        format_options={"timeZone": "UTC", "bigNumbers": "string"},
        part_size=1 << 28,
        partition_by={"sales.events": "created_at:day"},
        partition_folders=True,
        keep_partition_column=True,
    ),
    relations=(
        replace(
            RELATION,
            columns=(
                ColumnEntry(name="id", type="bigint", nullable=False, file_type="int64"),
                ColumnEntry(name='odd "name"\n😀', type="numeric(12,3)"),
            ),
            primary_key=("id",),
            losses={"note": 3},
            watermark=Watermark(column="updated_at", value="2026-11-25 02:59:59+00"),
            partition_columns=("created_at",),
            fingerprints=(
                SegmentFingerprint(
                    segment=0,
                    relation="sales.orders",
                    first_page=0,
                    count=10,
                    sum="170141183460469231731687303715884105727",
                ),
            ),
            parts=(
                replace(
                    PART,
                    path="sales.orders/created_at=2026-11-25/part-00000.ndjson.zst",
                    first_segment=0,
                    last_segment=7,
                    partition={"created_at": "2026-11-25", "state": None},
                ),
            ),
        ),
        RelationEntry(name="totals", kind="query", rows=0),
    ),
    missing=(MissingRelation(schema="crm", name="secrets", reason="permission denied for table secrets"),),
)
"""A manifest in which everything is said."""
