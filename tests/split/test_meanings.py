"""What the names in a statement stand for is the same for all of its parts and ranges of pages, or the export fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from polyglot_export import DumpProgress, RunSettings, SourceChanged, dump, moment, open_export, parse_spec
from polyglot_export.access.given import GivenSource
from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.folder import FolderStore
from polyglot_export.dumps.in_turn import Chosen, SetInTurn
from polyglot_export.dumps.layout import Layout
from polyglot_export.execution.opening import open_moment
from polyglot_export.planning.planner import plan
from polyglot_export.request.sql_text import SqlText
from polyglot_export.sources.table import TableSource
from tests.library.helpers import as_role, copied, new_role

NARROW = RunSettings(workers=1, chunk_bytes=64 << 10, window_bytes=256 << 10)
"""One statement after the other, and no further ahead of the reader than a few hundred kilobytes."""
PAGES = 1_200
"""A row each, and more than a segment has."""

SETUP = f"""
CREATE SCHEMA early; CREATE SCHEMA other;
CREATE TABLE big (id int NOT NULL, pad text); ALTER TABLE big ALTER pad SET STORAGE PLAIN;
INSERT INTO big SELECT g, repeat('x', 5000) FROM generate_series(1, {PAGES}) AS g; CREATE INDEX ON big (id); ANALYZE big;
CREATE TABLE other.big AS SELECT id, 'other' AS pad FROM big;
CREATE TABLE kid (LIKE big); INSERT INTO kid VALUES (7, 'kid');
CREATE TABLE parent (LIKE big); INSERT INTO parent SELECT * FROM big; CREATE TABLE child () INHERITS (parent);
CREATE INDEX ON parent (id); ANALYZE parent;
CREATE FUNCTION inner_one(v int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN ''old'' || v; END';
CREATE FUNCTION f(v int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN inner_one(v); END';
CREATE FUNCTION agg_step(a int, v int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT v';
CREATE AGGREGATE some_one(int) (SFUNC = agg_step, STYPE = int);
CREATE OPERATOR @+ (FUNCTION = f, RIGHTARG = int);
CREATE VIEW v AS SELECT id, public.f(id) AS f, pad FROM big;
CREATE TYPE hue AS ENUM ('red', 'green', 'blue', 'white');
CREATE TABLE coloured AS SELECT id, (enum_range(NULL::hue))[1 + id % 4] AS hue, pad FROM big; ANALYZE coloured;
CREATE FUNCTION unrelated() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""

RANGES: dict[str, Any] = {"query": "SELECT id, f(id), pad FROM big"}
PARTS: dict[str, Any] = {**RANGES, "splitBy": {"column": "id", "parts": 4}}
VIEW: dict[str, Any] = {"dataset": "v"}
CONDITION: dict[str, Any] = {"dataset": "public.big", "sqlWhere": "f(id) LIKE 'old%'"}
SYMBOL: dict[str, Any] = {"query": "SELECT id, @+ id AS f, pad FROM big"}
CHILDREN: dict[str, Any] = {"query": "SELECT id, pad FROM parent", "splitBy": {"column": "id", "parts": 4}}
LABELS: dict[str, Any] = {"dataset": "public.coloured", "splitBy": {"column": "hue", "parts": 4}}
VALUES: dict[str, Any] = {"dataset": "public.big", "splitValues": SqlText("f (id) < 'old5'")}
AGGREGATE: dict[str, Any] = {
    "query": "SELECT id, (SELECT some_one(k.id) FROM kid AS k WHERE k.id <> b.id) AS f, pad FROM big AS b",
    "splitBy": {"column": "id", "parts": 4},
}

_F = "FUNCTION {}f(v int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN {}; END'"
REPLACED = f"CREATE OR REPLACE {_F.format('', '$$new$$')}"
BACK = f"CREATE OR REPLACE {_F.format('', 'inner_one(v)')}"
EARLIER = f"CREATE {_F.format('early.', '$$new$$')}"
INNER = "CREATE OR REPLACE FUNCTION inner_one(v int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN ''{}'' || v; END'"
STEP = "CREATE OR REPLACE FUNCTION agg_step(a int, v int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT {}'"

SWAPPED = "; ".join(
    f"ALTER TYPE hue RENAME VALUE '{old}' TO '{new}'" for old, new in (("red", "x"), ("green", "red"), ("x", "green"))
)

CHANGES = {
    "replaced, ranges": (RANGES, REPLACED, BACK, r"function public\.f\(\)"),
    "replaced, parts": (PARTS, REPLACED, BACK, r"function public\.f\(\)"),
    "replaced, view": (VIEW, REPLACED, BACK, r"function public\.f\(\)"),
    "replaced, values": (VALUES, REPLACED, BACK, r"function public\.f\(\)"),
    "replaced, condition": (CONDITION, REPLACED, BACK, r"function public\.f\(\)"),
    "replaced, operator": (SYMBOL, REPLACED, BACK, r"function public\.f\(\)"),
    "replaced and back": (RANGES, f"{REPLACED}; {BACK}", "", r"function public\.f\(\)"),
    "called by it": (RANGES, INNER.format("new"), INNER.format("old"), r"function public\.inner_one\(\)"),
    "of an aggregate": (AGGREGATE, STEP.format("1"), STEP.format("v"), r"function public\.agg_step\(\)"),
    "found earlier": (PARTS, EARLIER, "DROP FUNCTION early.f", r"function early\.f\(\)"),
    "operator found earlier": (
        SYMBOL,
        "CREATE OPERATOR early.@+ (FUNCTION = inner_one, RIGHTARG = int)",
        "DROP OPERATOR early.@+ (NONE, int)",
        r"operator @\+",
    ),
    "inherits and back": (
        PARTS,
        "ALTER TABLE kid INHERIT big; ALTER TABLE kid NO INHERIT big; ANALYZE big",
        "",
        "a partition or child table was added to public.big",
    ),
    "inherits too and back": (
        CHILDREN,
        "ALTER TABLE kid INHERIT parent; ALTER TABLE kid NO INHERIT parent",
        "",
        "a partition or child table was added to public.parent",
    ),
    "labels are swapped": (
        LABELS,
        SWAPPED,
        SWAPPED,
        r"label public\.hue '(red|green)'",
    ),
    "schema and back": (
        PARTS,
        "ALTER TABLE other.big SET SCHEMA early; ALTER TABLE early.big SET SCHEMA other",
        "",
        r"relation other\.big",
    ),
}
HARMLESS = (
    "VACUUM big; VACUUM parent",
    "VACUUM pg_catalog.pg_proc; VACUUM (FREEZE) pg_catalog.pg_class",
    "CREATE INDEX ON big (id) WHERE id < 5",
    "CREATE OR REPLACE FUNCTION unrelated() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "CREATE TABLE unrelated (a int); DROP TABLE unrelated",
    "CREATE TEMPORARY TABLE big (id int); CREATE FUNCTION pg_temp.f(v int) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'",
    "INSERT INTO parent VALUES (9, 'since'); UPDATE big SET pad = 'since' WHERE id = 3; DELETE FROM big WHERE id = 4",
)


@pytest.fixture(scope="module")
def where(module_dsn: str) -> str:
    """A login by whose search path other things may come to be found first."""
    run(module_dsn, SETUP)
    return make_conninfo(module_dsn, options="-c search_path=early,public")


def run(dsn: str, statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        for statement in filter(None, statements.split("; ")) if "BEGIN" not in statements else [statements]:
            conn.execute(statement.encode())


@pytest.mark.parametrize("case", CHANGES)
def test_what_comes_to_mean_something_else_fails_the_export(where: str, module_dsn: str, case: str) -> None:
    what, change, back, said = CHANGES[case]
    with open_export(parse_spec({"format": "csv", **what}), dsn=where, run=NARROW) as export:
        assert export.plan.segments > 1, export.plan.notes
        next(export)
        run(module_dsn, change)
        try:
            with pytest.raises(SourceChanged, match=said):
                b"".join(export)
        finally:
            run(module_dsn, back)


@pytest.mark.parametrize(
    "further", ["ANALYZE", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO public"], ids=["analyze", "grant"]
)
@pytest.mark.parametrize("what", [RANGES, PARTS, CHILDREN], ids=["ranges", "parts", "children"])
def test_what_means_the_same_does_not(where: str, module_dsn: str, what: dict[str, Any], further: str) -> None:
    with psycopg.connect(where, autocommit=True) as conn:
        expected = copied(conn, str(what["query"]))
    ordered = {**what, "orderBy": [{"column": "id"}]} if "splitBy" in what else what
    with open_export(parse_spec({"format": "csv", **ordered}), dsn=where, run=NARROW) as export:
        assert export.plan.resolved is not None
        first = next(export)
        for statements in (further, *HARMLESS):
            run(module_dsn, statements)
        found = first + b"".join(export)
    assert sorted(found.splitlines()) == sorted(expected.splitlines())


PLAIN: dict[str, dict[str, Any]] = {
    "table": {},
    "filter": {"filter": [{"column": "id", "op": ">", "value": 3}, {"column": "pad", "op": "like", "value": "x%"}]},
    "parts": {"splitBy": {"column": "id", "parts": 4}, "orderBy": [{"column": "id"}]},
}


@pytest.mark.parametrize("more", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_where_all_names_are_full_ones_nothing_is_asked(where: str, more: dict[str, Any], format_: str) -> None:
    with open_export(parse_spec({"format": format_, "dataset": "public.big", **more}), dsn=where) as export:
        assert export.plan.segments > 1
        assert export.plan.resolved is None


PATHS = ("public", '"$user", public', '"Odd ""näme", PUBLIC', "", "early, nowhere, public", "$user,public")


@pytest.mark.usefixtures("where")
def test_workers_look_names_up_by_the_path_of_the_leader(module_dsn: str) -> None:
    spec = parse_spec({"format": "csv", "query": "SELECT current_schemas(false)::text AS schemas"})
    with psycopg.connect(module_dsn, autocommit=True) as conn, new_role(conn, "pathed") as role:
        name = sql.Identifier(role)
        conn.execute(sql.SQL("GRANT USAGE ON SCHEMA early TO {}").format(name))
        for path in PATHS:
            options = "-c search_path=" + path.replace(" ", "\\ ")
            for login in (as_role(module_dsn, role), make_conninfo(as_role(module_dsn, role), options=options)):
                conn.execute(sql.SQL("ALTER ROLE {} SET search_path = early").format(name))
                with psycopg.connect(login) as other:
                    expected = copied(other, str(spec.query))
                with open_export(spec, dsn=login) as export:
                    conn.execute(sql.SQL("ALTER ROLE {} SET search_path = public").format(name))
                    assert b"".join(export) == expected, path


def test_the_other_exports_of_a_moment_go_on(where: str, module_dsn: str) -> None:
    with moment(where, "public.big") as one:
        with one.export(query=RANGES["query"], workers=1) as export:
            next(export)
            run(module_dsn, REPLACED)
            try:
                with pytest.raises(SourceChanged, match=r"function public\.f\(\)"):
                    b"".join(export)
            finally:
                run(module_dsn, BACK)
        with one.export("public.big") as export:
            assert b"".join(export).count(b"\n") > PAGES - 10


def test_a_dump_of_which_a_part_may_mean_something_else_is_none(where: str, module_dsn: str, tmp_path: Path) -> None:
    changes: Iterator[str] = iter([REPLACED])

    def change(state: DumpProgress) -> None:
        for statement in changes if state.files else ():
            run(module_dsn, statement)

    how: dict[str, Any] = {"format": "csv", "part_size": 8 << 20, "queries": {"q": RANGES["query"]}, "tables": []}
    try:
        with pytest.raises(SourceChanged, match=r"function public\.f\(\)"):
            dump(where, tmp_path, workers=1, on_progress=change, **how)
    finally:
        run(module_dsn, BACK)
    assert not list(tmp_path.rglob("*.csv"))
    assert len(dump(where, tmp_path, **how).manifest.relations[0].parts) > 1


def test_a_delivered_set_fails_too(where: str, module_dsn: str, tmp_path: Path) -> None:
    spec = parse_spec({"format": "csv", **RANGES, "delivery": "store", "destination": "lake", "partSize": 1 << 20})
    with open_moment(spec, dsn=where) as taken:
        chosen = [Chosen("q", spec, plan(taken, spec, RunSettings(workers=1).limits()))]
        layout = Layout(str(tmp_path), spec.format, None)
        place, token = FolderStore(tmp_path), CancelToken()
        made = SetInTurn(taken, chosen, place, layout, generation=0, most_files=9, rate_limit=None, token=token)
        assert made.files > 1
        run(module_dsn, REPLACED)
        try:
            with pytest.raises(SourceChanged, match=r"function public\.f\(\)"):
                made.write()
        finally:
            run(module_dsn, BACK)


def test_a_mask_means_the_same_for_all_rows(where: str, module_dsn: str) -> None:
    exposure = GivenSource(TableSource("big", "public", masks=(("id", "f(id)"),)))
    with open_export(parse_spec({"format": "csv", "dataset": "big"}), dsn=where, exposure=exposure, run=NARROW) as one:
        assert one.plan.segments > 1
        next(one)
        run(module_dsn, REPLACED)
        try:
            with pytest.raises(SourceChanged, match=r"function public\.f\(\)"):
                b"".join(one)
        finally:
            run(module_dsn, BACK)
