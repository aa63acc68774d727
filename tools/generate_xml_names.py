"""Write ``rust/src/formats/xml/name_chars.rs``: the characters that an XML name may hold.

The table is what expat accepts, one character at a time. Expat follows XML 1.0, fourth edition, appendix B, as
PostgreSQL's own ``map_sql_identifier_to_xml_name`` does; libxml2 and the fifth edition accept these characters and
more. So a name made of them is read by every parser. Characters beyond the BMP are in no name of the fourth edition.

    python -m tools.generate_xml_names            writes the file
    python -m tools.generate_xml_names --check    fails when the file differs
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from xml.parsers import expat

from tools.generated import keep

TARGET = Path(__file__).resolve().parent.parent / "rust/src/formats/xml/name_chars.rs"
PER_LINE = 14
HEADER = """\
//! The characters beyond ASCII that an XML name may hold. Made by `tools/generate_xml_names.py`: do not edit.
//!
//! XML 1.0, fourth edition, appendix B, as expat has it. A table lists where membership changes, in ascending order:
//! the first code point that belongs, the next one that does not, and so on.
"""
NON_ASCII_BMP = range(0x80, 0x10000)


def is_well_formed(document: str) -> bool:
    """Whether expat reads the document."""
    try:
        expat.ParserCreate("UTF-8").Parse(document.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError:
        return False
    return True


def boundaries(belongs: Callable[[int], bool]) -> list[int]:
    """Where membership changes, in ascending order; a set that reaches the end of the BMP is refused, as none does."""
    found = []
    inside = False
    for point in NON_ASCII_BMP:
        if belongs(point) != inside:
            inside = not inside
            found.append(point)
    if inside:
        raise ValueError("the last range has no end")
    return found


def table(name: str, comment: str, points: list[int]) -> str:
    """One Rust table, laid out as rustfmt does."""
    lines = [points[at : at + PER_LINE] for at in range(0, len(points), PER_LINE)]
    body = "".join("    " + " ".join(f"0x{point:04X}," for point in line) + "\n" for line in lines)
    return f"\n/// {comment}\npub(super) const {name}: &[u16] = &[\n{body}];\n"


def generate() -> str:
    """The whole file."""
    start = boundaries(lambda point: is_well_formed(f"<{chr(point)}/>"))
    anywhere = boundaries(lambda point: is_well_formed(f"<a{chr(point)}/>"))
    return (
        HEADER
        + table("NAME_START", "What a name may begin with.", start)
        + table("NAME", "What may stand later in a name.", anywhere)
    )


def main() -> int:
    """Write or check; gives the exit code."""
    return keep(TARGET, generate(), "tools.generate_xml_names")


if __name__ == "__main__":
    sys.exit(main())
