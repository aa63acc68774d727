"""Numbers: the ends of each range, signs of zero, denormals, and decimals at the edges of rounding."""

from __future__ import annotations

import struct

from tests.types.values.sql import Sql, Value

DIGITS_BEFORE = 131_072
"""Digits before the point of the largest numeric (PostgreSQL manual, "Numeric Types")."""
DIGITS_AFTER = 16_383


def _float8(bits: int) -> str:
    return repr(struct.unpack("<d", struct.pack("<Q", bits))[0])


def _float4(bits: int) -> str:
    # The nearest double has the digits of the float and more; the server rounds them back.
    return repr(struct.unpack("<f", struct.pack("<I", bits))[0])


_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")

VALUES: dict[str, tuple[Value, ...]] = {
    "bool": ("true", "false"),
    "int2": ("0", "-1", "9", "10", "-32768", "32767"),
    "int4": ("0", "1", "-10", "99999", "-2147483648", "2147483647"),
    "int8": (
        "0",
        "7",
        "-100",
        "9007199254740993",
        "999999999999999",
        "-1000000000000000",
        "-9223372036854775808",
        "9223372036854775807",
    ),
    "oid": ("0", "1", "2147483648", "4294967295"),
    "xid": ("0", "4294967295"),
    "xid8": ("0", "18446744073709551615"),
    "cid": ("0", "4294967295"),
    "float8": (
        *_NOT_NUMBERS,
        "0",
        "-0",
        "1",
        "-1.5",
        "0.1",
        "0.0001",
        "0.00001",
        "100000000000000",
        "1e15",
        "1e16",
        "123456789012345678",
        "1e23",
        "-1e23",
        "8.5e22",
        "9007199254740993",
        "5e-324",
        "-5e-324",
        "2.2250738585072014e-308",
        "2.225073858507201e-308",
        "1.7976931348623157e308",
        "-1.7976931348623157e308",
        "4.35",
        "1e100",
        "1e-100",
        *(_float8(((1023 + power) << 52) | low) for power in range(52, 91, 2) for low in (0, 1, (1 << 52) - 1)),
    ),
    "float4": (
        *_NOT_NUMBERS,
        "0",
        "-0",
        "1",
        "-1.5",
        "0.1",
        "0.0001",
        "0.00001",
        "99999",
        "100000",
        "1e6",
        "1e15",
        "16777216",
        "33554432",
        "3.4028235e38",
        "-3.4028235e38",
        "1e-45",
        "-1e-45",
        "1.17549435e-38",
        "8589973000",
        "1.00000005e10",
        *(_float4(((127 + power) << 23) | low) for power in range(23, 91, 2) for low in (0, 1, (1 << 23) - 1)),
    ),
    "numeric": (
        *_NOT_NUMBERS,
        "0",
        "0.0",
        "0.000",
        "-0.5",
        "1",
        "1.500",
        "-1.00",
        "10000",
        "9999",
        "99990000",
        "100000000.0001",
        "0.0001",
        "0.00001",
        "-123456.789",
        "1e-16383",
        "1e131071",
        "123456789012345678901234567890123456789",
        "0.99999999999999999999999999999999999999",
        "12345678901234567890.12345678901234567890",
        "1e400",
        "-1e-400",
        Sql(f"(repeat('9', {DIGITS_BEFORE}) || '.' || repeat('9', {DIGITS_AFTER}))::numeric"),
        Sql(f"('-' || repeat('1234567890', 2000) || '.' || repeat('05', {DIGITS_AFTER // 2}))::numeric"),
    ),
    "money": ("0", "-0.01", "12.34", "-92233720368547758.08", "92233720368547758.07"),
    "bit": ("1", "0"),
    "varbit": ("", "1", "0101010110101010101", Sql("repeat('10', 5000)::varbit")),
    "int2vector": ("", "1", "1 -2 32767"),
    "oidvector": ("", "0", "1 2 4294967295"),
}
