"""Write docs/reference/cli.md from the program's own help.

``python tools/cli_reference.py`` writes the page; with ``--check`` it ends with 1 when the page is not what the help
says.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
COMMANDS = ("", "export", "explain", "datasets", "serve", "keys", "demo", "bench")
COLUMNS = 100
"""Width of the help on the page."""

INTRODUCTION = """\
# Command line

Made from `polyglot --help` by `tools/cli_reference.py`; a test fails when it is stale. What the options mean in
practice is told in [Use it from a script](../howto/command-line.md), the options of each format in
[docs/formats](../formats/).
"""


def help_text(command: str) -> str:
    """What the program prints, at a fixed width and without the colours and paths of this machine."""
    program = "import sys; sys.argv[0] = 'polyglot'; from polyglot_export.cli.main import main; main()"
    arguments = [sys.executable, "-c", program, *([command] if command else []), "--help"]
    environment = {**os.environ, "COLUMNS": str(COLUMNS + 2), "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
    output = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout
    return "\n".join(line.rstrip() for line in output.strip().splitlines())


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for command in COMMANDS:
        name = f"polyglot {command}".strip()
        parts.append(f"## {name}\n\n```text\n{help_text(command)}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Write or check; gives the exit code."""
    made = page()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") == made:
            return 0
        print(f"{PAGE} is stale: run python tools/cli_reference.py", file=sys.stderr)
        return 1
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
