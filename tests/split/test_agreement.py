"""Queries whose parts could disagree on the rows are refused; those whose parts cannot are not."""

from __future__ import annotations

import pytest

from polyglot_export import SpecError, explain
from tests.split.samples import same_rows

REFUSED = {
    "SELECT id, random() AS r FROM orders": "random() is volatile",
    "SELECT odd(id) AS id FROM orders": "odd() is volatile",
    "SELECT id FROM orders WHERE customer <~> 3": "operator <~>",
    "SELECT id FROM orders WHERE made < now()": "now()",
    "SELECT id FROM orders WHERE made < current_timestamp": "current_timestamp",
    "SELECT id FROM orders WHERE made < 'today'::timestamptz": "'today'",
    "SELECT id FROM orders WHERE made < timestamptz '00:00 tomorrow'": "'tomorrow'",
    "SELECT id, pg_backend_pid() FROM orders": "pg_backend_pid()",
    "SELECT id, age(xmin) FROM orders": "age()",
    "SELECT pid AS id FROM pg_stat_activity": "pg_stat_get_activity()",
    "SELECT id FROM (VALUES (random()), (Random ( )), (3)) AS v(id)": "random()",
    "SELECT id FROM (VALUES (1, now()), (2, NULL)) AS v(id, t)": "now()",
    "SELECT o.id FROM joined AS o JOIN (VALUES (1), (2)) AS v(c) ON v.c = o.customer": "a view",
    "SELECT id FROM orders LIMIT 100": "LIMIT",
    "SELECT id FROM orders OFFSET 10": "LIMIT or OFFSET",
    "SELECT id FROM orders FETCH FIRST 10 ROWS ONLY": "LIMIT",
    "SELECT id FROM orders WHERE id IN (SELECT id FROM orders LIMIT 5)": "LIMIT",
    "SELECT id FROM orders TABLESAMPLE bernoulli (50)": "TABLESAMPLE",
    "SELECT DISTINCT ON (customer) customer, id FROM orders": "DISTINCT ON",
    "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY customer ORDER BY state) AS n FROM orders) AS o WHERE n = 1": (
        "window function"
    ),
    "SELECT customer, sum(weight) AS id FROM orders GROUP BY customer": "an aggregate",
    "SELECT o.id FROM orders AS o JOIN (SELECT customer, avg(weight) AS w FROM orders GROUP BY 1) AS a ON o.weight > a.w": (
        "an aggregate"
    ),
    "SELECT o.id FROM orders AS o WHERE note = (SELECT string_agg(name, ',') FROM customers)": "an aggregate",
    "SELECT id FROM (SELECT id, (SELECT name FROM customers AS c WHERE c.id < o.customer LIMIT 1) AS n FROM orders AS o"
    " OFFSET 0) AS q WHERE n > 'c'": "LIMIT",
    "SELECT c.id FROM (SELECT weight FROM orders INTERSECT SELECT weight FROM orders) AS i JOIN customers AS c"
    " ON c.id < i.weight": "INTERSECT",
    "SELECT weight::text AS id FROM (SELECT DISTINCT weight FROM orders) AS d": "an aggregate",
    "SELECT weight::text AS id FROM (SELECT weight FROM orders UNION SELECT weight FROM orders) AS d": "an aggregate",
    "SELECT id FROM orders ORDER BY id": "ORDER BY",
    "(SELECT id FROM orders ORDER BY customer, id)": "ORDER BY",
    "((SELECT id FROM orders) ORDER BY id)": "ORDER BY",
    # Of equal values that are not the same, another one is kept each time.
    "SELECT customer, min(any_number)::text AS id FROM loose GROUP BY customer": "an aggregate",
    "SELECT customer, max(span) || '' AS id FROM loose GROUP BY customer": "an aggregate",
    "SELECT id FROM loose WHERE scale(any_number) = (SELECT scale(max(any_number)) FROM loose)": "an aggregate",
    "SELECT octet_length(blanks) AS id, blanks FROM loose GROUP BY blanks": "an aggregate",
    "SELECT n::text AS id FROM (SELECT amount AS n FROM orders UNION SELECT any_number FROM loose) AS q": "an aggregate",
    "SELECT n::text AS id FROM (SELECT amount AS n FROM orders UNION SELECT amount * 1.0 FROM orders) AS q": "an aggregate",
    "WITH RECURSIVE r(n) AS (SELECT any_number FROM loose UNION SELECT n FROM r WHERE false) SELECT n::text AS id FROM r": (
        "RECURSIVE"
    ),
    "SELECT id FROM climbing": "RECURSIVE",
    "SELECT o.id FROM orders AS o, next_number AS n WHERE o.id > n.last_value": "next_number is a sequence",
    # A text may say now.
    "SELECT id, blanks::timestamptz FROM loose": "becomes timestamp with time zone",
    "SELECT id, (o.note || o.state)::date FROM orders AS o": "becomes date",
}

