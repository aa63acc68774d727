"""The encodings that CSV can be written in: those of the Encoding Standard (WHATWG, section 4.2) that have an encoder,
and UTF-16.
"""

from __future__ import annotations

from typing import Final

from polyglot_export.errors import SpecError
from polyglot_export.fields import read_text, wrong

__all__ = ["CHARSETS", "UTF_8", "UTF_16", "is_multibyte", "mime_name", "python_name", "read_charset"]

UTF_8: Final = "utf-8"
UTF_16: Final = frozenset({"utf-16le", "utf-16be"})
MULTIBYTE: Final = frozenset({"big5", "euc-jp", "euc-kr", "gb18030", "gbk", "shift_jis"})
"""In which a character may take several bytes, all but the first of which may be those of ASCII letters."""
SINGLE_BYTE: Final = (
    *(f"windows-{number}" for number in (874, *range(1250, 1259))),
    *(f"iso-8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
    "ibm866",
    "koi8-r",
    "koi8-u",
    "macintosh",
    "x-mac-cyrillic",
)
CHARSETS: Final = (UTF_8, *sorted(UTF_16), *SINGLE_BYTE, *sorted(MULTIBYTE))
"""In the order of a message."""
PYTHON_NAMES: Final = {
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "macintosh": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
    "windows-874": "cp874",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
}
"""What Python calls them where that is something else."""
ALIASES: Final = {
    "utf8": UTF_8,
    "utf-16": "utf-16le",
    "utf16": "utf-16le",
    **{f"cp{number}": f"windows-{number}" for number in (874, *range(1250, 1259))},
    "cp866": "ibm866",
    "cp932": "shift_jis",
    "sjis": "shift_jis",
    "shift-jis": "shift_jis",
    "windows-31j": "shift_jis",
    "cp936": "gbk",
    "gb2312": "gbk",
    "cp949": "euc-kr",
    "latin9": "iso-8859-15",
    "latin-9": "iso-8859-15",
}
"""Other names that mean the same characters. ``iso-8859-1`` and ``ascii`` are not among them: the standard takes them
for windows-1252, which has more.
"""


def read_charset(given: object) -> str:
    """The name of an encoding, by any of its names.

    Raises:
        SpecError: It is none, or none that is written here.
    """
    name = read_text(given).strip().lower()
    name = ALIASES.get(name, name)
    if name in CHARSETS:
        return name
    more = "; windows-1252 has all characters of iso-8859-1" if name in {"iso-8859-1", "latin1", "latin-1"} else ""
    raise SpecError(None, wrong(f"must be one of {', '.join(CHARSETS)}{more}", given).reason)


def python_name(name: str) -> str:
    """What Python calls an encoding."""
    return PYTHON_NAMES.get(name, name)


def is_multibyte(name: str) -> bool:
    """Whether bytes of ASCII may be parts of other characters."""
    return name in MULTIBYTE


def mime_name(name: str) -> str:
    """What follows ``charset=``: with a byte order mark, as here, UTF-16 has no end in its name (RFC 2781, 3.2)."""
    return "utf-16" if name in UTF_16 else name
