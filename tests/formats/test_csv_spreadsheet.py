"""What a spreadsheet reads in a file for spreadsheets: LibreOffice, which converts what it can, in two languages."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import openpyxl
import psycopg
import pytest

from polyglot_export import export_to_file

PIECES = (
    *(
        "1",
        "12",
        "7",
        "2026",
        "00",
        "123",
        "-",
        "/",
        ".",
        ",",
        " ",
        ":",
        "e",
        "E",
        "%",
        "$",
        "(",
        ")",
        "+",
        "'",
        "€",
        "x",
    ),
    *("Mar", "may", "am", "p", "März", "Dezember", "TRUE", "wahr", "falsch"),
)
"""Of which numbers, dates, times and words for true and false are made, and what is nearly one."""
TEXTS = 3000
LONGEST = 6
LANGUAGES = {"excel": (ord(","), 1033), "excel-de": (ord(";"), 1031)}
"""The delimiter and Microsoft's number of the language."""


def _texts() -> list[str]:
    chance = random.Random(1)
    return sorted({"".join(chance.choices(PIECES, k=chance.randint(1, LONGEST))) for _ in range(TEXTS)})


def _opened(files: list[Path], profile: str) -> list[list[object]]:
    """The second column of each as LibreOffice reads it, with special numbers detected and formulas evaluated."""
    delimiter, language = LANGUAGES[profile]
    folder = files[0].parent
    subprocess.run(
        [
            "soffice", f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless",
            f"--infilter=CSV:{delimiter},34,76,1,,{language},false,true,,,,,true",
            "--convert-to", "xlsx", "--outdir", folder, *files,
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    found: list[list[object]] = []
    for file in files:
        sheet = openpyxl.load_workbook(file.with_suffix(".xlsx"), data_only=True).worksheets[0]
        found.append([row[1] for row in sheet.iter_rows(min_row=2, values_only=True)])
    return found


@pytest.mark.parametrize("profile", LANGUAGES)
def test_text_is_read_as_text(dsn: str, conn: psycopg.Connection, tmp_path: Path, profile: str) -> None:
    """What was kept, and what was left alone; without the option dozens of them become something else."""
    conn.execute("CREATE TABLE t (id serial, v text)")
    conn.execute("INSERT INTO t (v) SELECT unnest(%s::text[])", [_texts()])
    files = [tmp_path / "kept.csv", tmp_path / "plain.csv"]
    for file, keep in zip(files, (True, False), strict=True):
        # The guard would change what begins with a sign.
        options = {"profile": profile, "formulaGuard": False, "keepText": keep}
        export_to_file(dsn, "t", file, order_by=["id"], options=options)
    kept, plain = _opened(files, profile)
    assert kept == _texts()
    assert sum(read != text for read, text in zip(plain, _texts(), strict=True)) > 50
