"""The checks of ``make lint`` that are this project's own: each finds what it is for, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import check_docs, check_rust

LONG = "word " * 25
PAGE = f"""\
# {LONG}
{LONG}
| {LONG} |

```python
print("{LONG}")
```

```console
$ polyglot export \\
{LONG}
{LONG}
$ polyglot {LONG}
> {LONG}
{LONG}
```

```
{LONG}
```

- https://example.org/{"x" * 120}
"""


def test_lines_that_can_be_broken_are_held_to_the_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    monkeypatch.setattr(check_docs, "ROOT", tmp_path)
    monkeypatch.setattr(check_docs, "pages", lambda: [page])
    problems = list(check_docs.long_lines())
    assert [int(problem.split(":")[1]) for problem in problems] == [1, 2, 6, 11, 13, 14]
    assert problems[0] == "page.md:1: 127 columns; 120 are allowed"


@pytest.fixture
def crate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(check_rust, "ROOT", tmp_path)
    folder = tmp_path / "rust"
    (folder / "src").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "Cargo.toml").write_text(
        '[dependencies]\nused-here = "1"\nnamed-in-a-comment = "1"\nin-tests-only = "1"\n'
        '[dev-dependencies]\nfor-tests = "1"\nin-no-test = "1"\n'
    )
    (folder / "src/lib.rs").write_text("use used_here::Thing;\n// named_in_a_comment::Thing would do as well\n")
    (folder / "tests/all.rs").write_text("use in_tests_only::Thing;\nfn test() { for_tests::run() }\n")
    return folder


def test_crates_that_nothing_uses_are_named(crate: Path) -> None:
    assert list(check_rust.unused_crates(crate)) == [
        "rust/Cargo.toml: nothing uses named-in-a-comment",
        "rust/Cargo.toml: nothing uses in-tests-only",
        "rust/Cargo.toml: nothing uses in-no-test",
    ]


def test_long_comments_are_found_and_code_is_left_to_rustfmt(crate: Path) -> None:
    lines = (f"    // {LONG}", f'const TEXT: &str = "{LONG}";', f"/// {LONG}", f"// {'x' * 130}")
    (crate / "src/long.rs").write_text("\n".join(lines))
    assert [problem.split(":")[1] for problem in check_rust.long_comments(crate)] == ["1", "3"]