TAKEN = {
    "SELECT customer AS id, sum(weight) FROM orders GROUP BY customer": 4,
    "SELECT DISTINCT ON (customer) customer AS id FROM orders": 4,
    "SELECT DISTINCT customer AS id, state FROM orders": 4,
    "SELECT * FROM (SELECT customer AS id, row_number() OVER (PARTITION BY customer ORDER BY made) AS n FROM orders) AS o"
    " WHERE n = 1": 4,
    "SELECT id, amount FROM orders WHERE made = (SELECT max(made) FROM orders) OR id < 100": 4,
    "SELECT o.id, a.total FROM orders AS o JOIN (SELECT customer, sum(amount) AS total FROM orders GROUP BY 1) AS a"
    " USING (customer)": 4,
    "SELECT c.id, (SELECT string_agg(o.note, ',' ORDER BY o.id) FROM orders AS o WHERE o.customer = c.id) FROM customers AS c": 4,
    "SELECT c.id, (SELECT o.note FROM orders AS o WHERE o.customer = c.id ORDER BY o.id LIMIT 1) FROM customers AS c": 4,
    "WITH x AS MATERIALIZED (SELECT id, note FROM orders) SELECT * FROM x": 4,
    "WITH RECURSIVE x(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM x WHERE id < 200) SELECT * FROM x": 4,
    "SELECT id FROM orders UNION SELECT id FROM customers": 4,
    "SELECT id FROM orders INTERSECT SELECT id FROM customers": 4,
    "SELECT weight AS id FROM (SELECT DISTINCT weight FROM orders) AS d": 4,
    "SELECT date_trunc('hour', made) AS id, count(*), sum(weight) > 9 FROM orders GROUP BY 1": 4,
    "SELECT lower(state) || 'x' AS id, count(*) FROM orders GROUP BY state": 2,
    "SELECT steady(id) AS id, note FROM orders WHERE note LIKE 'nowhere%' OR note = 'n1'": 4,
    "SELECT id, 'random()' AS \"now()\" FROM orders": 4,
    "SELECT id FROM orders AS o WHERE EXISTS (SELECT FROM customers AS c WHERE c.id = o.id)": 4,
    "(SELECT id FROM orders)": 4,
    "SELECT o.id FROM orders AS o JOIN (VALUES (1, 'x'), (2, 'y')) AS v(c, w) ON v.c = o.customer": 4,
    "SELECT count(*) AS id, customer FROM orders GROUP BY customer": 2,
    "SELECT max(amount)::text AS id, customer FROM orders GROUP BY customer": 4,
    "SELECT max(made)::text || 'x' AS id, customer FROM parts GROUP BY customer": 4,
    "SELECT id, made::date, (made + interval '1 day')::date, date_trunc('day', made)::date FROM orders": 4,
}
"""With how many parts there are at least."""


def test_what_could_disagree_is_refused_and_says_why(samples: str) -> None:
    said = {}
    for query in REFUSED:
        with pytest.raises(SpecError) as caught:
            explain(samples, query=query, split_by="id:4")
        said[query] = caught.value.message
    assert {query: reason in said[query] for query, reason in REFUSED.items()} == dict.fromkeys(REFUSED, True), said


def test_what_cannot_disagree_is_read_in_parts(samples: str) -> None:
    parts = {query: len(explain(samples, query=query, split_by="id:4").scans) for query in TAKEN}
    assert {query: count for query, count in parts.items() if count < TAKEN[query]} == {}


def test_their_rows_are_those_of_the_whole(newer: str) -> None:
    assert [query for query in TAKEN if not same_rows(newer, query=query, split_by="id:4")] == []
