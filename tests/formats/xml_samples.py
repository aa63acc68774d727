"""Values for the tests of XML: types with awkward text, documents with awkward structure."""

from __future__ import annotations

TYPES = r"""
CREATE TYPE mood AS ENUM ('sad & <low>', 'ok', 'h"appy''');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN price AS numeric(10,2);
CREATE DOMAIN word AS text;
"""
SCALARS = {
    "bool": ["t", "f"],
    "int2": ["-32768", "0"],
    "int4": ["2147483647"],
    "int8": ["-9223372036854775808"],
    "float4": ["1e-45", "16777217", "-Infinity"],
    "float8": ["1e23", "-0", "0.1", "NaN"],
    "numeric": ["1.500", "NaN", "-Infinity", "0." + "0" * 30 + "1", "1" + "0" * 200],
    "numeric(18,4)": ["-99999999999999.9999", "0"],
    "price": ["1.5"],
    "text": [
        "",
        "plain",
        "<a href=\"x\">&amp;]]> 'q'</a>",
        "\r\n\t \r",
        "é 名 😀 \x7f\x85\u2028\ufdd0\ufeff",
        "  blanks  ",
        "NULL",
    ],
    "word": ["<>"],
    "varchar(20)": ["", "a&b"],
    "char(5)": ["a", ""],
    "name": ["<x>"],
    '"char"': ["<", "&", "", r"\377"],
    "bytea": ["", r"\x003c3e26ff", r"\x" + "a7" * 200],
    "date": ["2024-02-29", "4713-01-01 BC", "5874897-12-31"],
    "time": ["12:34:56.789", "24:00"],
    "timetz": ["12:34:56.000001-15:59"],
    "timestamp": ["2024-02-29 12:34:56.789", "2020-01-02 12:15:10.605477", "4713-01-01 BC"],
    "timestamptz": ["2024-02-29 12:34:56+02", "294276-12-31 23:59:59.999999+00", "0001-01-01 00:00 BC"],
    "interval": ["1 year 2 days 03:04:05.6", "-1 mon -1 day -00:00:00.000001", "0"],
    "uuid": ["00000000-0000-0000-0000-00000000000f"],
    "oid": ["4294967295"],
    "mood": ["ok", "sad & <low>", "h\"appy'"],
    # By text.
    "inet": ["10.0.0.1/32", "::1", "192.168.0.0/16"],
    "money": ["-12.5"],
    "point": ["(1.5,-0)"],
    "int4range": ["[1,5)", "empty"],
    "tsvector": ["'<&>':1A b", ""],
    "varbit": ["101", ""],
    "pair": ["(,)", '(1,"<x & y>")', '(,"")'],
}
"""Texts that the type's input function takes."""

DOCUMENTS = [
    *["{}", "[]", '""', "null", "true", "false", "0", "-1.50e+10", '"text"', '"1"', '"true"', '"null"', '" "'],
    r'"<&>\r\n\t\"\\\/ \u00e9\ud83d\ude00]]>"',
    r'{"": 1, "_": 2, "__": 3}',
    *['{"item": 1}', "[1]", '{"item": []}', "[{}]", "[[]]", '[""]', "[null]", '[[], {}, "", null, [[1, [2]], 3]]'],
    r'{"a b": 1, "1": 2, "x:y": 3, "xml": 4, "_x0020_": 5, "\u540d": 6, "\ud83d\ude00": 7, "a\u0001": 8, "<>&\"": 9, "-": 10}',
    '{"a": {"b": {"c": [1, {"d": null}]}}, "long": 123456789012345678901234567890.000}',
]
JSON_ONLY = ['{"a": 1, "a": [2], "a": 1}', ' {\n"b"\t:\r\n[ 1 ,2]\n} ', '{"a": 1E400, "b": -0}']
"""What type json keeps and jsonb does not."""

ARRAYS = {
    "int4[]": [
        "{}",
        "{1}",
        "{1,NULL,-3}",
        "{{1,2},{3,4},{5,6}}",
        "{{{1},{2}},{{3},{NULL}}}",
        "[2:3]={7,8}",
        "[0:0][-1:0]={{1,2}}",
    ],
    "bool[]": ["{t,f,NULL}", "{{t},{f}}"],
    "text[]": ["{}", '{""}', r'{"",NULL,"NULL","a,b","<&>' + "\r" + r'","\"\\"}', "{{é,名},{😀,x}}"],
    "numeric[]": ["{1.50,-0.001,123456789012345678901234567890}", "{NaN,Infinity,-Infinity}"],
    "float8[]": ["{1e23,-0,NaN,Infinity,0.1}"],
    "date[]": ['{2024-02-29,NULL,"0044-03-15 BC"}'],
    "timestamp[]": ['{{"2024-02-29 12:34:56.5"},{"0044-03-15 01:00:00 BC"}}'],
    "timestamptz[]": ['{"2024-02-29 12:34:56+00",NULL}'],
    "uuid[]": ["{00000000-0000-0000-0000-00000000000f}"],
    "mood[]": ['{ok,"sad & <low>",NULL}'],
    "bytea[]": [r'{"\\x00ff",""}', r'{"\\x' + "a7" * 200 + '"}'],
}
INFINITE = {
    "date": ["infinity", "-infinity"],
    "timestamp": ["infinity", "-infinity"],
    "timestamptz": ["infinity", "-infinity"],
    "date[]": ["{2024-02-29,infinity}"],
    "timestamp[]": ["{-infinity}"],
    "timestamptz[]": ["{{infinity}}"],
}
"""What XML Schema has no form for."""

TYPED_ARRAYS = {
    **dict.fromkeys(["int2[]", "int4[]", "int8[]", "float4[]", "float8[]", "oid[]"], "{{1,2},{3,NULL}}"),
    "numeric[]": "{1.0,NaN,-Infinity}",
    "bool[]": "{t,f,NULL}",
    "text[]": '{1,true,"",NULL}',
    "uuid[]": "{00000000-0000-0000-0000-00000000000f}",
    **dict.fromkeys(["json[]", "jsonb[]"], r'{"{\"a\": [1, \"\"]}","[]",NULL,"null"}'),
}
"""For ``jsonTypes: all``: none of these has another text in ``to_json`` than in its output function."""
