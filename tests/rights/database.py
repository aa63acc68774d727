"""One database with every kind of relation, and logins that may read a part of each."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

RELATIONS = (
    "plain",
    "parted",
    "guarded_leaves",
    "inherited",
    "invoker_view",
    "definer_view",
    "materialized",
    "foreign_table",
    "function",
)
ROWS = "SELECT g AS id, g % 3 AS tenant, 'hidden' || g || '@tenant' || g % 3 || '.example' AS email, repeat('x', 300) AS pad"
SETUP = """
CREATE FUNCTION tenant_of() RETURNS int STABLE LANGUAGE sql AS $$
    SELECT coalesce(nullif(current_setting('app.tenant', true), '')::int,
        CASE WHEN current_user LIKE '%\\_tenant' THEN 1 END) $$;
CREATE TABLE plain (id int PRIMARY KEY, tenant int, email text, pad text);
CREATE TABLE parted (LIKE plain) PARTITION BY LIST (tenant);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
CREATE TABLE guarded_leaves (LIKE plain) PARTITION BY RANGE (id);
CREATE TABLE leaf_low PARTITION OF guarded_leaves FOR VALUES FROM (0) TO (900);
CREATE TABLE leaf_high PARTITION OF guarded_leaves DEFAULT;
CREATE TABLE inherited (LIKE plain);
CREATE TABLE inheriting () INHERITS (inherited);
INSERT INTO plain {rows} FROM generate_series(1, 2000) AS g;
INSERT INTO parted SELECT * FROM plain;
INSERT INTO guarded_leaves SELECT * FROM plain;
INSERT INTO inherited SELECT * FROM plain WHERE id <= 1000;
INSERT INTO inheriting SELECT * FROM plain WHERE id > 1000;
CREATE VIEW invoker_view WITH (security_invoker) AS SELECT * FROM plain;
CREATE VIEW definer_view WITH (security_barrier) AS SELECT * FROM plain WHERE tenant = tenant_of();
CREATE MATERIALIZED VIEW materialized AS SELECT * FROM plain WHERE tenant = 1;
CREATE FUNCTION rows_of() RETURNS SETOF plain STABLE LANGUAGE sql AS $$ SELECT * FROM plain $$;
CREATE EXTENSION postgres_fdw;
CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({server});
CREATE FOREIGN TABLE foreign_table (id int, tenant int, email text, pad text)
    SERVER itself OPTIONS (schema_name 'public', table_name 'plain');
CREATE FUNCTION become() RETURNS text VOLATILE LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('role', 'none', false); PERFORM set_config('app.tenant', '2', false);
    RETURN current_user; END $$;
CREATE VIEW undoing WITH (security_invoker) AS
    SELECT p.* FROM (SELECT become() AS b OFFSET 0) AS b, LATERAL (SELECT * FROM plain WHERE b.b <> '' OFFSET 0) AS p;
"""
MASKED = """
CREATE ROLE {viewer};
GRANT {viewer} TO {gate};
CREATE SCHEMA masked;
CREATE VIEW masked.plain AS SELECT id, tenant, left(email, 1) || '…' AS email FROM public.plain;
GRANT USAGE ON SCHEMA masked TO {viewer};
GRANT SELECT ON masked.plain TO {viewer};
"""
"""Views in place of tables, for a role that may read nothing else: what PostgreSQL Anonymizer does for its roles."""
SIBLING = """
CREATE TABLE sibling AS SELECT 1 AS id, 0 AS tenant, 'of the sibling' AS email;
GRANT SELECT ON sibling TO {app};
CREATE FUNCTION of_sibling() RETURNS TABLE (id int, tenant int, email text) LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('role', '{app}', true);
    RETURN QUERY SELECT * FROM sibling; END $$;
"""
GUARDED = ("plain", "parted", "guarded_leaves", "leaf_low", "leaf_high", "inherited")
MASK = "left(email, 2) || '…' || tenant"


@dataclass(frozen=True)
class Data:
    """The database as its logins see it."""

    owner: str
    """The DSN of the superuser."""
    tenant: str
    """Of a login whose policies show tenant 1."""
    app: str
    """Of a login whose policies show the tenant of the setting."""
    gate: str
    """Of a NOINHERIT login, which may become the role and nothing else."""
    role: str
    """The name of the login ``tenant``, as a role."""
    viewer: str
    """The name of the role that has masking views."""

    def oracle(self, who: str, relation: str) -> list[tuple[object, ...]]:
        """What the server itself gives to a caller, read through its own client library."""
        source = "rows_of()" if relation == "function" else relation
        email, where = "email", ""
        if who == "mask":
            email = MASK
        if who == "rows":
            where = " WHERE tenant = 1"
        dsn = {"rows": self.owner, "mask": self.owner, "settings": self.app}.get(who, self.tenant)
        with psycopg.connect(dsn) as connection:
            if who == "settings":
                connection.execute("SELECT set_config('app.tenant', '1', true)")
            query = f"SELECT id, tenant, {email} FROM {source}{where} ORDER BY id"
            return connection.execute(query.encode()).fetchall()


def make(dsn: str) -> Data:
    """Fill an empty database."""
    parameters = conninfo_to_dict(dsn)
    names = {name: f"{parameters['dbname']}_{name}" for name in ("tenant", "app", "gate")}
    place = {name: parameters[name] for name in ("host", "port", "dbname") if name in parameters}
    options = sql.SQL(", ").join(
        sql.SQL(f"{name} {{}}").format(sql.Literal(str(value))) for name, value in place.items()
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SETUP.format(rows=ROWS, server=options.as_string(connection)).encode())
        for table in GUARDED:
            connection.execute(
                f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
                f"CREATE POLICY own ON {table} USING (tenant = tenant_of())".encode()
            )
        for name, role in names.items():
            inherit = "NOINHERIT" if name == "gate" else ""
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret' {inherit}".encode())
            if name == "gate":
                continue
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}".encode())
            connection.execute(
                f"CREATE USER MAPPING FOR {role} SERVER itself"
                f" OPTIONS (user '{role}', password 'secret', password_required 'false')".encode()
            )
        connection.execute(
            f"CREATE USER MAPPING FOR CURRENT_USER SERVER itself OPTIONS (user '{connection.info.user}',"
            f" password '{connection.info.password}', password_required 'false')".encode()
        )
        connection.execute(f"GRANT {names['tenant']}, {names['app']} TO {names['gate']}; ANALYZE".encode())
        connection.execute(SIBLING.format(app=names["app"]).encode())
        viewer = f"{parameters['dbname']}_viewer"
        connection.execute(MASKED.format(viewer=viewer, gate=names["gate"]).encode())
    logins = {name: make_conninfo(dsn, user=role, password="secret") for name, role in names.items()}
    return Data(dsn, role=names["tenant"], viewer=viewer, **logins)


def drop(data: Data) -> None:
    """Take the logins away; they are the whole server's."""
    with psycopg.connect(data.owner, autocommit=True) as connection:
        logins = [conninfo_to_dict(login)["user"] for login in (data.gate, data.app, data.tenant)]
        for role in (*logins, data.viewer):
            connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())
