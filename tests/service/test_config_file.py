"""The configuration file: read once, and what is wrong in it is said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.keys import hash_key
from polyglot_export.access.schema import ExposedTables
from polyglot_export.errors import SpecError, UnknownDataset
from polyglot_export.service.config.file import load_configuration

HASH = hash_key("x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[keys.a]\nhash = 'x'", ["keys.a.hash", "sha256:"]),
        (f"[keys.a]\nhash = '{HASH.upper()}'", ["keys.a.hash"]),
        ("[keys.a]", ["keys.a.hash"]),
        ("keys = 3", ["keys"]),
        (f"[keys.a]\nhash = '{HASH}'\ncolour = 1", ["keys.a", "'colour'"]),
        (f"[keys.a]\nhash = '{HASH}'\ndatasets = 'orders'", ["keys.a.datasets", "list"]),
        (
            f"[keys.a]\nhash = '{HASH}'\ndatasets = ['ordres']\n[datasets.orders]\ntable = 'orders'",
            ["keys.a", "'ordres'"],
        ),
        (
            f"[keys.a]\nhash = '{HASH}'\ncolumns = {{ orders = ['nope'] }}\n[datasets.orders]\ntable = 'orders'\ncolumns = ['id']",
            ["keys.a.columns.orders", "'nope'"],
        ),
        (
            f"[keys.a]\nhash = '{HASH}'\ncolumns = {{ orders = [] }}\n[datasets.orders]\ntable = 'orders'",
            ["keys.a.columns.orders", "empty"],
        ),
        (f"[keys.a]\nhash = '{HASH}'\n[keys.b]\nhash = '{HASH}'", ["keys", "same hash"]),
        ("[datasets.a]\ntable = 'a'\nquery = 'select 1'", ["datasets.a", "either"]),
        ("[databases.a]", ["'databases'", "datasets, keys, issuers, destinations, webhooks"]),
        ("[datasets", ["polyglot.toml"]),
    ],
)
def test_a_wrong_configuration_is_said_at_the_start(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_configuration(path)
    assert str(path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_file_that_was_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nope\.toml"):
        load_configuration(tmp_path / "nope.toml")


def test_with_keys_nothing_is_offered_that_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(f"[keys.a]\nhash = '{HASH}'")
    exposure = load_configuration(path).exposure
    assert isinstance(exposure, ConfiguredDatasets)
    with pytest.raises(UnknownDataset):
        exposure.resolve("records")
    path.write_text("# nothing yet\n")
    assert isinstance(load_configuration(path).exposure, ExposedTables)


def test_the_example_is_a_configuration() -> None:
    configuration = load_configuration(Path(__file__).parents[2] / "polyglot.example.toml")
    assert isinstance(configuration.exposure, ConfiguredDatasets)
    assert configuration.exposure.datasets


def test_what_is_wrong_is_said_with_its_place_and_without_the_words_of_a_library(tmp_path: Path) -> None:
    path = tmp_path / "polyglot.toml"
    for text, message in (
        ("[datasets.a]\ntable = 3", "datasets.a.table: must be a string (got 3)"),
        ("[datasets.a]\nquery = ''", "datasets.a.query: must have at least 1 character (got '')"),
        ("[datasets.a]", "datasets.a: give either table or query"),
        (
            "[datasets]\na = 1",
            "datasets.a: must be an object with the members table, query, columns, parameters (got 1)",
        ),
        ("datasets = 1", "datasets: must be tables such as [datasets.NAME]"),
        ("[datasets.'']\ntable = 'a'", "datasets: an entry must have a name"),
        (
            "[datasets.a]\ntable = 'a'\ncolums = ['b']",
            "datasets.a: unknown member 'colums'; allowed are table, query, columns, parameters",
        ),
        ("[other]", "unknown table 'other'; allowed are datasets, keys, issuers, destinations, webhooks"),
    ):
        path.write_text(text)
        with pytest.raises(SpecError) as caught:
            load_configuration(path)
        assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("url = 3", "destinations.a.url: must be a string (got 3)"),
        ("", "destinations.a.url: is missing; it must be a string"),
        ("url = 'ftp://x/y'", "destinations.a.url: ftp://x/y: nothing is known of ftp://; allowed are"),
        ("url = 's3://user:secret@bucket'", "destinations.a.url: credentials have no place in a URL"),
        ("url = 's3://lake/{table}'", "destinations.a.url: s3://lake/{table} has braces"),
        ("url = '-'", "destinations.a.url: - is no place for a set of files"),
        ("url = 'x'\nkey = 'y'", "destinations.a: unknown member 'key'; allowed are url"),
        (f"url = 'x'\n[keys.k]\nhash = '{HASH}'\ndestinations = ['b']", "keys.k.destinations: there is no destination"),
    ],
)
def test_what_is_wrong_with_a_destination(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(f"[destinations.a]\n{text}")
    with pytest.raises(SpecError) as caught:
        load_configuration(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "secret" not in str(caught.value)


def test_destinations_alone_offer_what_no_file_offers(tmp_path: Path) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text("[destinations.a]\nurl = 'out'")
    configuration = load_configuration(path)
    assert isinstance(configuration.exposure, ExposedTables)
    assert configuration.destinations["a"].of_export("x") == "out/x"
